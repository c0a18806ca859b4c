package secp256k1_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/keyward/keyward/pkg/secp256k1"
)

// made returns a key in DER that openssl 3 made.
func made(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "EC PARAMETERS" {
			return block.Bytes
		}
	}
	t.Fatalf("%s has no key", name)
	return nil
}

func TestKeysOfOpensslAreReadAndWritten(t *testing.T) {
	t.Parallel()
	pkcs8, sec1, spki := made(t, "key.pem"), made(t, "key-sec1.pem"), made(t, "public.pem")
	key, err := secp256k1.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		t.Fatal(err)
	}
	again, err := secp256k1.ParseECPrivateKey(sec1)
	if err != nil || !key.Equal(again) {
		t.Errorf("ParseECPrivateKey = %v, want the same key", err)
	}
	public, err := secp256k1.ParsePKIXPublicKey(spki)
	if err != nil || !public.Equal(key.Public()) {
		t.Errorf("ParsePKIXPublicKey = %v, want the public key of the private key", err)
	}
	if got := secp256k1.MarshalPKCS8PrivateKey(key); !bytes.Equal(got, pkcs8) {
		t.Error("MarshalPKCS8PrivateKey differs from openssl")
	}
	if got := secp256k1.MarshalPKIXPublicKey(public); !bytes.Equal(got, spki) {
		t.Errorf("MarshalPKIXPublicKey = %x, want %x", got, spki)
	}
	compressed, err := secp256k1.ParsePKIXPublicKey(made(t, "public-compressed.pem"))
	if err != nil || !compressed.Equal(public) {
		t.Errorf("ParsePKIXPublicKey of a compressed point = %v, want the same key", err)
	}
}

func TestDamagedKeysAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"key.pem", "key-sec1.pem", "public.pem"} {
		der := made(t, name)
		for i := range der {
			damaged := bytes.Clone(der)
			damaged[i] ^= 1
			if parse(name, damaged) == nil {
				t.Errorf("%s with another byte %d: no error", name, i)
			}
			if parse(name, der[:i]) == nil {
				t.Errorf("%s cut after byte %d: no error", name, i)
			}
		}
		if parse(name, append(der, 0)) == nil {
			t.Errorf("%s with a byte more: no error", name)
		}
	}
	order, _ := hex.DecodeString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	for what, scalar := range map[string][]byte{"0": make([]byte, 32), "the order": order, "31 bytes": make([]byte, 31), "nothing": nil} {
		if _, err := secp256k1.NewPrivateKey(scalar); !errors.Is(err, secp256k1.ErrKey) {
			t.Errorf("NewPrivateKey(%s) = %v, want ErrKey", what, err)
		}
	}
}

func parse(name string, der []byte) (err error) {
	switch name {
	case "key.pem":
		_, err = secp256k1.ParsePKCS8PrivateKey(der)
	case "key-sec1.pem":
		_, err = secp256k1.ParseECPrivateKey(der)
	default:
		_, err = secp256k1.ParsePKIXPublicKey(der)
	}
	return err
}

// TestOpensslVerifiesSignatures has openssl verify what Sign makes.
func TestOpensslVerifiesSignatures(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil && os.Getenv("CI") == "" {
		t.Skip("needs openssl")
	}
	key, err := secp256k1.ParsePKCS8PrivateKey(made(t, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	message, signed := filepath.Join(dir, "message"), filepath.Join(dir, "signature")
	for _, text := range []string{"", "a message", "another"} {
		signature, err := secp256k1.Sign(rand.Reader, key, sha256.Sum256([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		write(t, message, []byte(text))
		write(t, signed, asDER(signature))
		out, err := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-verify", filepath.Join("testdata", "public.pem"), "-signature", signed, message).CombinedOutput()
		if err != nil {
			t.Errorf("openssl of the signature of %q: %v: %s", text, err, out)
		}
	}
}

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// asDER returns a signature as a sequence of two integers.
func asDER(signature []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for half := range slices.Chunk(signature, secp256k1.ScalarBytes) {
			b.AddASN1BigInt(new(big.Int).SetBytes(half))
		}
	})
	return b.BytesOrPanic()
}

func TestSignaturesVerify(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 200 {
		key, err := secp256k1.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public := key.Public().(*secp256k1.PublicKey)
		digest := sha256.Sum256(public.Bytes())
		signature, err := secp256k1.Sign(rand.Reader, key, digest)
		if err != nil || !secp256k1.Verify(public, digest, signature) {
			t.Fatalf("Sign = %x, %v, which does not verify", signature, err)
		}
		seen[string(signature)] = true
		other := sha256.Sum256(signature)
		if secp256k1.Verify(public, other, signature) {
			t.Error("a signature verifies another digest")
		}
		for _, wrong := range [][]byte{nil, signature[:63], append(bytes.Clone(signature), 0), make([]byte, 64), bytes.Repeat([]byte{0xff}, 64)} {
			if secp256k1.Verify(public, digest, wrong) {
				t.Errorf("Verify(%x) = true", wrong)
			}
		}
	}
	if len(seen) != 200 {
		t.Errorf("200 signatures have %d values", len(seen))
	}
	key, _ := secp256k1.GenerateKey(rand.Reader)
	for n := range int64(96) {
		if _, err := secp256k1.Sign(io.LimitReader(rand.Reader, n), key, [32]byte{1}); err == nil {
			t.Errorf("Sign with %d random bytes: no error", n)
		}
	}
}

// FuzzParse parses keys, and writes those that are read.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"key.pem", "key-sec1.pem", "public.pem", "public-compressed.pem"} {
		f.Add(made(f, name))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if key, err := secp256k1.ParsePKCS8PrivateKey(der); err == nil {
			again, err := secp256k1.ParsePKCS8PrivateKey(secp256k1.MarshalPKCS8PrivateKey(key))
			if err != nil || !again.Equal(key) {
				t.Errorf("the private key is not read again: %v", err)
			}
		}
		if key, err := secp256k1.ParsePKIXPublicKey(der); err == nil {
			again, err := secp256k1.ParsePKIXPublicKey(secp256k1.MarshalPKIXPublicKey(key))
			if err != nil || !again.Equal(key) {
				t.Errorf("the public key is not read again: %v", err)
			}
		}
		_, _ = secp256k1.ParseECPrivateKey(der)
	})
}

func BenchmarkSign(b *testing.B) {
	key, err := secp256k1.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := secp256k1.Sign(rand.Reader, key, [32]byte{1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	key, _ := secp256k1.GenerateKey(rand.Reader)
	signature, err := secp256k1.Sign(rand.Reader, key, [32]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	public := key.Public().(*secp256k1.PublicKey)
	for b.Loop() {
		if !secp256k1.Verify(public, [32]byte{1}, signature) {
			b.Fatal("does not verify")
		}
	}
}
