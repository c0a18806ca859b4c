package keys_test

import (
	"bytes"
	"crypto"
	"crypto/pbkdf2"
	"errors"
	"fmt"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

func TestPBKDF2IsThatOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		for _, iterations := range []int{1, 2, 1000, keys.Piece, keys.Piece + 1} {
			for _, n := range []int{16, 24, 32, 48} {
				d := keys.Derivation{Function: keys.PBKDF2, Hash: hash, Iterations: iterations}
				secret, salt := fmt.Append(nil, "secret", n), fmt.Append(nil, "salt", iterations)
				want, err := pbkdf2.Key(hash.New, string(secret), salt, iterations, n)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := d.Derive(secret, salt, n); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%v, %d iterations, %d bytes: %x, %v, want %x", hash, iterations, n, got, err, want)
				}
			}
		}
	}
}

// Derivations run in pieces, and can end between two of them.
func TestDerivationsCanBeInterrupted(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	for _, function := range []keys.Function{keys.PBKDF2, keys.EVPBytesToKey} {
		d := keys.Derivation{Function: function, Hash: crypto.SHA256, Iterations: 2*keys.Piece + 2}
		for stop, pauses := range []int{1, 2, 3, 4, 4} {
			count := 0
			key, err := d.DeriveInPieces([]byte("secret"), []byte("saltsalt"), 64, func() error {
				if count++; count > stop {
					return enough
				}
				return nil
			})
			if interrupted := stop < 4; count != pauses || interrupted != errors.Is(err, enough) || interrupted == (key != nil) {
				t.Errorf("%v: %d pauses, key %x, %v; want %d pauses", function, count, key, err, pauses)
			}
		}
	}
}

func BenchmarkPBKDF2(b *testing.B) {
	d := keys.Derivation{Function: keys.PBKDF2, Hash: crypto.SHA256, Iterations: 600_000}
	b.Run("in pieces", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.Derive([]byte("secret"), []byte("salt"), 32); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("standard library", func(b *testing.B) {
		for b.Loop() {
			if _, err := pbkdf2.Key(crypto.SHA256.New, "secret", []byte("salt"), 600_000, 32); err != nil {
				b.Fatal(err)
			}
		}
	})
}
