package keyring_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/sensitive"
)

var place = keyring.AD{Purpose: "secret-value", Workspace: "acme", UID: "aaaa", Version: 1, Usage: "KEY"}

func TestValueOpensWhereItWasSealed(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	for _, size := range []int{0, 1, 27, 28, 29, 100, 1000, 4092, 4093, 65535, 65536} {
		value := bytes.Repeat([]byte{0xa5}, size)
		sealed := sealValue(t, ring, value)
		data, err := sealed.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		stored, err := keyring.UnmarshalSealed(data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ring.OpenValue(stored, place)
		if err != nil {
			t.Errorf("OpenValue(%d bytes) = %v", size, err)
			continue
		}
		if !bytes.Equal(got.Reveal(), value) {
			t.Errorf("OpenValue(%d bytes) differs from what was sealed", size)
		}
		if size > 8 && bytes.Contains(data, value[:8]) {
			t.Errorf("the sealed form of %d bytes shows the value", size)
		}
	}
}

func TestSealingTwiceShowsNoSameness(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	one, other := sealValue(t, ring, []byte("value")), sealValue(t, ring, []byte("value"))
	if bytes.Equal(one.Ciphertext, other.Ciphertext) || bytes.Equal(one.WrappedKey, other.WrappedKey) {
		t.Error("the same value sealed twice looks the same")
	}
	other.WrappedKey = one.WrappedKey
	if _, err := ring.OpenValue(other, place); err == nil {
		t.Error("a value opens with the data key of another one")
	}
}

func TestAWrappedKeyNamesItsKey(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed := sealValue(t, ring, []byte("value"))
	if got := keyring.WrappedBy(sealed.WrappedKey); got != sealed.KeyID || got != ring.KeyID() {
		t.Errorf("WrappedBy() = %q, want %q", got, ring.KeyID())
	}
	for _, wrapped := range [][]byte{nil, sealed.WrappedKey[:4], append([]byte{0}, sealed.WrappedKey[1:]...)} {
		if got := keyring.WrappedBy(wrapped); got != "" {
			t.Errorf("WrappedBy(%x) = %q, want none", wrapped, got)
		}
	}
}

func TestValueMovedElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	ring, stranger := newRing(t), newRing(t)
	sealed := sealValue(t, ring, []byte("value"))
	tests := []struct {
		name string
		ring *keyring.Keyring
		move func(*keyring.AD)
	}{
		{"to another purpose", ring, func(ad *keyring.AD) { ad.Purpose = "exchange" }},
		{"to another workspace", ring, func(ad *keyring.AD) { ad.Workspace = "evil" }},
		{"to another secret", ring, func(ad *keyring.AD) { ad.UID = "bbbb" }},
		{"to another version", ring, func(ad *keyring.AD) { ad.Version = 2 }},
		{"to another usage", ring, func(ad *keyring.AD) { ad.Usage = "CREDENTIAL" }},
		{"to before usages", ring, func(ad *keyring.AD) { ad.Usage = "" }},
		{"to where the fields run together the same", ring, func(ad *keyring.AD) { ad.Workspace, ad.UID = "acmea", "aaa" }},
		{"to nowhere", ring, func(ad *keyring.AD) { *ad = keyring.AD{} }},
		{"to another keyring", stranger, func(*keyring.AD) {}},
	}
	for _, tt := range tests {
		moved := place
		tt.move(&moved)
		if _, err := tt.ring.OpenValue(sealed, moved); err == nil {
			t.Errorf("%s: OpenValue() succeeds, want an error", tt.name)
		}
	}
}

func TestEachBitOfASealedValueCounts(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	data, err := sealValue(t, ring, []byte("value")).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << bit
			sealed, err := keyring.UnmarshalSealed(changed)
			if err != nil {
				continue
			}
			if _, err := ring.OpenValue(sealed, place); err == nil {
				t.Errorf("OpenValue() with bit %d of byte %d flipped succeeds, want an error", bit, i)
			}
		}
	}
}

func TestPartsOfAnEnvelopeDoNotStandForEachOther(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed := sealValue(t, ring, []byte("value"))
	if _, err := ring.Open(sealed.WrappedKey, nil); err == nil {
		t.Error("a wrapped data key opens as a text")
	}
	text, err := ring.Seal(make([]byte, 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, forged := range map[string]keyring.Sealed{
		"a text as data key":       {Algorithm: sealed.Algorithm, KeyID: sealed.KeyID, WrappedKey: text, Ciphertext: sealed.Ciphertext},
		"a ciphertext as data key": {Algorithm: sealed.Algorithm, KeyID: sealed.KeyID, WrappedKey: sealed.Ciphertext, Ciphertext: sealed.Ciphertext},
		"no data key":              {Algorithm: sealed.Algorithm, KeyID: sealed.KeyID, Ciphertext: sealed.Ciphertext},
		"no ciphertext":            {Algorithm: sealed.Algorithm, KeyID: sealed.KeyID, WrappedKey: sealed.WrappedKey},
		"another algorithm":        {Algorithm: "AES-256-CBC", KeyID: sealed.KeyID, WrappedKey: sealed.WrappedKey, Ciphertext: sealed.Ciphertext},
		"another key id":           {Algorithm: sealed.Algorithm, KeyID: "0", WrappedKey: sealed.WrappedKey, Ciphertext: sealed.Ciphertext},
		"nothing":                  {},
	} {
		if _, err := ring.OpenValue(forged, place); err == nil {
			t.Errorf("OpenValue(%s) succeeds, want an error", name)
		}
	}
}

func TestShortValuesLookAlike(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	want := len(sealValue(t, ring, nil).Ciphertext)
	for size := range 29 {
		if got := len(sealValue(t, ring, make([]byte, size)).Ciphertext); got != want {
			t.Errorf("ciphertext of %d bytes has length %d, want %d as that of none", size, got, want)
		}
	}
}

func TestPlaintextStaysTheCallers(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	value := []byte("value")
	sealed := sealValue(t, ring, value)
	if got := string(value); got != "value" {
		t.Errorf("SealValue left %q of the plaintext", got)
	}
	opened, err := ring.OpenValue(sealed, place)
	if err != nil {
		t.Fatal(err)
	}
	opened.Zero()
	if again, err := ring.OpenValue(sealed, place); err != nil || string(again.Reveal()) != "value" {
		t.Error("zeroing an opened value harms the sealed one")
	}
}

func TestTooLargeAValueIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := newRing(t).SealValue(sensitive.New(make([]byte, 1<<20)), place); err == nil {
		t.Error("SealValue(1 MiB) succeeds, want an error")
	}
}

func TestManyGoroutinesShareAKeyring(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for j := range 50 {
				ad := keyring.AD{Purpose: "p", Workspace: "w", UID: fmt.Sprint(i), Version: uint32(j)}
				want := fmt.Sprintf("value %d of %d", j, i)
				sealed, err := ring.SealValue(sensitive.New([]byte(want)), ad)
				if err != nil {
					t.Errorf("SealValue() = %v", err)
					return
				}
				if got, err := ring.OpenValue(sealed, ad); err != nil || string(got.Reveal()) != want {
					t.Errorf("OpenValue() = %v, want what was sealed", err)
				}
				ring.Derive(want)
			}
		})
	}
	group.Wait()
}

func TestSealedValueSurvivesMarshalling(t *testing.T) {
	t.Parallel()
	for _, want := range []keyring.Sealed{
		{},
		{Algorithm: "a", KeyID: "k", WrappedKey: []byte("w"), Ciphertext: []byte("c")},
		{KeyID: string(make([]byte, 255)), WrappedKey: make([]byte, 65535)},
	} {
		data, err := want.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := keyring.UnmarshalSealed(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(normal(want), normal(got)); diff != "" {
			t.Errorf("a sealed value changed on its way (-want +got):\n%s", diff)
		}
	}
	if _, err := (keyring.Sealed{KeyID: string(make([]byte, 256))}).Marshal(); err == nil {
		t.Error("Marshal() of a key id of 256 bytes succeeds, want an error")
	}
}

func FuzzUnmarshalSealed(f *testing.F) {
	data, err := keyring.Sealed{Algorithm: "AES-256-GCM", KeyID: "1", WrappedKey: []byte("wrap"), Ciphertext: []byte("text")}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, {1}, {1, 0, 0, 0, 0}, {1, 255}, {1, 0, 0, 255, 255}, {2, 0, 0, 0, 0}, data} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sealed, err := keyring.UnmarshalSealed(data)
		if err != nil {
			return
		}
		again, err := sealed.Marshal()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("UnmarshalSealed(%x) marshals as %x, %v, want the same", data, again, err)
		}
	})
}

func sealValue(t testing.TB, ring *keyring.Keyring, value []byte) keyring.Sealed {
	t.Helper()
	sealed, err := ring.SealValue(sensitive.New(value), place)
	if err != nil {
		t.Fatal(err)
	}
	if sealed.KeyID != ring.KeyID() || sealed.Algorithm != keyring.Algorithm {
		t.Errorf("sealed by %s with key %s, want %s with %s", sealed.Algorithm, sealed.KeyID, keyring.Algorithm, ring.KeyID())
	}
	return sealed
}

// normal makes empty slices nil, which the binary form does not tell apart.
func normal(s keyring.Sealed) keyring.Sealed {
	s.WrappedKey = append([]byte(nil), s.WrappedKey...)
	s.Ciphertext = append([]byte(nil), s.Ciphertext...)
	return s
}

func BenchmarkSealValue(b *testing.B) {
	ring := newRing(b)
	value := sensitive.New(make([]byte, 256))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := ring.SealValue(value, place); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkOpenValue(b *testing.B) {
	ring := newRing(b)
	sealed := sealValue(b, ring, make([]byte, 256))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := ring.OpenValue(sealed, place); err != nil {
				b.Error(err)
			}
		}
	})
}
