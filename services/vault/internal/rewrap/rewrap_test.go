package rewrap_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/services/vault/internal/rewrap"
	"github.com/keyward/keyward/services/vault/internal/secret"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// A fixture is a vault without its API.
type fixture struct {
	*secret.Store

	db   *boltkv.DB
	kek  tink.AEAD
	keys *keyring.Keyring
	log  *changelog.Log
	op   *rewrap.Operation

	mu      sync.Mutex
	actions []string
	stop    context.CancelFunc
	stopped sync.WaitGroup
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	folder := t.TempDir()
	check(t, kek.CreateFile(filepath.Join(folder, "key")))
	key, err := kek.File(filepath.Join(folder, "key"))
	check(t, err)
	db, err := boltkv.Open(filepath.Join(folder, "store"), boltkv.Options{})
	check(t, err)
	t.Cleanup(func() { db.Close() })
	f := &fixture{db: db, kek: key, stop: func() {}}
	f.start(t)
	t.Cleanup(func() { f.end() })
	return f
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts the vault with the stored keyring.
func (f *fixture) start(t *testing.T) {
	t.Helper()
	var err error
	f.keys, err = keyring.Open(t.Context(), f.db, keyring.Local("file:key", f.kek), "vault")
	check(t, err)
	check(t, f.keys.Authenticate(f.db))
	if f.log == nil {
		f.log, err = changelog.New([][32]byte{f.keys.Derive("log")}, "vault", time.Now)
		check(t, err)
		f.db.Attach(changelog.Name, f.log)
	}
	f.Store, err = secret.NewStore(t.Context(), secret.Config{
		KV: f.db, Keys: f.keys, Log: f.log, Ledger: replay.NewLedger(f.keys.Derive("ledger"), time.Now),
	})
	check(t, err)
	f.op, err = rewrap.Open(t.Context(), rewrap.Config{
		KV: f.db, Secrets: f.Store, Primary: f.keys.KeyID, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Record: func(_ kv.Tx, author changelog.Author, action string, _ rewrap.State) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.actions = append(f.actions, author.Actor.Subject+" "+action)
			return nil
		},
	})
	check(t, err)
}

// run lets the operation run in the background.
func (f *fixture) run(t *testing.T) {
	t.Helper()
	var ctx context.Context
	ctx, f.stop = context.WithCancel(t.Context())
	op := f.op
	f.stopped.Go(func() { op.Run(ctx) })
}

func (f *fixture) end() {
	f.stop()
	f.stopped.Wait()
	f.Close()
}

// rotate restarts the vault with another primary key.
func (f *fixture) rotate(t *testing.T) {
	t.Helper()
	f.end()
	check(t, vaulttest.AddPrimary(t.Context(), f.db, f.kek))
	f.start(t)
}

func name(i int) secret.Name { return secret.Name{Workspace: "acme", ID: fmt.Sprintf("key-%05d", i)} }

func text(i int) string { return fmt.Sprintf("the value of secret %d", i) }

var purpose = secret.NewPurpose([]string{"raw > HMAC-SHA256(of=message)"}, 0, false)

// fill stores secrets with bindings.
func (f *fixture) fill(t *testing.T, count int) []secret.Secret {
	t.Helper()
	made := make([]secret.Secret, count)
	var wg sync.WaitGroup
	for worker := range 32 {
		wg.Go(func() {
			for i := worker; i < count; i += 32 {
				v, err := secret.NewValue([]byte(text(i)))
				if err == nil {
					made[i], err = f.Create(t.Context(), secret.Call{}, name(i), secret.Draft{Usage: secret.Key, Value: v.Acknowledged("a test")})
				}
				if err == nil {
					_, _, err = f.Bind(t.Context(), secret.Call{}, name(i), "allowlist", secret.BindRequest{
						Usage: secret.Key, Purpose: purpose, Referrer: "workspaces/acme/endpoints/e", Operation: "op",
					})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return made
}

// await returns the state once it fulfills a condition.
func (f *fixture) await(t *testing.T, fulfills func(rewrap.State) bool) rewrap.State {
	t.Helper()
	for {
		s, _ := f.op.State()
		if fulfills(s) {
			return s
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("the state remains %+v", s)
		case <-time.After(time.Millisecond):
		}
	}
}

func ended(s rewrap.State) bool { return s.Phase != rewrap.IsRunning }

func (f *fixture) resolve(ctx context.Context, of secret.Secret, want string) error {
	got, err := f.Resolve(ctx, secret.Call{}, "allowlist", secret.Wanted{Name: of.Name, UID: of.UID, Purpose: purpose.Digest()})
	if err != nil {
		return err
	}
	defer got.Plain.Zero()
	if string(got.Plain.Reveal()) != want {
		return errors.New("another value")
	}
	return nil
}

func (f *fixture) wantPrimaryOnly(t *testing.T, versions int) {
	t.Helper()
	counts, err := f.DependsOn(t.Context())
	if err != nil || len(counts) != 1 || counts[f.keys.KeyID()] < uint64(versions) {
		t.Errorf("DependsOn = %v, %v, want %d versions under the primary key only", counts, err, versions)
	}
}

func TestEverySecretIsRewrappedUnderResolvingCallers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const count, callers = 2000, 16
	made := f.fill(t, count)
	old := f.keys.KeyID()
	f.rotate(t)
	f.run(t)
	var resolved atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for n := caller; ; n += callers + 1 {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond): // leaves the machine time for other tests
				}
				if err := f.resolve(t.Context(), made[n%count], text(n%count)); err != nil {
					t.Errorf("Resolve = %v", err)
					return
				}
				resolved.Add(1)
			}
		})
	}
	started, err := f.op.Start(t.Context(), changelog.Author{Actor: changelog.Actor{Subject: "root"}}, 100_000)
	if err != nil || started.Phase != rewrap.IsRunning || started.Rate != 100_000 {
		t.Fatalf("Start = %+v, %v", started, err)
	}
	s := f.await(t, ended)
	close(done)
	wg.Wait()
	if s.Phase != rewrap.IsDone || s.Done != count || s.Total != count || s.Rewrapped != count || s.Failed != 0 || s.Ended.IsZero() || s.Key == old {
		t.Errorf("the operation ended as %+v", s)
	}
	if resolved.Load() == 0 {
		t.Error("no caller resolved anything meanwhile")
	}
	if want := []string{"root " + rewrap.Started, " " + rewrap.Done}; !slices.Equal(f.actions, want) {
		t.Errorf("recorded %q, want %q", f.actions, want)
	}
	f.wantPrimaryOnly(t, count)
	var size uint64
	check(t, f.db.View(t.Context(), func(r kv.Reader) (err error) {
		size, err = changelog.Size(r)
		return err
	}))
	if size != 2*count {
		t.Errorf("the log has %d entries, want those of creations and bindings only", size)
	}

	f.end()
	check(t, vaulttest.DropKeys(t.Context(), f.db, f.kek))
	f.start(t)
	for i, of := range made {
		if err := f.resolve(t.Context(), of, text(i)); err != nil {
			t.Fatalf("without the old key, Resolve of secret %d = %v", i, err)
		}
		sec, _, err := f.Get(t.Context(), of.Name)
		if err != nil || sec.Revision != of.Revision || !sec.Updated.Equal(of.Updated) {
			t.Fatalf("secret %d has the revision %d of %v, %v, want %d of %v", i, sec.Revision, sec.Updated, err, of.Revision, of.Updated)
		}
	}
	alarm := audit.NewAlarm("vault", audit.Stop, slog.New(slog.NewTextHandler(t.Output(), nil)))
	check(t, audit.New(audit.Config{Store: f.db, Log: f.log, Resources: secret.Rows{}, Alarm: alarm, Share: 1}).Pass(t.Context()))
	select {
	case <-alarm.Stopped():
		t.Error("the comparison with the log finds changed data")
	default:
	}
}

func TestARewrapContinuesAfterARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const count = 300
	f.fill(t, count)
	f.rotate(t)
	f.run(t)
	if _, err := f.op.Start(t.Context(), changelog.Author{}, 300); err != nil {
		t.Fatal(err)
	}
	again, err := f.op.Start(t.Context(), changelog.Author{}, 5000)
	if err != nil || again.Rate != 300 {
		t.Errorf("Start of a running operation = %+v, %v, want the running one", again, err)
	}
	f.await(t, func(s rewrap.State) bool { return s.Rewrapped > 0 })
	f.end()
	f.start(t)
	if s, found := f.op.State(); !found || s.Phase != rewrap.IsRunning || s.Rate != 300 || s.Started.IsZero() {
		t.Errorf("after a restart, the state is %+v", s)
	}
	f.run(t)
	if s := f.await(t, ended); s.Phase != rewrap.IsDone {
		t.Errorf("the operation ended as %+v", s)
	}
	f.wantPrimaryOnly(t, count)
	if len(f.actions) != 2 {
		t.Errorf("recorded %q, want a start and an end", f.actions)
	}
}

func TestACanceledRewrapKeepsWhatItDid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const count = 300
	f.fill(t, count)
	old := f.keys.KeyID()
	if s, err := f.op.Cancel(t.Context(), changelog.Author{}); err != nil || s.Phase != 0 {
		t.Errorf("Cancel of nothing = %+v, %v", s, err)
	}
	f.rotate(t)
	f.run(t)
	if _, err := f.op.Start(t.Context(), changelog.Author{}, 1); err != nil {
		t.Fatal(err)
	}
	f.await(t, func(s rewrap.State) bool { return s.Rewrapped > 0 })
	s, err := f.op.Cancel(t.Context(), changelog.Author{Actor: changelog.Actor{Subject: "root"}})
	if err != nil || s.Phase != rewrap.IsCanceled || s.Ended.IsZero() || s.Rewrapped == 0 || s.Rewrapped >= count {
		t.Errorf("Cancel = %+v, %v", s, err)
	}
	f.end()
	f.start(t)
	if got, _ := f.op.State(); got.Phase != rewrap.IsCanceled {
		t.Errorf("after a restart, the state is %+v", got)
	}
	counts, err := f.DependsOn(t.Context())
	if err != nil || counts[old] != count-s.Rewrapped {
		t.Errorf("DependsOn = %v, %v, want %d under the old key", counts, err, count-s.Rewrapped)
	}
	f.run(t)
	if _, err := f.op.Start(t.Context(), changelog.Author{}, 100_000); err != nil {
		t.Fatal(err)
	}
	if s := f.await(t, ended); s.Phase != rewrap.IsDone || s.Done != count {
		t.Errorf("the next operation ended as %+v", s)
	}
}

// The primary key changed while the vault was stopped.
func TestARewrapStartsOverForAnotherPrimaryKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const count = 200
	f.fill(t, count)
	f.rotate(t)
	f.run(t)
	if _, err := f.op.Start(t.Context(), changelog.Author{}, 200); err != nil {
		t.Fatal(err)
	}
	f.await(t, func(s rewrap.State) bool { return s.Rewrapped > 0 })
	f.rotate(t)
	f.run(t)
	if s := f.await(t, ended); s.Phase != rewrap.IsDone || s.Key != f.keys.KeyID() || s.Done != count || s.Rewrapped <= count {
		t.Errorf("the operation ended as %+v", s)
	}
	f.wantPrimaryOnly(t, count)
}

func TestARewrapFailsForValuesThatDoNotDecrypt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(t, 10)
	f.rotate(t)
	// The key under which the values are wrapped is lost.
	f.end()
	check(t, vaulttest.DropKeys(t.Context(), f.db, f.kek))
	f.start(t)
	f.run(t)
	if _, err := f.op.Start(t.Context(), changelog.Author{}, 0); err != nil {
		t.Fatal(err)
	}
	if s := f.await(t, ended); s.Phase != rewrap.IsFailed || s.Failed != 10 || s.Rewrapped != 0 || s.Rate != rewrap.DefaultRate {
		t.Errorf("the operation ended as %+v", s)
	}
}
