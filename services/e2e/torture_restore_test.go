//go:build torture

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/failpoint"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const (
	// restoreEvery is the number of rounds with one restore.
	restoreEvery = 10
	// keptBackups is how many scheduled backups a program keeps.
	keptBackups = 2
)

// A snapshot is the model at the time of a backup of both programs.
type snapshot struct {
	secrets   map[*secret]storedSecret
	keys      map[*endpointOwner][]*secret // those that exist
	endpoints map[*tortured]endpointState
	rings     map[*ring]ringState
	heads     map[string]head
}

// A storedSecret is a secret with its values.
type storedSecret struct {
	state  secretState
	values []string
}

// secrets returns all secrets of the model.
func (s *victims) secrets() (all []*secret) {
	for _, w := range s.writers {
		all = append(all, w.secrets...)
	}
	for _, e := range s.savers {
		all = append(all, e.keys...)
	}
	return all
}

// newSnapshot backs up both programs, while the load is held and no change is pending.
func (s *victims) newSnapshot() *snapshot {
	s.t.Helper()
	made := &snapshot{
		secrets: make(map[*secret]storedSecret), keys: make(map[*endpointOwner][]*secret),
		endpoints: make(map[*tortured]endpointState), rings: make(map[*ring]ringState), heads: make(map[string]head),
	}
	for _, x := range s.secrets() {
		made.secrets[x] = storedSecret{x.now, slices.Clone(x.values)}
	}
	for _, e := range s.savers {
		made.keys[e] = slices.DeleteFunc(slices.Clone(e.keys), func(k *secret) bool { return !k.now.live })
		for _, x := range e.endpoints {
			made.endpoints[x] = x.now
		}
	}
	for _, r := range s.keys.rings {
		made.rings[r] = r.now
	}
	for _, name := range mortals {
		made.heads[name] = *s.heads[name]
		err := within(s.t.Context(), patience, func(ctx context.Context) (err error) { // a scheduled one may run
			file, err := os.Create(s.path(name + ".backup"))
			if err != nil {
				return err
			}
			return errors.Join(s.backUp(ctx, name, file), file.Close())
		})
		if err != nil {
			s.t.Errorf("back up the %s: %v", name, err)
		}
	}
	s.trace.add("backed up both programs")
	return made
}

// backUp writes a backup of a program.
func (s *victims) backUp(ctx context.Context, name string, to io.Writer) error {
	stream, err := s.care[name].Backup(ctx, &maintenancev1.BackupRequest{Parent: everything})
	for err == nil {
		var part *maintenancev1.BackupResponse
		if part, err = stream.Recv(); err == nil {
			_, err = to.Write(part.GetData())
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// restore replaces the data file of one program, or of both, by that of the backup. The load is held.
func (s *victims) restore(back *snapshot) {
	s.t.Helper()
	names := pick(s.rng, [][]string{{"vault"}, {"vault"}, {"allowlist"}, mortals})
	s.trace.add("restoring %v", names)
	s.run.restores++
	for _, name := range names {
		s.running[name].kill()
		check(s.t, os.Remove(s.path(name+".db")))
		s.runRestore(name)
		s.launch(name)
	}
	if slices.Contains(names, "allowlist") {
		back.resetAllowlist(s)
	}
	if slices.Contains(names, "vault") {
		back.resetVault(s)
	}
	s.awaitReady()
	point := ""
	if s.rng.IntN(4) > 0 {
		name := pick(s.rng, mortals)
		at := pick(s.rng, agreeTargets[name])
		point = fmt.Sprintf("%s %d", at.Point, 1+s.rng.IntN(at.hits))
		s.plan(name, point)
	}
	err := within(s.t.Context(), 2*patience, s.agree)
	if err != nil {
		s.t.Errorf("the programs do not agree after a restore of %v, killed at %q: %v", names, point, err)
	}
	for _, name := range mortals {
		s.plan(name, "")
	}
	s.awaitReady()
	if left, _ := filepath.Glob(s.path("*.db.new-*")); len(left) > 0 {
		s.t.Errorf("after a restore, the folder has %v", left)
	}
}

// runRestore runs the command restore, and kills it in most cases. Then the data file is absent or complete.
func (s *victims) runRestore(name string) {
	s.t.Helper()
	args := []string{"restore", "--config", s.path(name + ".yaml"), s.path(name + ".backup")}
	if name == "vault" {
		args = append(args, "--reason", "torture")
	}
	point := pick(s.rng, restorePoints[name])
	if s.rng.IntN(4) > 0 {
		s.plan(name, fmt.Sprintf("%s 1", point))
	}
	for range 2 {
		p := startCommand(s.t, name, s.program(name, args...))
		<-p.exited
		s.plan(name, "")
		if p.err != nil && !s.died(name) {
			s.t.Fatalf("%s restore: %v\n%s", name, p.err, p.output())
		}
		_, err := os.Stat(s.path(name + ".db"))
		if err == nil {
			if p.err != nil && point != failpoint.RestoreLinked {
				s.t.Errorf("%s restore, killed at %s, leaves a data file", name, point)
			}
			s.trace.add("restored the %s, with %q in mind", name, point)
			return
		}
		if p.err == nil {
			s.t.Fatalf("%s restore leaves no data file: %v", name, err)
		}
	}
	s.t.Fatalf("%s restore does not end", name)
}

// resetVault gives the model the state that the vault had. Endpoints whose keys are gone go off.
func (b *snapshot) resetVault(s *victims) {
	for _, x := range s.secrets() {
		before, there := x.now, b.secrets[x]
		x.now, x.values = there.state, slices.Clone(there.values)
		x.restored = x.now.last()
		x.least = max(before.last(), x.restored+1000) + 1
	}
	for _, e := range s.savers {
		e.keys = slices.Clone(b.keys[e])
		for _, x := range e.endpoints {
			if e.lost(x) {
				x.now.state = allowlistv1.Endpoint_STATE_INACTIVE
				s.run.lost++
			}
		}
	}
	vault := s.keys.rings[0]
	vault.now = b.rings[vault]
	*s.heads["vault"] = b.heads["vault"]
}

// resetAllowlist gives the model the state that the allowlist had.
func (b *snapshot) resetAllowlist(s *victims) {
	for x, state := range b.endpoints {
		x.now = state
	}
	allowlist := s.keys.rings[1]
	allowlist.now = b.rings[allowlist]
	*s.heads["allowlist"] = b.heads["allowlist"]
}

// agree confirms a restore, and fails until nothing is held, each program has seen the head of the other,
// and exactly the references are bound. A program that ends at a point starts again.
func (s *victims) agree(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for _, name := range mortals {
		select {
		case <-s.running[name].exited:
			if !s.died(name) {
				s.t.Fatalf("the %s ended: %v\n%s", name, s.running[name].err, s.running[name].output())
			}
			s.plan(name, "")
			s.launch(name)
		default:
		}
	}
	allowlist, err := s.super.vault.AcceptResolverCheckpoint(ctx, &vaultv1.AcceptResolverCheckpointRequest{
		Parent: everything, Resolver: "spiffe://" + apartDomain + "/allowlist", Reason: "a test",
	})
	if err != nil {
		return err
	}
	vault, err := s.super.allowlist.AcceptVaultCheckpoint(ctx, &allowlistv1.AcceptVaultCheckpointRequest{Parent: everything, Reason: "a test"})
	if err != nil {
		return err
	}
	err = errors.Join(s.sees(ctx, "vault", vault.GetNewCheckpoint()), s.sees(ctx, "allowlist", allowlist.GetNewCheckpoint()))
	if err != nil {
		return err
	}
	got, err := s.restores.GetRestore(ctx, &vaultv1.GetRestoreRequest{Parent: everything})
	if err != nil {
		return err
	}
	if got.GetRestore().GetPending() {
		return errors.New("the vault holds changes")
	}
	bound, err := s.bindings(ctx)
	if want := s.references(); err == nil && !maps.Equal(bound, want) {
		err = fmt.Errorf("bound are %v, want %v", bound, want)
	}
	return err
}

// sees fails unless the log of a program extends a head that the other one has seen.
func (s *victims) sees(ctx context.Context, name, checkpoint string) error {
	seen, err := parseHead(checkpoint)
	if err != nil {
		return err
	}
	answer, err := s.checkpoint(ctx, name)
	if err != nil {
		return err
	}
	now, err := openHead(answer)
	if err == nil {
		err = s.extends(ctx, name, seen, now)
	}
	if err != nil {
		err = fmt.Errorf("the head of the %s: %w", name, err)
	}
	return err
}

// backups returns the folder of the scheduled backups of a program.
func (s *victims) backups(name string) string { return s.path("backups-" + name) }

// scheduled matches the names of the backups, and the times in them.
var scheduled = regexp.MustCompile(`^(?:vault|allowlist)-(\d{8}T\d{6}Z)\.backup$`)

// backUpOnSchedule makes a backup due, in some rounds, and kills the program that writes it at its start.
func (s *victims) backUpOnSchedule(name string) {
	s.t.Helper()
	if s.rng.IntN(8) != 0 {
		return
	}
	s.age(name)
	point := pick(s.rng, scheduledPoints)
	s.plan(name, fmt.Sprintf("%s 1", point))
	s.launch(name)
	select {
	case <-s.running[name].exited:
	case <-time.After(patience):
		s.t.Errorf("a backup of the %s does not reach %s", name, point)
	}
	s.running[name].kill()
	s.plan(name, "")
	s.trace.add("killed a backup of the %s at %s", name, point)
	s.verifyBackups(name)
	s.age(name) // the next start writes another one
}

// age moves the times in the names of the scheduled backups to an hour before.
func (s *victims) age(name string) {
	s.t.Helper()
	for _, file := range s.scheduledBackups(name) {
		const form = "20060102T150405Z"
		at, err := time.Parse(form, scheduled.FindStringSubmatch(file)[1])
		check(s.t, err)
		aged := name + "-" + at.Add(-time.Hour).Format(form) + ".backup"
		check(s.t, os.Rename(filepath.Join(s.backups(name), file), filepath.Join(s.backups(name), aged)))
	}
}

// scheduledBackups returns the names of the scheduled backups, oldest first.
func (s *victims) scheduledBackups(name string) (files []string) {
	s.t.Helper()
	all, err := os.ReadDir(s.backups(name))
	check(s.t, err)
	for _, file := range all {
		if scheduled.MatchString(file.Name()) {
			files = append(files, file.Name())
		}
	}
	return files
}

// verifyBackups verifies the scheduled backups of a program that does not run. One more than those that are
// kept may be there, and the temporary file of one that was killed.
func (s *victims) verifyBackups(name string) {
	s.t.Helper()
	files := s.scheduledBackups(name)
	if len(files) > keptBackups+1 {
		s.t.Errorf("the %s keeps the backups %v", name, files)
	}
	for _, file := range files {
		p := startCommand(s.t, name, s.program(name, "verify-backup", "--config", s.path(name+".yaml"), filepath.Join(s.backups(name), file)))
		if <-p.exited; p.err != nil {
			s.t.Errorf("%s verify-backup %s: %v\n%s", name, file, p.err, p.output())
		}
		s.run.verified++
	}
	if partial, _ := filepath.Glob(filepath.Join(s.backups(name), ".*.partial")); len(partial) > 1 {
		s.t.Errorf("the %s leaves %v", name, partial)
	}
}
