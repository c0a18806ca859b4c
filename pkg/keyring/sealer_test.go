package keyring_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"path/filepath"
	"testing"

	"github.com/keyward/keyward/pkg/keyring"
)

func sealer(t testing.TB, ring *keyring.Keyring, purpose string) *keyring.Sealer {
	t.Helper()
	s, err := ring.Sealer(purpose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedTextsOpenForTheirPurposeOnly(t *testing.T) {
	t.Parallel()
	path, kek := filepath.Join(t.TempDir(), "store"), newKEK(t)
	store := openStore(t, path)
	ring := openRing(t, store, kek, "allowlist")
	sealed, err := sealer(t, ring, "exchanges").Seal([]byte("text"), []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := sealer(t, ring, "exchanges").Seal([]byte("text"), []byte("context"))
	if err != nil || bytes.Equal(sealed, again) {
		t.Errorf("the same text is sealed to the same bytes, %v", err)
	}
	if _, err := ring.Open(sealed, []byte("context")); err == nil {
		t.Error("the keyset opens what a sealer made")
	}
	if _, err := sealer(t, ring, "others").Open(sealed, []byte("context")); err == nil {
		t.Error("the sealer of another purpose opens it")
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	s := sealer(t, openRing(t, openStore(t, path), kek, "allowlist"), "exchanges")
	if got, err := s.Open(sealed, []byte("context")); err != nil || string(got) != "text" {
		t.Errorf("Open after reopening = %q, %v", got, err)
	}
	if _, err := s.Open(sealed, []byte("another")); err == nil {
		t.Error("it opens with other associated data")
	}
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		if _, err := s.Open(flipped, []byte("context")); err == nil {
			t.Errorf("it opens with byte %d changed", i)
		}
		if _, err := s.Open(sealed[:i], []byte("context")); err == nil {
			t.Errorf("it opens with %d bytes", i)
		}
	}
}

// TestSealerIsXAES opens what a sealer made by the specification, c2sp.org/XAES-256-GCM:
// the key for a string is the AES-CMAC of the first 12 of 24 random bytes.
func TestSealerIsXAES(t *testing.T) {
	t.Parallel()
	ring := openRing(t, newStore(t), newKEK(t), "allowlist")
	sealed, err := sealer(t, ring, "exchanges").Seal([]byte("text"), []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	key := ring.Derive("sealer exchanges")
	gcm := newGCM(t, xaesKey(t, key[:], sealed[:12]))
	bound := "00000000000000" + "0c" + hex.EncodeToString([]byte("keyward text")) +
		"00000000000000" + "09" + hex.EncodeToString([]byte("allowlist")) +
		"00000000000000" + "09" + hex.EncodeToString([]byte("exchanges")) +
		"00000000000000" + "07" + hex.EncodeToString([]byte("context"))
	ad, err := hex.DecodeString(bound)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := gcm.Open(nil, sealed[12:24], sealed[24:], ad); err != nil || string(got) != "text" {
		t.Errorf("Open by the specification = %q, %v", got, err)
	}
}

// xaesKey derives the key for a text.
func xaesKey(t testing.TB, key, salt []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	k1 := make([]byte, 16) // the subkey of CMAC for whole blocks
	block.Encrypt(k1, k1)
	carry := byte(0)
	for i := 15; i >= 0; i-- {
		k1[i], carry = k1[i]<<1|carry, k1[i]>>7
	}
	if carry != 0 {
		k1[15] ^= 0x87
	}
	var derived []byte
	for counter := range byte(2) {
		m := append([]byte{0, counter + 1, 'X', 0}, salt...)
		for i := range m {
			m[i] ^= k1[i]
		}
		block.Encrypt(m, m)
		derived = append(derived, m...)
	}
	return derived
}

func newGCM(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm
}

func BenchmarkSeal(b *testing.B) {
	ring := openRing(b, newStore(b), newKEK(b), "allowlist")
	s, text := sealer(b, ring, "exchanges"), make([]byte, 300)
	for name, seal := range map[string]func([]byte, []byte) ([]byte, error){"keyset": ring.Seal, "XAES-256-GCM": s.Seal} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := seal(text, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
