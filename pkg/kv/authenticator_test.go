package kv_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
)

func authenticator(t testing.TB, current byte, generations ...byte) *kv.Authenticator {
	t.Helper()
	secrets := make(map[byte][32]byte)
	for _, g := range generations {
		secrets[g] = [32]byte{g}
	}
	a, err := kv.NewAuthenticator(current, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestARowHasTheDocumentedForm(t *testing.T) {
	t.Parallel()
	a := authenticator(t, 3, 3)
	for range 3 { // the MACs are reused
		stored := a.Seal([]byte("key"), []byte("value"))
		mac := hmac.New(sha256.New, append([]byte{3}, make([]byte, 31)...))
		mac.Write(binary.BigEndian.AppendUint32(nil, 3))
		mac.Write([]byte("keyvalue"))
		if want := slices.Concat([]byte{3}, mac.Sum(nil)[:16], []byte("value")); !bytes.Equal(stored, want) {
			t.Errorf("Seal() = %x, want %x", stored, want)
		}
		if value, ok := a.Open([]byte("key"), stored); !ok || string(value) != "value" {
			t.Errorf("Open() = %q, %t, want the value", value, ok)
		}
	}
}

func TestForgedRowsDoNotOpen(t *testing.T) {
	t.Parallel()
	a := authenticator(t, 2, 1, 2)
	stored := a.Seal([]byte("key"), []byte("value"))
	for i := range stored {
		changed := bytes.Clone(stored)
		changed[i] ^= 1
		if value, ok := a.Open([]byte("key"), changed); ok {
			t.Errorf("a row with another byte %d opens as %q", i, value)
		}
	}
	for name, test := range map[string]struct{ key, stored []byte }{
		"no row":              {[]byte("key"), nil},
		"a short row":         {[]byte("key"), stored[:16]},
		"a cut value":         {[]byte("key"), stored[:len(stored)-1]},
		"a longer value":      {[]byte("key"), append(bytes.Clone(stored), 0)},
		"another key":         {[]byte("kex"), stored},
		"a part of the value": {[]byte("keyv"), append(bytes.Clone(stored[:17]), "alue"...)},
		"no generation":       {[]byte("key"), append([]byte{0}, stored[1:]...)},
		"another generation":  {[]byte("key"), authenticator(t, 9, 9).Seal([]byte("key"), []byte("value"))},
	} {
		if value, ok := a.Open(test.key, test.stored); ok {
			t.Errorf("%s opens as %q", name, value)
		}
	}
}

func TestRowsOfEarlierGenerationsOpen(t *testing.T) {
	t.Parallel()
	stored := authenticator(t, 1, 1).Seal([]byte("key"), []byte("value"))
	if value, ok := authenticator(t, 2, 1, 2).Open([]byte("key"), stored); !ok || string(value) != "value" {
		t.Errorf("Open() = %q, %t, want the value", value, ok)
	}
}

func TestAnAuthenticatorNeedsASecret(t *testing.T) {
	t.Parallel()
	for name, secrets := range map[string]map[byte][32]byte{
		"no secret":                nil,
		"none of the current":      {1: {}},
		"a secret of generation 0": {0: {}, 2: {}},
	} {
		if _, err := kv.NewAuthenticator(2, secrets); err == nil {
			t.Errorf("%s: NewAuthenticator succeeds", name)
		}
	}
}

func FuzzOpenRow(f *testing.F) {
	a := authenticator(f, 1, 1)
	f.Add([]byte("key"), a.Seal([]byte("key"), []byte("value")))
	f.Add([]byte("key"), []byte{1})
	f.Fuzz(func(t *testing.T, key, stored []byte) {
		if value, ok := a.Open(key, stored); ok && !bytes.Equal(a.Seal(key, value), stored) {
			t.Errorf("Open(%x, %x) = %x, which is stored as something else", key, stored, value)
		}
	})
}

func BenchmarkRowMAC(b *testing.B) {
	a := authenticator(b, 1, 1)
	key, value := bytes.Repeat([]byte("k"), 40), bytes.Repeat([]byte("v"), 400)
	stored := a.Seal(key, value)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := a.Open(key, stored); !ok {
			b.Fatal("the row does not open")
		}
	}
}
