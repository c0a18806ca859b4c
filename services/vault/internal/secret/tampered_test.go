package secret_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// A stoppable is a fixture whose file can be edited while it is stopped, as by an attacker with
// write access. The attacker puts back rows that the vault wrote, which pass any authentication of
// single rows.
type stoppable struct {
	*fixture
	file  string
	db    *boltkv.DB
	heard *servertest.Log
}

// alarms returns the number of mismatches.
func (s *stoppable) alarms() int {
	return int(testutil.ToFloat64(s.alarm.Collector().(*prometheus.CounterVec).WithLabelValues(string(audit.ByRequest))))
}

func newStoppable(t *testing.T) *stoppable {
	t.Helper()
	f := newFixture(t)
	f.Close()
	s := &stoppable{fixture: f, file: filepath.Join(t.TempDir(), "store"), heard: new(servertest.Log)}
	f.logger = slog.New(slog.NewTextHandler(s.heard, nil))
	f.alarm = audit.NewAlarm("vault", audit.AlarmOnly, f.logger)
	s.start(t)
	return s
}

func (s *stoppable) start(t testing.TB) {
	t.Helper()
	var err error
	if s.db, err = boltkv.Open(s.file, boltkv.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	s.kv = s.alarm.Watch(s.db)
	if s.keys, err = keyring.Open(t.Context(), s.kv, keyring.Local("file:key", s.kek), "vault"); err != nil {
		t.Fatal(err)
	}
	if s.log, err = changelog.New([][32]byte{s.keys.Derive("log")}, "vault", s.clock.read); err != nil {
		t.Fatal(err)
	}
	s.db.Attach(changelog.Name, s.log)
	s.Store = s.open(t)
}

// edit changes rows while the vault is stopped. A nil value removes a row.
func (s *stoppable) edit(t testing.TB, rows map[string][]byte) {
	t.Helper()
	s.Close()
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := boltkv.Open(s.file, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx kv.Tx) error {
		for key, value := range rows {
			if value == nil {
				err = tx.Delete([]byte(key))
			} else {
				err = tx.Put([]byte(key), value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if closed := db.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	s.start(t)
}

// rowOf returns a row for edit.
func (s *stoppable) rowOf(t testing.TB, key []byte) map[string][]byte {
	t.Helper()
	return map[string][]byte{string(key): s.stored(t, key)}
}

func (s *stoppable) rotateTo(t testing.TB, text string) {
	t.Helper()
	if _, err := s.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, text)}); err != nil {
		t.Fatal(err)
	}
}

func (s *stoppable) changeVersion(t testing.TB, number uint32, state secret.State) {
	t.Helper()
	version, err := name("key").Version(number), error(nil)
	switch state {
	case secret.Enabled:
		_, err = s.Enable(t.Context(), secret.Call{}, version, "")
	case secret.Disabled:
		_, err = s.Disable(t.Context(), secret.Call{}, version, "")
	case secret.Destroyed:
		_, err = s.Destroy(t.Context(), secret.Call{}, version, secret.Deletion{Force: true})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The operations that find changed data.
func (s *stoppable) operations(t testing.TB, uid string) map[string]error {
	t.Helper()
	_, _, get := s.Get(t.Context(), name("key"))
	_, _, versions := s.Versions(t.Context(), name("key"), secret.Page{Limit: 10})
	_, _, bindings := s.Bindings(t.Context(), name("key"), secret.Page{Limit: 10})
	_, resolve := s.resolve(t.Context(), name("key"), uid, 0)
	_, pinned := s.resolve(t.Context(), name("key"), uid, 1)
	description := "changed"
	_, update := s.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Description: &description})
	_, _, bind := s.Bind(t.Context(), secret.Call{}, name("key"), "allowlist", secret.BindRequest{
		Usage: secret.Key, Purpose: purpose(), Referrer: "workspaces/acme/endpoints/new", Operation: "new", Version: 1,
	})
	_, disable := s.Disable(t.Context(), secret.Call{}, name("key").Version(1), "")
	unbind := s.Unbind(t.Context(), secret.Call{}, name("key"), "allowlist", "op")
	return map[string]error{
		"Get": get, "Versions": versions, "Bindings": bindings, "Resolve": resolve, "Resolve of version 1": pinned, "Update": update, "Disable": disable, "Bind": bind, "Unbind": unbind,
	}
}

func TestRowsThatAreChangedWhileTheVaultIsStoppedAreFound(t *testing.T) {
	t.Parallel()
	secretKey := secret.SecretKey(name("key"))
	everything := []string{"Get", "Versions", "Bindings", "Resolve", "Resolve of version 1", "Update", "Disable", "Bind", "Unbind"}
	for _, tt := range []struct {
		name string
		// attack changes the secret and returns the rows with which the attacker undoes that.
		attack func(t testing.TB, s *stoppable, made secret.Secret) map[string][]byte
		finds  []string
	}{
		{"an earlier secret", func(t testing.TB, s *stoppable, _ secret.Secret) map[string][]byte {
			before := s.rowOf(t, secretKey)
			s.rotateTo(t, "another value")
			return before
		}, everything},
		{"a secret from before its purpose was sealed", func(t testing.TB, s *stoppable, made secret.Secret) map[string][]byte {
			before := s.rowOf(t, secretKey)
			w := secret.Wanted{Name: made.Name, UID: made.UID, Purpose: purpose().Digest(), Seal: true}
			if _, err := s.Resolve(t.Context(), secret.Call{}, "allowlist", w); err != nil {
				t.Fatal(err)
			}
			return before
		}, everything},
		{"another usage", func(t testing.TB, s *stoppable, _ secret.Secret) map[string][]byte {
			s.Convert(t.Context(), name("key"), secret.Conversion{Secret: func(sec *secret.Secret) { sec.Usage = secret.Credential }})
			forged := s.rowOf(t, secretKey)
			s.Convert(t.Context(), name("key"), secret.Conversion{Secret: func(sec *secret.Secret) { sec.Usage = secret.Key }})
			return forged
		}, everything},
		{"a secret that was deleted", func(t testing.TB, s *stoppable, made secret.Secret) map[string][]byte {
			rows := s.rowOf(t, secretKey)
			rows[string(secret.VersionKey(made.Name, made.UID, 1))] = s.stored(t, secret.VersionKey(made.Name, made.UID, 1))
			if err := s.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{Force: true}); err != nil {
				t.Fatal(err)
			}
			return rows
		}, everything},
		{"a secret that was deleted, in place of the next one", func(t testing.TB, s *stoppable, _ secret.Secret) map[string][]byte {
			rows := s.rowOf(t, secretKey)
			if err := s.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{Force: true}); err != nil {
				t.Fatal(err)
			}
			s.create(t, "key", "a later key")
			return rows
		}, everything},
		{"a version from before it was disabled", func(t testing.TB, s *stoppable, made secret.Secret) map[string][]byte {
			before := s.rowOf(t, secret.VersionKey(made.Name, made.UID, 1))
			s.changeVersion(t, 1, secret.Disabled)
			return before
		}, []string{"Get", "Resolve", "Resolve of version 1", "Disable", "Bind"}},
		{"a version from before it was enabled and disabled again", func(t testing.TB, s *stoppable, made secret.Secret) map[string][]byte {
			s.rotateTo(t, "another value")
			s.changeVersion(t, 1, secret.Disabled)
			s.changeVersion(t, 1, secret.Enabled)
			before := s.rowOf(t, secret.VersionKey(made.Name, made.UID, 1))
			s.changeVersion(t, 1, secret.Disabled)
			return before
		}, []string{"Resolve of version 1", "Disable", "Bind"}},
		{"a version from before it was destroyed", func(t testing.TB, s *stoppable, made secret.Secret) map[string][]byte {
			s.changeVersion(t, 1, secret.Disabled)
			before := s.rowOf(t, secret.VersionKey(made.Name, made.UID, 1))
			s.changeVersion(t, 1, secret.Destroyed)
			return before
		}, []string{"Get", "Resolve", "Resolve of version 1", "Disable", "Bind"}},
		{"no version", func(t testing.TB, s *stoppable, made secret.Secret) map[string][]byte {
			s.rotateTo(t, "another value")
			return map[string][]byte{string(secret.VersionKey(made.Name, made.UID, 1)): nil}
		}, []string{"Resolve of version 1", "Disable", "Bind"}},
		{"a binding that was removed", func(t testing.TB, s *stoppable, made secret.Secret) map[string][]byte {
			before := s.rowOf(t, secret.BindingKey(secret.Binding{Name: made.Name, UID: made.UID, Holder: "allowlist", Operation: "op"}))
			s.unbind(t, "key", "op")
			return before
		}, []string{"Bind", "Unbind"}},
		{"no binding", func(t testing.TB, s *stoppable, made secret.Secret) map[string][]byte {
			return map[string][]byte{string(secret.BindingKey(secret.Binding{Name: made.Name, UID: made.UID, Holder: "allowlist", Operation: "op"})): nil}
		}, []string{"Bind", "Unbind"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStoppable(t)
			made := s.create(t, "key", "the first value")
			s.bind(t, "key", "bank", "op")
			s.edit(t, tt.attack(t, s, made))
			if s.alarms() != 0 {
				t.Fatalf("%d alarms before the attack", s.alarms())
			}
			got := s.operations(t, made.UID)
			for _, operation := range tt.finds {
				if !errors.Is(got[operation], audit.ErrMismatch) {
					t.Errorf("%s = %v, want %v", operation, got[operation], audit.ErrMismatch)
				}
			}
			if s.alarms() < len(tt.finds) {
				t.Errorf("%d alarms, want one for each of %v", s.alarms(), tt.finds)
			}
			if log := s.heard.String(); !strings.Contains(log, "changed outside of the service") || strings.Contains(log, "acme") || strings.Contains(log, made.UID) {
				t.Errorf("the log is\n%s", log)
			}
		})
	}
}

func TestMissingSecretIsFoundWhenItsNameIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	s.create(t, "key", "v")
	s.edit(t, map[string][]byte{string(secret.SecretKey(name("key"))): nil})
	_, err := s.Create(t.Context(), secret.Call{}, name("key"), secret.Draft{Usage: secret.Key, Value: value(t, "v")})
	if !errors.Is(err, audit.ErrMismatch) || s.alarms() != 1 {
		t.Errorf("Create in place of a secret whose row is missing = %v, with %d alarms", err, s.alarms())
	}
}

func TestMissingLedgerRefuses(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	made := s.create(t, "key", "v")
	s.bind(t, "key", "bank", "op")
	if _, err := s.reserve(t, made, 64, 100); err != nil {
		t.Fatal(err)
	}
	s.edit(t, map[string][]byte{string(secret.NoncesKey(made.Name, made.UID, 1)): nil})
	if _, err := s.reserve(t, made, 64, 100); !errors.Is(err, audit.ErrMismatch) {
		t.Errorf("a reservation without a ledger = %v", err)
	}
}

// Whatever happened to a secret, a vault that starts again finds nothing.
func TestNothingIsFoundInDataThatTheVaultWrote(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	made := s.create(t, "key", "the first value")
	s.bind(t, "key", "bank", "op")
	s.bind(t, "key", "shop", "op2")
	s.unbind(t, "key", "op2")
	for range 4 {
		s.rotateTo(t, "another value")
	}
	s.changeVersion(t, 2, secret.Disabled)
	s.changeVersion(t, 3, secret.Destroyed)
	s.changeVersion(t, 4, secret.Disabled)
	s.changeVersion(t, 4, secret.Destroyed)
	s.changeVersion(t, 2, secret.Enabled)
	s.edit(t, nil)
	for number := range uint32(6) {
		if _, err := s.resolve(t.Context(), name("key"), made.UID, number); err != nil && number != 3 && number != 4 {
			t.Errorf("Resolve(%d) = %v", number, err)
		}
	}
	if _, err := s.Restore(t.Context(), secret.Call{}, name("key").Version(1), ""); err != nil {
		t.Error(err)
	}
	for operation, err := range s.operations(t, made.UID) {
		if err != nil {
			t.Errorf("%s = %v", operation, err)
		}
	}
	if s.alarms() != 0 {
		t.Errorf("%d alarms:\n%s", s.alarms(), s.heard.String())
	}
}
