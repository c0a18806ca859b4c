package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// add stores another version.
func (f *fixture) add(t testing.TB, sec secret.Secret, v secret.Value) {
	t.Helper()
	if _, err := f.Update(t.Context(), secret.Call{}, sec.Name, secret.Change{Value: v}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) reserveOf(t testing.TB, sec secret.Secret, version uint32, count uint64) (secret.Grant, error) {
	t.Helper()
	got, err := f.ReserveNonces(t.Context(), sec.Name, "allowlist", secret.Reservation{UID: sec.UID, Version: version, Bits: 64, Count: count})
	got.Position = secret.Position{} // differs between runs
	return got, err
}

func TestTheSameKeyAgainHasNoNewBudget(t *testing.T) {
	t.Parallel()
	sameName := name("key")
	key := []byte("\x00 sixteen bytes+")
	binary := func(b []byte) secret.Value {
		v, err := secret.NewBinary(append([]byte(nil), b...))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	url := base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe sixteen byte"))
	for name, tt := range map[string]struct {
		first, again secret.Value
		same         bool
	}{
		"the same text":                  {value(t, "a passphrase"), value(t, "a passphrase"), true},
		"with a line end":                {value(t, "a passphrase"), value(t, "a passphrase\r\n"), true},
		"in hexadecimal":                 {binary(key), value(t, hex.EncodeToString(key)), true},
		"in upper-case hexadecimal":      {value(t, strings.ToUpper(hex.EncodeToString(key))), binary(key), true},
		"in base64":                      {value(t, base64.StdEncoding.EncodeToString(key)), value(t, hex.EncodeToString(key)), true},
		"in base64url":                   {value(t, url), value(t, base64.StdEncoding.EncodeToString([]byte("\xff\xfe sixteen byte"))), true},
		"in hexadecimal with colons":     {value(t, "00:20:73:69:78:74:65:65:6e:20:62:79:74:65:73:2b"), binary(key), true},
		"in base64 of two lines":         {binary(key), value(t, "ACBzaXh0ZWVu\nIGJ5dGVzKw==\n"), true},
		"in hexadecimal of UTF-16":       {binary(wide(hex.EncodeToString(key))), value(t, base64.StdEncoding.EncodeToString(key)), true},
		"another text":                   {value(t, "a passphrase"), value(t, "A passphrase"), false},
		"another key of the same length": {binary(key), binary([]byte("\x01 sixteen bytes+")), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			sec, err := f.Create(t.Context(), secret.Call{}, sameName, secret.Draft{Usage: secret.Key, Value: tt.first})
			if err != nil {
				t.Fatal(err)
			}
			f.bind(t, "key", "bank", "op")
			if _, err := f.reserveOf(t, sec, 1, 65_530); err != nil {
				t.Fatal(err)
			}
			f.add(t, sec, tt.again)
			want := secret.Grant{Reserved: 6, Used: 65_536, Budget: 65_536}
			if !tt.same {
				want = secret.Grant{Reserved: 100, Used: 100, Budget: 65_536}
			}
			if got, err := f.reserveOf(t, sec, 2, 100); err != nil || got != want {
				t.Errorf("a reservation of the second version = %+v, %v, want %+v", got, err, want)
			}
			_, err = f.reserveOf(t, sec, 1, 100)
			if exhausted := fault.Is(err, secret.NonceBudgetExhausted); exhausted != tt.same {
				t.Errorf("a reservation of the first version = %v, want it exhausted: %v", err, tt.same)
			}
			versions, _, err := f.Versions(t.Context(), sec.Name, secret.Page{Limit: 2})
			if err != nil || versions[0].Nonces.Used != want.Used {
				t.Errorf("the second version shows %+v, %v, want %d used", versions[0].Nonces, err, want.Used)
			}
		})
	}
}

// wide encodes text as UTF-16.
func wide(text string) []byte {
	out := []byte("\xff\xfe")
	for _, c := range []byte(text) {
		out = append(out, c, 0)
	}
	return out
}

// An earlier release did not know all spellings of a key that this release reads. The missing
// fingerprints are added when the key is bound.
func TestSpellingsThatAnEarlierReleaseDidNotKnowAreLearned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const spelled, digits = "00:20:73:69:78:74:65:65:6e:20:62:79:74:65:73:2b", "0020736978746565" + "6e2062797465732b"
	sec := f.create(t, "key", spelled)
	f.bind(t, "key", "bank", "earlier")
	err := f.kv.Update(t.Context(), func(tx kv.Tx) error {
		for _, key := range printRows(t, tx, sec) {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.convert(t, "key", secret.Conversion{Version: func(v *secret.Version) { v.Prints = []secret.Print{{}} }})
	f.bind(t, "key", "bank", "op")
	if _, err := f.reserveOf(t, sec, 1, 65_530); err != nil {
		t.Fatal(err)
	}
	f.add(t, sec, value(t, digits))
	if got, err := f.reserveOf(t, sec, 2, 100); err != nil || got.Used != 65_536 {
		t.Errorf("the key in another spelling has %+v, %v, want the ledger of the first version", got, err)
	}
}

func TestLedgerOfAValueOutlivesItsFirstVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	if _, err := f.reserveOf(t, sec, 1, 65_000); err != nil {
		t.Fatal(err)
	}
	f.add(t, sec, value(t, "v"))
	destroyed, err := f.Destroy(t.Context(), secret.Call{}, sec.Name.Version(1), secret.Deletion{Force: true})
	if err != nil || destroyed.Nonces.Used != 65_000 {
		t.Fatalf("Destroy = %+v, %v", destroyed, err)
	}
	disabled, err := f.Disable(t.Context(), secret.Call{}, sec.Name.Version(2), "")
	if err != nil || disabled.Nonces.Used != 65_000 {
		t.Fatalf("Disable = %+v, %v, want to see the ledger that counts", disabled.Nonces, err)
	}
	if _, err := f.Enable(t.Context(), secret.Call{}, sec.Name.Version(2), ""); err != nil {
		t.Fatal(err)
	}
	f.add(t, sec, value(t, "another"))
	f.add(t, sec, value(t, "v"))
	for _, version := range []uint32{2, 4} {
		if _, err := f.reserveOf(t, sec, version, 100); err != nil {
			t.Errorf("a reservation of version %d = %v", version, err)
		}
	}
	if got := f.ledger(t, sec).Nonces.Used; got != 65_200 {
		t.Errorf("the ledger of the value has %d, want 65,200", got)
	}
}

// printRows returns the keys of the fingerprints of a secret.
func printRows(t testing.TB, r kv.Reader, sec secret.Secret) (keys [][]byte) {
	t.Helper()
	for pair, err := range r.Scan(kv.Prefix(secret.EqualsKey(sec.Name.Workspace), 100)) {
		if err != nil {
			t.Fatal(err)
		}
		if uid, err := secret.LastUID(pair.Key); err == nil && uid == sec.UID {
			keys = append(keys, pair.Key)
		}
	}
	if len(keys) == 0 {
		t.Fatalf("%s has no fingerprints", sec.Name)
	}
	return keys
}

// Many copies of a value do not hide the one whose purpose is sealed.
func TestEqualBytesAreFoundAmongManyCopies(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const text = "one value in many secrets"
	bind := func(id, chain string) error {
		_, _, err := f.Bind(t.Context(), secret.Call{}, name(id), "allowlist", useFor(id, id, chain))
		return err
	}
	first := f.create(t, "first", text)
	if err := bind("first", gcm); err != nil {
		t.Fatal(err)
	}
	sealing := secret.Wanted{Name: first.Name, UID: first.UID, Purpose: secret.NewPurpose([]string{gcm}, 0, false).Digest(), Seal: true}
	if _, err := f.Resolve(t.Context(), secret.Call{}, "allowlist", sealing); err != nil {
		t.Fatal(err)
	}
	for i := range secret.MaxTwins - 1 {
		id := fmt.Sprintf("copy-%d", i)
		f.create(t, id, text)
		if i == 60 || i == secret.MaxTwins-2 {
			if err := bind(id, cbc); !fault.Is(err, secret.KeyPurposeFixed) {
				t.Errorf("another purpose of the copy %d = %v", i, err)
			}
		}
		if err := bind(id, gcm); err != nil {
			t.Fatal(err)
		}
	}
	// With more copies than the vault compares, none of them accepts a purpose.
	f.create(t, "last", text)
	if err := bind("last", gcm); !fault.Is(err, secret.KeyPurposeFixed) {
		t.Errorf("one copy more than the vault compares = %v", err)
	}
}
