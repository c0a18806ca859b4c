package pgp_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
)

// known reports whether the error is one of those that the package has.
func known(err error) bool {
	for _, one := range []error{pgp.ErrKey, pgp.ErrMessage, pgp.ErrUnwrap, pgp.ErrDecrypt, pgp.ErrSignature} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// stored returns the key of the vectors, which is the same in every process.
func stored(t testing.TB) pair {
	t.Helper()
	block, err := os.ReadFile("../testdata/keys/pgp_priv.asc")
	if err != nil {
		t.Fatal(err)
	}
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(block))
	if err != nil {
		t.Fatal(err)
	}
	return pairOf(t, list[0])
}

// FuzzDecrypt checks that every message decrypts or fails with a documented error.
func FuzzDecrypt(f *testing.F) {
	key := stored(f)
	body := literal(f, []byte(sample))
	f.Add(encrypt(f, pgp.Message{}, key, nil, []byte(sample)))
	f.Add(encrypt(f, pgp.Message{Binary: true}, key, &pgp.Signer{Key: key.private}, []byte(sample)))
	f.Add(reencrypt(f, compressed(f, body), key))
	f.Add(reencrypt(f, append(signatures(f, key, 2), body...), key))
	f.Add(body)
	f.Fuzz(func(t *testing.T, message []byte) {
		if _, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, [][]byte{key.public}, message); err != nil && !known(err) {
			t.Errorf("Decrypt = %v", err)
		}
	})
}

// FuzzContent does the same for content that only a sender who encrypts to us can send.
func FuzzContent(f *testing.F) {
	key := stored(f)
	body := literal(f, []byte(sample))
	f.Add(body)
	f.Add(compressed(f, body))
	f.Add(append(signatures(f, key, 1), body...))
	f.Add(contentOf(f, key, encrypt(f, pgp.Message{Binary: true}, key, &pgp.Signer{Key: key.private}, []byte(sample))))
	f.Fuzz(func(t *testing.T, content []byte) {
		message := reencrypt(t, content, key)
		for _, verifiers := range [][][]byte{nil, {key.public}} {
			if _, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, verifiers, message); err != nil && !known(err) {
				t.Errorf("Decrypt = %v", err)
			}
		}
	})
}

// FuzzKey checks that any key block is refused or usable.
func FuzzKey(f *testing.F) {
	good := stored(f)
	f.Add(good.public)
	f.Add(good.private)
	f.Add(newPair(f, func(c *packet.Config) { c.V6Keys, c.Algorithm = true, packet.PubKeyAlgoEd25519 }).private)
	message := encrypt(f, pgp.Message{}, good, nil, []byte(sample))
	f.Fuzz(func(t *testing.T, block []byte) {
		if _, _, err := pgp.Decrypt(now, [][]byte{block}, []byte("p"), [][]byte{block}, message); err != nil && !known(err) {
			t.Errorf("Decrypt = %v", err)
		}
	})
}
