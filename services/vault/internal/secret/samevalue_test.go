package secret_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/replay"
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

// outdate converts a version to one that was stored before ledgers existed.
func (f *fixture) outdate(t testing.TB, sec secret.Secret) {
	t.Helper()
	f.rewrite(t, versionKey(sec), func(stored []byte) []byte {
		old := strings.Replace(string(stored), `,"nonces":{"used":0}`, "", 1)
		if old == string(stored) {
			t.Fatalf("a new version has no ledger: %s", stored)
		}
		return []byte(old)
	})
}

// use reports uses of the first version.
func (f *fixture) use(t testing.TB, sec secret.Secret, used uint64) {
	t.Helper()
	request, err := replay.NewLedger([32]byte{}, f.clock.read).Request("allowlist", "report", "id", nil)
	if err != nil {
		t.Fatal(err)
	}
	counts := []secret.Count{{Name: sec.Name, UID: sec.UID, Version: 1, Uses: secret.Uses{Used: used, Last: f.clock.now}}}
	if err := f.Report(t.Context(), request, "allowlist", counts); err != nil {
		t.Fatal(err)
	}
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
	f.rewrite(t, versionKey(sec), func(stored []byte) []byte {
		return regexp.MustCompile(`"prints":"[^"]*"`).ReplaceAll(stored, []byte(`"prints":"00"`))
	})
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

func TestAnOldVersionSharesItsLedgerWithItsValueStoredAgain(t *testing.T) {
	t.Parallel()
	for _, first := range []uint32{1, 2} { // the version of the first reservation
		f := newFixture(t)
		sec := f.create(t, "key", "v")
		f.bind(t, "key", "bank", "op")
		f.outdate(t, sec)
		f.forgetPrints(t, sec)
		f.use(t, sec, 60_000)
		if first == 1 {
			if got, err := f.reserveOf(t, sec, 1, 10); err != nil || got.Used != 60_010 {
				t.Fatalf("the first reservation = %+v, %v", got, err)
			}
		}
		f.add(t, sec, value(t, "v"))
		if got, err := f.reserveOf(t, sec, 2, 90); err != nil || first == 1 && got.Used != 60_100 {
			t.Errorf("a reservation of the value stored again = %+v, %v", got, err)
		}
		got, err := f.reserveOf(t, sec, 1, 10)
		if want := uint64(60_100); err != nil || got.Used < want {
			t.Errorf("a reservation of the old version = %+v, %v, want at least %d used", got, err, want)
		}
		if again, err := f.reserveOf(t, sec, 2, 1); err != nil || again.Used != got.Used+1 {
			t.Errorf("after %+v the value stored again has %+v, %v", got, again, err)
		}
	}
}

// forgetPrints converts the fingerprints of a secret to those of a release without ledgers: rows
// with only the ID.
func (f *fixture) forgetPrints(t testing.TB, sec secret.Secret) {
	t.Helper()
	err := f.kv.Update(t.Context(), func(tx kv.Tx) error {
		for _, key := range printRows(t, tx, sec) {
			if err := tx.Put(key, []byte(sec.Name.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// printRows returns the keys of the fingerprints of a secret.
func printRows(t testing.TB, r kv.Reader, sec secret.Secret) (keys [][]byte) {
	t.Helper()
	for pair, err := range r.Scan(kv.Prefix(kv.NewKey("equal").Text(sec.Name.Workspace), 100)) {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasSuffix(pair.Key, kv.NewKey(sec.UID)) {
			keys = append(keys, pair.Key)
		}
	}
	if len(keys) == 0 {
		t.Fatalf("%s has no fingerprints", sec.Name)
	}
	return keys
}

// earlierPrint returns the key of the fingerprint of a value, without its encodings, as an earlier
// release stored it.
func (f *fixture) earlierPrint(sec secret.Secret, value string) kv.Key {
	root := f.keys.Derive("value fingerprints")
	mac := hmac.New(sha256.New, root[:])
	mac.Write([]byte(sec.UID + "\x00" + value))
	return append(kv.NewKey("print").Text(sec.UID), mac.Sum(nil)...)
}

// The records are those of the previous release: rows of both kinds of fingerprints, and a ledger.
func TestFingerprintsOfTheLastReleaseCount(t *testing.T) {
	t.Parallel()
	for _, destroyed := range []bool{false, true} {
		f := newFixture(t)
		const first = "a key of the last release"
		sec := f.create(t, "key", first)
		f.bind(t, "key", "bank", "op")
		f.forgetPrints(t, sec)
		put := func(tx kv.Tx) error { return tx.Put(f.earlierPrint(sec, first), []byte("\x011")) }
		if err := f.kv.Update(t.Context(), put); err != nil {
			t.Fatal(err)
		}
		if _, err := f.reserveOf(t, sec, 1, 65_000); err != nil {
			t.Fatal(err)
		}
		if destroyed {
			if _, err := f.Destroy(t.Context(), secret.Call{}, sec.Name.Version(1), secret.Deletion{Force: true}); err != nil {
				t.Fatal(err)
			}
		}
		f.add(t, sec, value(t, hex.EncodeToString([]byte(first))))
		if got, err := f.reserveOf(t, sec, 2, 100); err != nil || got.Used != 65_100 {
			t.Errorf("destroyed %v: the value stored again has %+v, %v, want the ledger of the first version", destroyed, got, err)
		}
		// From here on, the rows of this release suffice.
		err := f.kv.Update(t.Context(), func(tx kv.Tx) error { return tx.Delete(f.earlierPrint(sec, first)) })
		if err != nil {
			t.Fatal(err)
		}
		f.add(t, sec, value(t, first))
		if got, err := f.reserveOf(t, sec, 3, 100); err != nil || got.Used != 65_200 {
			t.Errorf("destroyed %v: the value stored a third time has %+v, %v", destroyed, got, err)
		}
	}
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
		f.create(t, fmt.Sprintf("copy-%d", i), text)
		if i != 60 && i != secret.MaxTwins-2 {
			continue
		}
		if err := bind(fmt.Sprintf("copy-%d", i), cbc); !fault.Is(err, secret.KeyPurposeFixed) {
			t.Errorf("another purpose of the copy %d = %v", i, err)
		}
	}
	// With more copies than the vault compares, none of them accepts a purpose.
	f.create(t, "last", text)
	if err := bind("last", gcm); !fault.Is(err, secret.KeyPurposeFixed) {
		t.Errorf("one copy more than the vault compares = %v", err)
	}
}
