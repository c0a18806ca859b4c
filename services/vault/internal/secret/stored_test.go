package secret_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// These tests write to the underlying store what the methods do not write: the changes of an
// attacker with access to the file, or of another release.

// rewrite replaces a stored value.
func (f *fixture) rewrite(t testing.TB, key []byte, change func(stored []byte) []byte) {
	t.Helper()
	err := f.kv.Update(t.Context(), func(tx kv.Tx) error {
		stored, err := tx.Get(key)
		if err != nil {
			return err
		}
		return tx.Put(key, change(stored))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) stored(t testing.TB, key []byte) (value []byte) {
	t.Helper()
	err := f.kv.View(t.Context(), func(r kv.Reader) (err error) {
		value, err = r.Get(key)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func (f *fixture) convert(t testing.TB, id string, c secret.Conversion) {
	t.Helper()
	if err := f.Convert(t.Context(), name(id), c); err != nil {
		t.Fatal(err)
	}
}

func TestVersionThatIsNotEnabledDoesNotResolve(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for state, want := range map[secret.State]fault.Reason{
		secret.Disabled: secret.VersionDisabled, secret.Destroyed: secret.VersionDestroyed, "7": secret.VersionDisabled,
	} {
		id := "key-" + string(state)
		made := f.create(t, id, "v")
		f.bind(t, id, "bank", "op")
		f.convert(t, id, secret.Conversion{Version: func(v *secret.Version) { v.State = state }})
		for number := range uint32(2) {
			if _, err := f.resolve(t.Context(), name(id), made.UID, number); !fault.Is(err, want) {
				t.Errorf("Resolve of a version in state %s = %v, want %s", state, err, want)
			}
		}
		versions, _, err := f.Versions(t.Context(), name(id), secret.Page{Limit: 1})
		if err != nil || versions[0].State != state {
			t.Errorf("Versions has %v, %v, want the state %s", versions, err, state)
		}
	}
}

func TestSealedValueOpensInItsPlaceOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mine, yours := f.create(t, "mine", "ours"), f.create(t, "yours", "theirs")
	if _, err := f.Update(t.Context(), secret.Call{}, name("mine"), secret.Change{Value: value(t, "newer")}); err != nil {
		t.Fatal(err)
	}
	f.bind(t, "mine", "bank", "op")
	if _, err := f.resolve(t.Context(), name("mine"), mine.UID, 1); err != nil {
		t.Fatal(err) // from here on, the row is not compared with the log
	}
	key := secret.VersionKey(mine.Name, mine.UID, 1)
	own := f.stored(t, key)
	for what, other := range map[string][]byte{
		"another secret's":  f.stored(t, secret.VersionKey(yours.Name, yours.UID, 1)),
		"another version's": f.stored(t, secret.VersionKey(mine.Name, mine.UID, 2)),
	} {
		f.rewrite(t, key, func([]byte) []byte {
			moved, err := secret.WithValue(own, other)
			if err != nil {
				t.Error(err)
			}
			return moved
		})
		if _, err := f.resolve(t.Context(), name("mine"), mine.UID, 1); !errors.Is(err, audit.ErrMismatch) {
			t.Errorf("Resolve of %s value = %v, want %v", what, err, audit.ErrMismatch)
		}
	}
	f.rewrite(t, key, func([]byte) []byte { return own })
	if got, err := f.resolve(t.Context(), name("mine"), mine.UID, 1); err != nil || string(got.Plain.Reveal()) != "ours" {
		t.Errorf("Resolve of its own value = %v", err)
	}
}

func TestMalformedRecordIsNotMisread(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "v")
	f.rewrite(t, secret.SecretKey(name("key")), func(stored []byte) []byte { return append(stored, 0xff) })
	_, _, err := f.Get(t.Context(), name("key"))
	if _, isFault := fault.From(err); err == nil || isFault {
		t.Errorf("Get of a malformed record = %v, want an opaque error", err)
	}
}

func TestPageLooksAtABoundedNumberOfSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key-0000", "v")
	record := f.stored(t, secret.SecretKey(name("key-0000")))
	const copies, batch = 5100, 50
	for first := 1; first <= copies; first += batch {
		err := f.kv.Update(t.Context(), func(tx kv.Tx) error {
			for i := first; i < first+batch; i++ {
				if err := tx.Put(secret.SecretKey(name(fmt.Sprintf("key-%04d", i))), record); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	f.Store = f.open(t) // reads all names, in several scans
	f.indexed(t)
	_, err := f.Create(t.Context(), secret.Call{}, name("key-zzzz"), secret.Draft{Usage: secret.Parameter, Value: value(t, "v")})
	if err != nil {
		t.Fatal(err)
	}
	for _, substring := range []string{"", "key"} {
		q := secret.Query{Workspace: "acme", Substring: substring, Usage: secret.Parameter, Page: secret.Page{Limit: 10}}
		found, next, err := f.List(t.Context(), q)
		if err != nil || len(found) != 0 || next == nil {
			t.Errorf("the first page has %d secrets, %v, and ends the list: %v", len(found), err, next == nil)
		}
		q.Cursor = next
		found, next, err = f.List(t.Context(), q)
		if err != nil || len(found) != 1 || next != nil || found[0].UID == made.UID {
			t.Errorf("the second page has %d secrets, %v, and ends the list: %v", len(found), err, next == nil)
		}
		all := secret.Query{Workspace: "acme", Substring: substring}
		for count, q := 0, all; ; {
			q.Limit = 1000
			found, next, err := f.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			count += len(found)
			if q.Cursor = next; next == nil {
				if count != copies+2 {
					t.Errorf("all pages with %q have %d secrets, want %d", substring, count, copies+2)
				}
				break
			}
		}
	}
}
