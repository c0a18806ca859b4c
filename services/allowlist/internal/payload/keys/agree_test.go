package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/keyward/keyward/pkg/keyform/keyformtest"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

func newX25519(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestBothSidesAgree(t *testing.T) {
	t.Parallel()
	nist, err := keyformtest.EC(t, elliptic.P256()).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		curve keys.Curve
		key   private
		bytes int
	}{
		{"X25519", keys.X25519, newX25519(t), 32},
		{"P-256", keys.P256, keyformtest.EC(t, elliptic.P256()), 65},
		{"P-256 of the kind for agreement", keys.P256, nist, 65},
		{"P-384", keys.P384, keyformtest.EC(t, elliptic.P384()), 97},
	} {
		ephemeral, shared, err := tt.curve.Encapsulate(rand.Reader, tt.key.Public())
		if err != nil || len(ephemeral) != tt.bytes || tt.curve.EphemeralLen() != tt.bytes {
			t.Errorf("%s: Encapsulate = %d bytes, %v, want %d", tt.name, len(ephemeral), err, tt.bytes)
			continue
		}
		if got, err := tt.curve.Decapsulate(tt.key, ephemeral); err != nil || !bytes.Equal(got, shared) {
			t.Errorf("%s: Decapsulate = %x, %v, want %x", tt.name, got, err, shared)
		}
		again, _, err := tt.curve.Encapsulate(rand.Reader, tt.key.Public())
		if err != nil || bytes.Equal(again, ephemeral) {
			t.Errorf("%s: an ephemeral key repeats", tt.name)
		}
	}
}

func TestSPKIIsThatOfTheLibrary(t *testing.T) {
	t.Parallel()
	for curve, key := range map[keys.Curve]private{
		keys.X25519: newX25519(t), keys.P256: keyformtest.EC(t, elliptic.P256()), keys.P384: keyformtest.EC(t, elliptic.P384()),
	} {
		ephemeral, _, err := curve.Encapsulate(rand.Reader, key.Public())
		if err != nil {
			t.Fatal(err)
		}
		spki := curve.SPKI(ephemeral)
		parsed, err := x509.ParsePKIXPublicKey(spki)
		if err != nil || len(spki) != curve.SPKILen() {
			t.Fatalf("SPKI = %d bytes, %v, want %d", len(spki), err, curve.SPKILen())
		}
		if want, err := x509.MarshalPKIXPublicKey(parsed); err != nil || !bytes.Equal(spki, want) {
			t.Errorf("SPKI = %x, want %x", spki, want)
		}
		if got, err := curve.FromSPKI(spki); err != nil || !bytes.Equal(got, ephemeral) {
			t.Errorf("FromSPKI = %x, %v, want %x", got, err, ephemeral)
		}
		for _, wrong := range [][]byte{nil, ephemeral, spki[:len(spki)-1], append(bytes.Clone(spki), 0), append([]byte{0x31}, spki[1:]...)} {
			if got, err := curve.FromSPKI(wrong); !errors.Is(err, keys.ErrUnwrap) {
				t.Errorf("FromSPKI(%x) = %x, %v, want ErrUnwrap", wrong, got, err)
			}
		}
	}
}

// TestX25519IsThatOfTheRFC uses the vectors of RFC 7748 section 6.1.
func TestX25519IsThatOfTheRFC(t *testing.T) {
	t.Parallel()
	const want = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
	for private, public := range map[string]string{
		"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a": "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
		"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb": "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
	} {
		key, err := ecdh.X25519().NewPrivateKey(unhex(t, private))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := keys.X25519.Decapsulate(key, unhex(t, public)); err != nil || hex.EncodeToString(got) != want {
			t.Errorf("Decapsulate = %x, %v, want %s", got, err, want)
		}
	}
}

func TestAgreementRefusesOtherKeys(t *testing.T) {
	t.Parallel()
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519, p256, p384, p224 := newX25519(t), keyformtest.EC(t, elliptic.P256()), keyformtest.EC(t, elliptic.P384()), keyformtest.EC(t, elliptic.P224())
	for _, tt := range []struct {
		name  string
		curve keys.Curve
		key   private
	}{
		{"P-256 for X25519", keys.X25519, p256},
		{"X25519 for P-256", keys.P256, x25519},
		{"P-384 for P-256", keys.P256, p384},
		{"P-256 for P-384", keys.P384, p256},
		{"P-224", keys.P256, p224},
		{"Ed25519 for X25519", keys.X25519, edwards},
		{"RSA", keys.P256, keyformtest.RSA(t, 2048)},
		{"X25519 for no curve", 0, x25519},
		{"P-256 for an unknown curve", keys.P384 + 1, p256},
	} {
		if _, _, err := tt.curve.Encapsulate(rand.Reader, tt.key.Public()); !errors.Is(err, keys.ErrKey) {
			t.Errorf("%s: Encapsulate = %v, want ErrKey", tt.name, err)
		}
		if _, err := tt.curve.Decapsulate(tt.key, make([]byte, tt.curve.EphemeralLen())); !errors.Is(err, keys.ErrKey) {
			t.Errorf("%s: Decapsulate = %v, want ErrKey", tt.name, err)
		}
	}
	for _, key := range []crypto.PublicKey{nil, x25519} { // a private key is not a public one
		if _, _, err := keys.X25519.Encapsulate(rand.Reader, key); !errors.Is(err, keys.ErrKey) {
			t.Errorf("Encapsulate for %T = %v, want ErrKey", key, err)
		}
	}
}

// TestAgreementRefusesPointsThatGiveNothing tries points that would let a partner choose the
// shared secret, or learn about the private key.
func TestAgreementRefusesPointsThatGiveNothing(t *testing.T) {
	t.Parallel()
	x25519, p256 := newX25519(t), keyformtest.EC(t, elliptic.P256())
	other, err := keyformtest.EC(t, elliptic.P256()).PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	off := bytes.Clone(other)
	off[64] ^= 1
	compressed := append([]byte{2 + other[64]&1}, other[1:33]...)
	for _, tt := range []struct {
		name      string
		curve     keys.Curve
		key       crypto.PrivateKey
		ephemeral []byte
	}{
		{"nothing", keys.X25519, x25519, nil},
		{"a byte less", keys.X25519, x25519, make([]byte, 31)},
		{"a byte more", keys.X25519, x25519, make([]byte, 33)},
		{"zero", keys.X25519, x25519, make([]byte, 32)},
		{"one", keys.X25519, x25519, append([]byte{1}, make([]byte, 31)...)},
		{"a point of order eight", keys.X25519, x25519, unhex(t, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")},
		{"no point", keys.P256, p256, nil},
		{"the point at infinity", keys.P256, p256, []byte{0}},
		{"a point off the curve", keys.P256, p256, off},
		{"a compressed point", keys.P256, p256, compressed},
		{"a point of X25519", keys.P256, p256, x25519.PublicKey().Bytes()},
	} {
		if got, err := tt.curve.Decapsulate(tt.key, tt.ephemeral); !errors.Is(err, keys.ErrUnwrap) || got != nil {
			t.Errorf("%s: Decapsulate = %x, %v, want ErrUnwrap", tt.name, got, err)
		}
	}
	zero, err := ecdh.X25519().NewPublicKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if ephemeral, shared, err := keys.X25519.Encapsulate(rand.Reader, zero); !errors.Is(err, keys.ErrKey) || ephemeral != nil || shared != nil {
		t.Errorf("Encapsulate for zero = %x, %v, want ErrKey", ephemeral, err)
	}
}

func FuzzDecapsulate(f *testing.F) {
	x25519, p256 := newX25519(f), keyformtest.EC(f, elliptic.P256())
	point, err := keyformtest.EC(f, elliptic.P256()).PublicKey.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(point)
	f.Add(point[:33])
	f.Add(newX25519(f).PublicKey().Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, ephemeral []byte) {
		for curve, key := range map[keys.Curve]crypto.PrivateKey{keys.X25519: x25519, keys.P256: p256} {
			shared, err := curve.Decapsulate(key, ephemeral)
			if err != nil && !errors.Is(err, keys.ErrUnwrap) || err == nil && (len(shared) != 32 || len(ephemeral) != curve.EphemeralLen()) {
				t.Fatalf("Decapsulate = %x, %v", shared, err)
			}
		}
	})
}
