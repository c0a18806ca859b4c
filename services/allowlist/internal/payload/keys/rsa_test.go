package keys_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"
	"testing/iotest"

	"github.com/keyward/keyward/pkg/keyform/keyformtest"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// wrapper is the interface of both RSA paddings for messages of any length.
type wrapper struct {
	name   string
	wrap   func(public crypto.PublicKey, message []byte) ([]byte, error)
	unwrap func(private crypto.PrivateKey, wrapped []byte) ([]byte, error)
	max    int // for 2,048 bits
}

func wrappers() []wrapper {
	oaep := func(name string, o keys.OAEP, max int) wrapper {
		return wrapper{name, func(public crypto.PublicKey, message []byte) ([]byte, error) {
			return o.Wrap(rand.Reader, public, message)
		}, o.Unwrap, max}
	}
	return []wrapper{
		oaep("OAEP with SHA-256", keys.OAEP{Hash: crypto.SHA256}, 190),
		oaep("OAEP of Java", keys.OAEP{Hash: crypto.SHA256, MGF1: crypto.SHA1}, 190),
		oaep("OAEP with SHA-1", keys.OAEP{Hash: crypto.SHA1}, 214),
		oaep("OAEP with a label", keys.OAEP{Hash: crypto.SHA512, Label: "label"}, 126),
		{"PKCS #1 v1.5", func(public crypto.PublicKey, message []byte) ([]byte, error) {
			return keys.PKCS1v15{}.Wrap(rand.Reader, public, message)
		}, keys.PKCS1v15{}.Decrypt, 245},
	}
}

func TestRSAUnwrapsWrappedKeys(t *testing.T) {
	t.Parallel()
	key, other := keyformtest.RSA(t, 2048), keyformtest.RSA(t, 2048)
	for _, w := range wrappers() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{0, 1, 32, w.max} {
				message := bytes.Repeat([]byte("m"), n)
				wrapped, err := w.wrap(key.Public(), message)
				if err != nil || len(wrapped) != 256 {
					t.Fatalf("wrap %d bytes = %d bytes, %v, want 256", n, len(wrapped), err)
				}
				if got, err := w.unwrap(key, wrapped); err != nil || !bytes.Equal(got, message) {
					t.Errorf("unwrap = %q, %v, want %d bytes", got, err, n)
				}
				if got, err := w.unwrap(other, wrapped); !errors.Is(err, keys.ErrUnwrap) || got != nil {
					t.Errorf("unwrap with another key = %q, %v, want ErrUnwrap", got, err)
				}
				for _, changed := range [][]byte{nil, wrapped[:255], append(bytes.Clone(wrapped), 0), bytes.Repeat([]byte{0xff}, 256)} {
					if got, err := w.unwrap(key, changed); !errors.Is(err, keys.ErrUnwrap) || got != nil {
						t.Errorf("unwrap of %d changed bytes = %q, %v, want ErrUnwrap", len(changed), got, err)
					}
				}
			}
			if got, err := w.wrap(key.Public(), make([]byte, w.max+1)); !errors.Is(err, keys.ErrLength) || got != nil {
				t.Errorf("wrap %d bytes = %x, %v, want ErrLength", w.max+1, got, err)
			}
		})
	}
}

func TestRSARefusesKeysOfOtherKinds(t *testing.T) {
	t.Parallel()
	other := keyformtest.EC(t, elliptic.P256())
	for _, w := range wrappers() {
		for _, public := range []crypto.PublicKey{nil, other.Public(), keyformtest.RSA(t, 2048)} { // a private key is not a public one
			if got, err := w.wrap(public, []byte("m")); !errors.Is(err, keys.ErrKey) || got != nil {
				t.Errorf("%s: wrap for %T = %x, %v, want ErrKey", w.name, public, got, err)
			}
		}
		for _, private := range []crypto.PrivateKey{nil, other} {
			if got, err := w.unwrap(private, make([]byte, 256)); !errors.Is(err, keys.ErrKey) || got != nil {
				t.Errorf("%s: unwrap with %T = %x, %v, want ErrKey", w.name, private, got, err)
			}
		}
	}
	if _, err := (keys.PKCS1v15{}).UnwrapKey(other, make([]byte, 256), 32); !errors.Is(err, keys.ErrKey) {
		t.Errorf("UnwrapKey with %T = %v, want ErrKey", other, err)
	}
}

// TestHashesOfOAEPAreLookedAt checks that no option is ignored.
func TestHashesOfOAEPAreLookedAt(t *testing.T) {
	t.Parallel()
	key := keyformtest.RSA(t, 2048)
	java := keys.OAEP{Hash: crypto.SHA256, MGF1: crypto.SHA1}
	wrapped, err := java.Wrap(rand.Reader, key.Public(), []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]keys.OAEP{
		"the hash for MGF1 too": {Hash: crypto.SHA256},
		"another hash":          {Hash: crypto.SHA1, MGF1: crypto.SHA1},
		"another hash of MGF1":  {Hash: crypto.SHA256, MGF1: crypto.SHA512},
		"a label":               {Hash: crypto.SHA256, MGF1: crypto.SHA1, Label: "l"},
	} {
		if got, err := o.Unwrap(key, wrapped); !errors.Is(err, keys.ErrUnwrap) || got != nil {
			t.Errorf("%s: Unwrap = %q, %v, want ErrUnwrap", name, got, err)
		}
	}
	for _, o := range []keys.OAEP{{}, {Hash: crypto.MD4}, {Hash: crypto.SHA256, MGF1: 99}} {
		if _, err := o.Wrap(rand.Reader, key.Public(), []byte("m")); !errors.Is(err, keys.ErrParameters) {
			t.Errorf("Wrap of %+v = %v, want ErrParameters", o, err)
		}
		if _, err := o.Unwrap(key, wrapped); !errors.Is(err, keys.ErrParameters) {
			t.Errorf("Unwrap of %+v = %v, want ErrParameters", o, err)
		}
	}
	failed := errors.New("no randomness")
	if _, err := java.Wrap(iotest.ErrReader(failed), key.Public(), []byte("m")); !errors.Is(err, failed) {
		t.Errorf("Wrap without randomness = %v, want %v", err, failed)
	}
}

// TestWrongPaddingGivesAnotherKey tests the defense against Bleichenbacher's attack: the caller
// cannot see the difference.
func TestWrongPaddingGivesAnotherKey(t *testing.T) {
	t.Parallel()
	key := keyformtest.RSA(t, 2048)
	session := []byte("0123456789abcdef")
	wrapped, err := keys.PKCS1v15{}.Wrap(rand.Reader, key.Public(), session)
	if err != nil {
		t.Fatal(err)
	}
	oaep, err := keys.OAEP{Hash: crypto.SHA256}.Wrap(rand.Reader, key.Public(), session)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		wrapped []byte
		n       int
		want    string // empty: another key
	}{
		{"the right length", wrapped, 16, string(session)},
		{"a shorter key than expected", wrapped, 24, ""},
		{"a longer key than expected", oaep, 245, ""},
		{"other padding", oaep, 16, ""},
		{"the smallest number", append(make([]byte, 255), 2), 16, ""},
		{"zero", make([]byte, 256), 16, ""},
	} {
		got, err := keys.PKCS1v15{}.UnwrapKey(key, tt.wrapped, tt.n)
		if err != nil || len(got) != tt.n || tt.want != "" && string(got) != tt.want || tt.want == "" && bytes.HasPrefix(got, session) {
			t.Errorf("%s: UnwrapKey = %x, %v, want %q", tt.name, got, err, tt.want)
		}
		again, err := keys.PKCS1v15{}.UnwrapKey(key, tt.wrapped, tt.n)
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s: UnwrapKey = %x, %v the second time, want %x", tt.name, again, err, got)
		}
	}
	others := map[string]bool{}
	for _, wrapped := range [][]byte{oaep, append(make([]byte, 255), 2), append(make([]byte, 255), 3)} {
		for _, key := range []*rsa.PrivateKey{key, keyformtest.RSA(t, 2048)} {
			got, err := keys.PKCS1v15{}.UnwrapKey(key, wrapped, 16)
			if err != nil && !errors.Is(err, keys.ErrUnwrap) || err == nil && others[string(got)] {
				t.Errorf("UnwrapKey of another message or with another key = %x, %v, which is not new", got, err)
			}
			others[string(got)] = err == nil
		}
	}
	for name, wrapped := range map[string][]byte{
		"nothing": nil, "a byte less": wrapped[1:], "a byte more": append(bytes.Clone(wrapped), 0), "more than the modulus": bytes.Repeat([]byte{0xff}, 256),
	} {
		if got, err := (keys.PKCS1v15{}).UnwrapKey(key, wrapped, 16); !errors.Is(err, keys.ErrUnwrap) || got != nil {
			t.Errorf("%s: UnwrapKey = %x, %v, want ErrUnwrap", name, got, err)
		}
	}
	for _, n := range []int{-1, 0, 15, 246} {
		if got, err := (keys.PKCS1v15{}).UnwrapKey(key, wrapped, n); !errors.Is(err, keys.ErrParameters) || got != nil {
			t.Errorf("UnwrapKey of %d bytes = %x, %v, want ErrParameters", n, got, err)
		}
	}
}

func FuzzUnwrapRSA(f *testing.F) {
	key := keyformtest.RSA(f, 2048)
	for _, w := range wrappers() {
		wrapped, err := w.wrap(key.Public(), []byte("0123456789abcdef"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wrapped)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		for _, w := range wrappers() {
			if got, err := w.unwrap(key, wrapped); err != nil && (got != nil || !errors.Is(err, keys.ErrUnwrap)) {
				t.Fatalf("%s: unwrap = %x, %v, want ErrUnwrap", w.name, got, err)
			}
		}
		got, err := keys.PKCS1v15{}.UnwrapKey(key, wrapped, 16)
		if err == nil && len(got) != 16 || err != nil && !errors.Is(err, keys.ErrUnwrap) {
			t.Fatalf("UnwrapKey = %x, %v", got, err)
		}
	})
}
