package keyadmin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyadmin"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/replay"
)

// A service is a store with its keyring and its log.
type service struct {
	path   string
	kek    tink.AEAD
	down   bool // the provider
	store  *boltkv.DB
	keys   *keyring.Keyring
	log    *changelog.Log
	ledger *replay.Ledger
	admin  *keyadmin.Admin
}

var errDown = fmt.Errorf("%w: down", keyring.ErrUnavailable)

func newService(t testing.TB) *service {
	t.Helper()
	folder := t.TempDir()
	keyFile := filepath.Join(folder, "key")
	if err := kek.CreateFile(keyFile); err != nil {
		t.Fatal(err)
	}
	key, err := kek.File(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{path: filepath.Join(folder, "store"), kek: key}
	s.open(t)
	t.Cleanup(func() { s.store.Close() })
	return s
}

// open opens the store, for the first time or again.
func (s *service) open(t testing.TB) {
	t.Helper()
	var err error
	if s.store != nil {
		err = s.store.Close()
	}
	if err == nil {
		s.store, err = boltkv.Open(s.path, boltkv.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	providers := keyring.Providers{URI: "test:", Open: func(ctx context.Context, uri string) (tink.AEADWithContext, error) {
		if s.down {
			return nil, errDown
		}
		return keyring.Local(uri, s.kek).Open(ctx, uri)
	}}
	if s.keys, err = keyring.Open(t.Context(), s.store, providers, "vault"); err != nil {
		t.Fatal(err)
	}
	if err := s.keys.Authenticate(s.store); err != nil {
		t.Fatal(err)
	}
	if s.log, err = changelog.New(s.keys.LogSeeds(), "vault", time.Now); err != nil {
		t.Fatal(err)
	}
	s.store.Attach(changelog.Name, s.log)
	s.ledger = replay.NewLedger(s.keys.Derive("request ids"), time.Now)
	s.admin = keyadmin.New(keyadmin.Config{
		Service: "vault", Keys: s.keys, Store: s.store, Log: s.log, Ledger: s.ledger,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
}

func someone() changelog.Author {
	return changelog.Author{Actor: changelog.Actor{Subject: "admin", Authentication: "oidc"}, Reason: "yearly"}
}

func (s *service) rotate(t testing.TB) {
	t.Helper()
	if err := s.admin.Rotate(t.Context(), keyadmin.Call{Author: someone()}); err != nil {
		t.Fatal(err)
	}
}

func (s *service) retire(t testing.TB) {
	t.Helper()
	if err := s.admin.Retire(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func row(n int) kv.Key { return kv.NewKey("rows").Uint(uint64(n)) }

// write writes rows in as many commits, each with an entry.
func (s *service) write(t testing.TB, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		err := s.store.Update(t.Context(), func(tx kv.Tx) error {
			entry := changelog.Entry{Actor: someone().Actor, Action: "written", Scope: "workspaces/acme", Resource: fmt.Sprint("row ", n)}
			return errors.Join(tx.Put(row(n), fmt.Append(nil, n)), s.log.Append(tx, entry))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// check fails unless all rows up to n can be read, and the log verifies.
func (s *service) check(t testing.TB, what string, n int) {
	t.Helper()
	err := s.store.View(t.Context(), func(r kv.Reader) error {
		for n := range n {
			if value, err := r.Get(row(n)); err != nil || string(value) != fmt.Sprint(n) {
				return fmt.Errorf("row %d is %q, %w", n, value, err)
			}
		}
		return s.log.Verify(r)
	})
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// actions returns the actions of the entries about the keyring, newest first.
func (s *service) actions(t testing.TB) (actions []string) {
	t.Helper()
	err := s.store.View(t.Context(), func(r kv.Reader) error {
		entries, err := changelog.List(r, changelog.Query{Resource: "workspaces/-/vault/keyring", Limit: 100})
		for _, e := range entries {
			actions = append(actions, e.Action)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return actions
}

func TestRotationReplacesKeyAndRoot(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.write(t, 0, 100)
	before, logKey := s.keys.KeyID(), s.log.VerifierKey()
	s.rotate(t)
	s.check(t, "after the rotation", 100)
	s.write(t, 100, 200)
	if s.keys.KeyID() == before || s.log.VerifierKey() == logKey {
		t.Error("the key, or that of the change log, is the same as before the rotation")
	}
	s.retire(t)
	if got := s.admin.Keyring().Roots; len(got) != 1 || got[0].Generation != 2 {
		t.Errorf("Roots after the background work = %+v, want only the new one", got)
	}
	s.check(t, "after the old root is gone", 200)
	s.open(t)
	s.check(t, "after a restart", 200)
	s.write(t, 200, 201)
	want := []string{keyadmin.RetiredRoots, keyadmin.Rotated}
	if got := s.actions(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("entries = %q, want %q", got, want)
	}
}

// The file of a service whose root was known to an attacker before the rotation does not accept rows
// of that attacker once the root is retired.
func TestRetiredRootForgesNothing(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.write(t, 0, 3)
	forger, err := keyring.Open(t.Context(), s.store, keyring.Local("test:", s.kek), "vault")
	if err != nil {
		t.Fatal(err)
	}
	s.rotate(t)
	s.retire(t)
	if err := forger.Authenticate(s.store); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(row(9), []byte("forged")) }); err != nil {
		t.Fatal(err)
	}
	s.open(t)
	err = s.store.View(t.Context(), func(r kv.Reader) error {
		_, err := r.Get(row(9))
		return err
	})
	if !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("a row of the retired root = %v, want ErrCorrupt", err)
	}
}

// The program may end between any two steps of a rotation.
func TestRotationGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	for name, interrupted := range map[string]func(t testing.TB, s *service){
		"after it was stored": func(t testing.TB, s *service) {
			err := s.keys.Rotate(t.Context(), func(tx kv.Tx, next [keyring.RootSize]byte) error { return s.log.Succeed(tx, next) })
			if err != nil {
				t.Fatal(err)
			}
		},
		"after it was used": func(t testing.TB, s *service) { s.rotate(t) },
		"while rows are authenticated again": func(t testing.TB, s *service) {
			s.rotate(t)
			if _, written, err := s.store.Reauthenticate(t.Context(), nil, 20); err != nil || written == 0 {
				t.Fatalf("Reauthenticate() = %d, %v", written, err)
			}
		},
		"before the roots are retired": func(t testing.TB, s *service) {
			s.rotate(t)
			for next := []byte(nil); ; {
				var err error
				if next, _, err = s.store.Reauthenticate(t.Context(), next, 1000); err != nil {
					t.Fatal(err)
				}
				if next == nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			s.write(t, 0, 50)
			for round := range 3 { // also rotations of what an interrupted one left
				interrupted(t, s)
				s.open(t)
				s.check(t, "after the restart", 50+round)
				s.write(t, 50+round, 51+round)
			}
			s.retire(t)
			if got := len(s.admin.Keyring().Roots); got != 1 {
				t.Errorf("%d roots remain, want 1", got)
			}
			s.open(t)
			s.check(t, "at the end", 53)
		})
	}
}

func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	s := newService(t)
	const writers, each = 8, 40
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() { s.write(t, w*each, (w+1)*each) })
	}
	for range 4 {
		s.rotate(t)
		s.retire(t)
	}
	group.Wait()
	s.retire(t)
	s.check(t, "after the load", writers*each)
	s.open(t)
	s.check(t, "after a restart", writers*each)
}

func TestRepeatedRotationIsOne(t *testing.T) {
	t.Parallel()
	s := newService(t)
	request, err := s.ledger.Request("admin", "RotateKeyring", "once", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.admin.Rotate(t.Context(), keyadmin.Call{Author: someone(), Request: request}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(s.keys.Info().Keys); got != 2 {
		t.Errorf("three calls of one request make %d keys, want one more", got)
	}
}

func TestProviderThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.rotate(t)
	old := s.keys.Info().Keys[1].ID
	s.down = true
	before := s.actions(t)
	for name, call := range map[string]func() error{
		"Rotate":          func() error { return s.admin.Rotate(t.Context(), keyadmin.Call{Author: someone()}) },
		"Disable":         func() error { return s.admin.Disable(t.Context(), someone(), old) },
		"Destroy":         func() error { return s.admin.Destroy(t.Context(), someone(), old) },
		"ReplaceProvider": func() error { return s.admin.ReplaceProvider(t.Context(), someone(), "") },
	} {
		err := call()
		f, _ := fault.From(err)
		if !fault.Is(err, keyadmin.ReasonProvider) || f.Metadata["provider"] != "test:" || f.RetryAfter == 0 {
			t.Errorf("%s without the provider = %v, want KEYRING_PROVIDER_UNAVAILABLE with its URI", name, err)
		}
	}
	if got := s.actions(t); fmt.Sprint(got) != fmt.Sprint(before) || len(s.keys.Info().Keys) != 2 {
		t.Errorf("entries = %q, keys = %+v; want those before", got, s.keys.Info().Keys)
	}
	s.down = false
	if err := s.admin.Destroy(t.Context(), someone(), old); err != nil {
		t.Errorf("Destroy() with the provider = %v", err)
	}
}

func TestEachChangeHasAnEntry(t *testing.T) {
	t.Parallel()
	s := newService(t)
	old := s.keys.KeyID()
	s.rotate(t)
	for _, change := range []func() error{
		func() error { return s.admin.Disable(t.Context(), someone(), old) },
		func() error { return s.admin.Disable(t.Context(), someone(), old) }, // no change, no entry
		func() error { return s.admin.Enable(t.Context(), someone(), old) },
		func() error { return s.admin.Destroy(t.Context(), someone(), old) },
		func() error { return s.admin.Destroy(t.Context(), someone(), old) },
		func() error { return s.admin.ReplaceProvider(t.Context(), someone(), "test:") },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{keyadmin.ReplacedProvider, keyadmin.DestroyedKey, keyadmin.EnabledKey, keyadmin.DisabledKey, keyadmin.Rotated}
	if got := s.actions(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("entries = %q, want %q", got, want)
	}
	if err := s.admin.ReplaceProvider(t.Context(), someone(), "http://attacker.example/"); !fault.Is(err, fault.InvalidField) {
		t.Errorf("ReplaceProvider(a provider that is not configured) = %v, want INVALID_FIELD", err)
	}
}

// After a rotation and a retirement, the bytes of the store do not open with anything but the present
// record.
func TestOldRecordIsReplaced(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.write(t, 0, 1)
	s.rotate(t)
	s.retire(t)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := boltkv.Compact(s.path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(data, []byte("keyring\x00vault\x00")); got != 1 {
		t.Errorf("the compacted file has %d rows of the keyring, want 1", got)
	}
	s.store = nil
	s.open(t)
	s.check(t, "after compaction", 1)
}
