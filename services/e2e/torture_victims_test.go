//go:build torture

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/failpoint"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/standalone/localid"
)

// mortals are the programs that are killed.
var mortals = []string{"vault", "allowlist"}

// A target is a point with the greatest number of hits after which a program ends there.
type target struct {
	failpoint.Point
	hits int
}

// Where the programs end. Points of the store are hit all the time, and others once for each operation.
var (
	storeTargets = []target{
		{failpoint.StorePrepared, 40},
		{failpoint.StoreWritten, 40},
		{failpoint.StoreCommitted, 40},
		{failpoint.StorePublished, 40},
		{failpoint.StoreAcknowledged, 40},
		{failpoint.StoreWritten, 40},
		{failpoint.PurgeReady, 4},
		{failpoint.PurgeErased, 4},
		{failpoint.PurgeSyncing, 2},
	}
	keyTargets = []target{
		{failpoint.KeyringSealed, 2},
		{failpoint.KeyringStored, 2},
		{failpoint.StoreReauthenticated, 2},
		{failpoint.RotationStored, 1},
		{failpoint.RotationSigned, 1},
		{failpoint.RotationAuthenticated, 1},
		{failpoint.RetirementDue, 1},
		{failpoint.RetirementStored, 1},
		{failpoint.RetirementForgotten, 1},
	}
	vaultTargets = []target{
		{failpoint.DestructionCounted, 1},
		{failpoint.RewrapStarted, 1},
		{failpoint.RewrapStepped, 2},
		{failpoint.RewrapPassed, 1},
		{failpoint.RewrapCounted, 1},
	}
	saveTargets = []target{
		{failpoint.SaveBegun, 6},
		{failpoint.SaveBound, 6},
		{failpoint.SaveFinished, 6},
		{failpoint.SaveCanceling, 2},
		{failpoint.UnbindBegun, 4},
		{failpoint.UnbindDone, 4},
	}
	// startTargets are hit when a program starts.
	startTargets = map[string][]target{
		"vault":     {{failpoint.StorePrepared, 2}, {failpoint.StoreCommitted, 2}, {failpoint.StoreReauthenticated, 1}, {failpoint.RetirementDue, 1}, {failpoint.RetirementStored, 1}, {failpoint.RewrapStepped, 1}},
		"allowlist": {{failpoint.StorePrepared, 2}, {failpoint.StoreCommitted, 2}, {failpoint.UnbindBegun, 1}, {failpoint.UnbindDone, 1}, {failpoint.CompareBindings, 1}},
	}
	scheduledPoints = []failpoint.Point{failpoint.BackupComplete, failpoint.BackupRenamed, failpoint.BackupPruning}
	// restorePoints are hit by the command restore, the last ones only by that of the vault.
	restorePoints = map[string][]failpoint.Point{
		"vault":     {failpoint.RestoreUnpacked, failpoint.RestoreMarked, failpoint.RestoreSynced, failpoint.RestoreLinked, failpoint.RestoreRecording, failpoint.RestoreRecorded, failpoint.StoreCommitted},
		"allowlist": {failpoint.RestoreUnpacked, failpoint.RestoreMarked, failpoint.RestoreSynced, failpoint.RestoreLinked},
	}
	// agreeTargets are hit while a restored program and the other one agree again.
	agreeTargets = map[string][]target{
		"vault":     {{failpoint.RestoreRecording, 2}, {failpoint.RestoreRecorded, 2}, {failpoint.StoreCommitted, 4}},
		"allowlist": {{failpoint.CompareBindings, 1}, {failpoint.CompareComplete, 1}, {failpoint.CompareReported, 1}, {failpoint.StoreCommitted, 4}},
	}
	compactPoints = []failpoint.Point{failpoint.CompactCopied, failpoint.CompactRenamed, failpoint.CompactErasing}
	createPoints  = []failpoint.Point{failpoint.StoreCreated, failpoint.StoreLinked}
	upgradePoints = []failpoint.Point{failpoint.UpgradeFilling, failpoint.UpgradeFilled, failpoint.UpgradeKept, failpoint.UpgradeRenamed}
)

// Victims are a vault and an allowlist with their load.
type victims struct {
	*constellation
	run   *torture
	rng   *rand.Rand
	trace trace

	owned, super struct {
		vault     vaultv1.VaultServiceClient
		allowlist allowlistv1.AllowlistServiceClient
	}
	vaultKeys     vaultv1.KeyringServiceClient
	allowlistKeys allowlistv1.KeyringServiceClient
	restores      vaultv1.MaintenanceServiceClient
	care          map[string]maintenanceClient
	sender        allowlistv1.AllowlistServiceClient
	checker       vaultv1.VaultServiceClient

	// gate is held by the load for reading during each operation, and for writing between two rounds.
	gate    sync.RWMutex
	held    atomic.Bool
	load    sync.WaitGroup
	cancel  context.CancelFunc
	writers []*secretOwner
	savers  []*endpointOwner
	keys    *keyOwner
	heads   map[string]*head
	back    *snapshot // the backups that are restored next
}

// newVictims writes the configurations of two programs, and starts none.
func newVictims(t *testing.T, run *torture, dir string, number uint64) *victims {
	s := &victims{
		constellation: apartIn(t, dir, func() (string, error) { return run.folder, nil }),
		run:           run, rng: rand.New(rand.NewPCG(run.seed, number)),
	}
	authority, err := localid.LoadOrCreate(filepath.Join(dir, "ca"))
	check(t, err)
	workload, err := authority.WorkloadCertificate(spiffeid.RequireFromString("spiffe://" + apartDomain + "/checker"))
	check(t, err)
	check(t, localid.WriteCertificate(s.path("checker-client.crt"), s.path("checker-client.key"), workload))
	s.reconfigureFile("policy.yaml", fmt.Sprintf("  - {spiffe_id: \"spiffe://%s/checker\", role: resolver, workspaces: [\"*\"]}\n", apartDomain))
	s.reconfigureFile("vault.yaml", "delete_grace: 24h\n")
	for _, name := range mortals {
		check(t, os.Mkdir(s.backups(name), 0o700))
		s.reconfigureFile(name+".yaml", fmt.Sprintf("backup: {folder: %s, every: 10m, keep: %d}\n", s.backups(name), keptBackups))
	}
	waits := grpc.WaitForReady(true)
	vault, allowlist := s.dial(t, s.vault, owner, waits), s.dial(t, s.allowlist, owner, waits)
	s.owned.vault, s.owned.allowlist = vaultv1.NewVaultServiceClient(vault), allowlistv1.NewAllowlistServiceClient(allowlist)
	vault, allowlist = s.dial(t, s.vault, admin, waits), s.dial(t, s.allowlist, admin, waits)
	s.super.vault, s.super.allowlist = vaultv1.NewVaultServiceClient(vault), allowlistv1.NewAllowlistServiceClient(allowlist)
	s.vaultKeys, s.allowlistKeys = vaultv1.NewKeyringServiceClient(vault), allowlistv1.NewKeyringServiceClient(allowlist)
	s.restores = vaultv1.NewMaintenanceServiceClient(vault)
	s.care = map[string]maintenanceClient{"vault": s.restores, "allowlist": allowlistv1.NewMaintenanceServiceClient(allowlist)}
	s.sender = allowlistv1.NewAllowlistServiceClient(s.dial(t, s.allowlist, sender, waits))
	s.checker = s.asResolver("checker", waits)
	return s
}

func (s *victims) reconfigureFile(name, more string) {
	s.t.Helper()
	check(s.t, os.WriteFile(s.path(name), []byte(readFile(s.t, s.path(name))+more), 0o600))
}

// begin starts the programs and the load. A start may be interrupted while it creates the store.
func (s *victims) begin() {
	s.t.Helper()
	for _, name := range mortals {
		point := pick(s.rng, createPoints)
		s.plan(name, fmt.Sprintf("%s 1", point))
		s.launch(name)
	}
	s.awaitReady()
	ctx, cancel := context.WithCancel(s.t.Context())
	s.cancel = cancel
	s.heads = map[string]*head{"vault": {}, "allowlist": {}}
	s.hold()
	s.populate(ctx)
	s.inspect(0)
}

// end waits until nothing is left to do, and checks the stores for the last time.
func (s *victims) end() {
	s.t.Helper()
	s.stopLoad()
	if err := within(s.t.Context(), patience, s.idle); err != nil {
		s.t.Errorf("the work in the background does not end: %v", err)
	}
	s.inspect(0)
	for _, name := range mortals {
		s.running[name].stop()
		s.verifyBackups(name)
	}
}

// hold waits for the operations of the load and prevents further ones.
func (s *victims) hold() {
	s.gate.Lock()
	s.held.Store(true)
}

func (s *victims) release() {
	s.held.Store(false)
	s.gate.Unlock()
}

// stopLoad ends the load.
func (s *victims) stopLoad() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	if s.held.Load() {
		s.release()
	}
	s.load.Wait()
}

// round lets the load work, kills one program or both, restarts them, and checks everything.
func (s *victims) round(n int) {
	s.t.Helper()
	victims, point := s.arm()
	s.release()
	timer := time.NewTimer(s.lifetime(point))
	select {
	case <-s.running[victims[0]].exited:
	case <-timer.C:
	}
	timer.Stop()
	for _, name := range victims {
		s.running[name].kill()
		s.plan(name, "")
	}
	s.trace.add("killed %v, planned at %q", victims, point)
	drained := make(chan struct{})
	go func() {
		s.hold()
		close(drained)
	}()
	for _, name := range victims {
		s.compact(name)
		s.backUpOnSchedule(name)
		if s.rng.IntN(5) == 0 {
			at := pick(s.rng, startTargets[name])
			s.plan(name, fmt.Sprintf("%s %d", at.Point, 1+s.rng.IntN(at.hits)))
		}
		s.launch(name)
	}
	s.awaitReady()
	<-drained
	s.settle()
	s.inspect(n)
	switch n % restoreEvery {
	case 1:
		s.back = s.newSnapshot()
	case 4:
		s.restore(s.back)
		s.inspect(n)
	}
}

// lifetime returns how long the programs live if they do not reach the point.
func (s *victims) lifetime(point string) time.Duration {
	if point != "" {
		return 1500 * time.Millisecond
	}
	return time.Duration(100+s.rng.IntN(500)) * time.Millisecond
}

// arm chooses who dies next, and in most cases at which point.
func (s *victims) arm() (victims []string, point string) {
	victim := pick(s.rng, mortals)
	victims = []string{victim}
	if s.rng.IntN(8) == 0 {
		victims = append(victims, mortals[0])
		if victim == mortals[0] {
			victims[1] = mortals[1]
		}
	}
	if s.rng.IntN(5) == 0 {
		return victims, ""
	}
	classes := [][]target{storeTargets, keyTargets, saveTargets}
	if victim == "vault" {
		classes[2] = vaultTargets
	}
	at := pick(s.rng, pick(s.rng, classes))
	point = fmt.Sprintf("%s %d", at.Point, 1+s.rng.IntN(at.hits))
	if at.Point == failpoint.StoreWritten && s.rng.IntN(3) > 0 {
		point += fmt.Sprintf(" %dus", s.rng.IntN(2000)) // in the middle of the commit
	}
	s.plan(victim, point)
	return victims, point
}

// compact compacts the file of a program that does not run, sometimes, and kills that too.
func (s *victims) compact(name string) {
	s.t.Helper()
	if s.rng.IntN(8) != 0 {
		return
	}
	point := pick(s.rng, compactPoints)
	s.plan(name, fmt.Sprintf("%s 1", point))
	for range 1 + s.rng.IntN(2) {
		p := startCommand(s.t, name, s.program(name, "compact", "--config", s.path(name+".yaml")))
		<-p.exited
		if p.err != nil && !s.died(name) {
			s.t.Fatalf("%s compact: %v\n%s", name, p.err, p.output())
		}
	}
	s.trace.add("compacted the %s, killed at %s", name, point)
	s.plan(name, "")
}

func (s *victims) program(name string, args ...string) *exec.Cmd {
	return withFailpoint(s.run.folder, s.path("failpoint-"+name), name, args...)
}

// withFailpoint returns a command that ends at the point in a file.
func withFailpoint(folder, file, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(folder, name), args...)
	cmd.Env = append(os.Environ(), "KEYWARD_FAILPOINT="+file)
	return cmd
}

func (s *victims) launch(name string) {
	s.t.Helper()
	s.running[name] = startCommand(s.t, name, s.program(name, "serve", "--config", s.path(name+".yaml")))
}

// logs returns the end of what the programs wrote, without requests that succeeded.
func (s *victims) logs() string {
	var b strings.Builder
	for _, name := range mortals {
		if p := s.running[name]; p != nil {
			lines := slices.DeleteFunc(strings.Split(p.output(), "\n"), func(line string) bool { return strings.Contains(line, `"level":"INFO"`) })
			fmt.Fprintf(&b, "output of the %s:\n%s\n", name, strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	}
	return b.String()
}

func (s *victims) plan(name, text string) { plan(s.t, s.path("failpoint-"+name), text) }

// plan replaces the point in a file.
func plan(t testing.TB, file, text string) {
	t.Helper()
	check(t, os.WriteFile(file+".new", []byte(text), 0o600))
	check(t, os.Rename(file+".new", file))
}

// hits returns the lines that a program wrote about failpoints.
func (s *victims) hits(name string) []string {
	text, err := os.ReadFile(s.path("failpoint-" + name + ".hits"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// died reports whether the last hit of a program ended it.
func (s *victims) died(name string) bool {
	lines := s.hits(name)
	return len(lines) > 0 && strings.HasPrefix(lines[len(lines)-1], "!")
}

// awaitReady waits until both programs answer. A program that ends at a point starts again.
func (s *victims) awaitReady() {
	s.t.Helper()
	for _, name := range mortals {
		for !s.ready(name) {
			if !s.died(name) {
				s.t.Fatalf("the %s does not start: %v\n%s", name, s.running[name].err, s.running[name].output())
			}
			s.trace.add("the %s ended during its start", name)
			s.plan(name, "")
			s.launch(name)
		}
		s.plan(name, "")
	}
	for _, name := range mortals { // it may have ended since
		select {
		case <-s.running[name].exited:
			s.launch(name)
			if !s.ready(name) {
				s.t.Fatalf("the %s does not start: %v\n%s", name, s.running[name].err, s.running[name].output())
			}
		default:
		}
	}
}

// ready waits until a program answers, or returns false if it ends before.
func (s *victims) ready(name string) bool {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		answered <- within(ctx, patience, func(ctx context.Context) error {
			_, err := s.checkpoint(ctx, name)
			return err
		})
	}()
	select {
	case <-s.running[name].exited:
		return false
	case err := <-answered:
		if err != nil {
			s.trace.add("the %s is not ready: %v", name, err)
		}
		return err == nil
	}
}
