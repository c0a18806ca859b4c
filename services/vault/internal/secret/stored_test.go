package secret_test

import (
	"bytes"
	"fmt"
	"testing"

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

func TestVersionThatIsNotEnabledDoesNotResolve(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	key := kv.NewKey("version").Text(made.UID).Uint(1)
	enabled := f.stored(t, key)
	for state, want := range map[secret.State]fault.Reason{
		secret.Disabled: secret.VersionDisabled, secret.Destroyed: secret.VersionDestroyed, "UNHEARD-OF": secret.VersionDisabled,
	} {
		f.rewrite(t, key, func([]byte) []byte {
			return bytes.Replace(enabled, []byte(secret.Enabled), []byte(state), 1)
		})
		for number := range uint32(2) {
			if _, err := f.resolve(t.Context(), name("key"), made.UID, number); !fault.Is(err, want) {
				t.Errorf("Resolve of a version in state %s = %v, want %s", state, err, want)
			}
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
	at := func(uid string, number uint64) kv.Key { return kv.NewKey("value").Text(uid).Uint(number) }
	own := f.stored(t, at(mine.UID, 1))
	flipped := bytes.Clone(own)
	flipped[len(flipped)-1] ^= 1
	for what, other := range map[string][]byte{
		"another secret's":   f.stored(t, at(yours.UID, 1)),
		"another version's":  f.stored(t, at(mine.UID, 2)),
		"a changed":          flipped,
		"a record, not a":    []byte("{}"),
		"the version's own ": own,
	} {
		f.rewrite(t, at(mine.UID, 1), func([]byte) []byte { return other })
		got, err := f.resolve(t.Context(), name("mine"), mine.UID, 1)
		if bytes.Equal(other, own) {
			if err != nil || string(got.Plain.Reveal()) != "ours" {
				t.Errorf("Resolve of its own value = %v", err)
			}
			continue
		}
		if _, isFault := fault.From(err); err == nil || isFault {
			t.Errorf("Resolve of %s value = %v, want an opaque error", what, err)
		}
	}
}

func TestRecordOfANewerFormatIsNotMisread(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "v")
	f.rewrite(t, kv.NewKey("secret").Text("acme").Text("key"), func(stored []byte) []byte {
		return append([]byte{stored[0] + 1}, stored[1:]...)
	})
	_, _, err := f.Get(t.Context(), name("key"))
	if _, isFault := fault.From(err); err == nil || isFault {
		t.Errorf("Get of a record of a newer format = %v, want an opaque error", err)
	}
}

func TestPageLooksAtABoundedNumberOfSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key-0000", "v")
	record := f.stored(t, kv.NewKey("secret").Text("acme").Text("key-0000"))
	const copies, batch = 5100, 50
	for first := 1; first <= copies; first += batch {
		err := f.kv.Update(t.Context(), func(tx kv.Tx) error {
			for i := first; i < first+batch; i++ {
				if err := tx.Put(kv.NewKey("secret").Text("acme").Text(fmt.Sprintf("key-%04d", i)), record); err != nil {
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

func TestVersionFromBeforeThereWerePublicKeysIsRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	drawn, err := secret.NewRandom(secret.ECP256)
	if err != nil {
		t.Fatal(err)
	}
	made, err := f.Create(t.Context(), secret.Call{}, name("key"), secret.Draft{Usage: secret.Key, Value: drawn})
	if err != nil {
		t.Fatal(err)
	}
	if _, stored, err := f.Get(t.Context(), name("key")); err != nil || len(stored.Public) == 0 {
		t.Fatalf("Get returns %d bytes of public key, %v", len(stored.Public), err)
	}
	f.rewrite(t, kv.NewKey("version").Text(made.UID).Uint(1), func(stored []byte) []byte {
		before, _, found := bytes.Cut(stored, []byte(`,"public":`))
		if !found {
			t.Errorf("the version is stored as %s, without a public key at its end", stored)
		}
		return append(bytes.Clone(before), '}')
	})
	if _, stored, err := f.Get(t.Context(), name("key")); err != nil || stored.Public != nil {
		t.Errorf("Get returns %d bytes of public key, %v, want none", len(stored.Public), err)
	}
}
