package secret

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/vault/internal/publickey"
)

// A material holds the parts of a new version: the value, its public part if it is an asymmetric
// key, and its facts.
type material struct {
	plain  sensitive.Bytes
	public []byte
	facts  *Facts
	// weakReason is the reason for using a weak key.
	weakReason string
	// taken is how the value was recognized, or nil if it was generated.
	taken *Taken
}

// publicOnly reports whether the value is a public key or a certificate.
func (m material) publicOnly() bool { return len(m.public) > 0 && m.facts != nil && !m.facts.Private }

// draw returns the material of a value, after it has passed the material to use. The caller must zero
// the plaintext, even after an error. Call draw before the transaction: generating a large RSA key
// takes a second or more.
//
// use runs inside the same [memory.Do], because what each Do erases costs more than most of what runs
// in it.
//
// Only a few callers at a time generate private keys or open PKCS #12 files. The others wait, so
// that some requests for large keys do not occupy the processors.
func (s *Store) draw(ctx context.Context, v Value, usage Usage, use func(*material) error) (m material, err error) {
	if v.asymmetric() || v.isFile(usage) {
		select {
		case s.drawing <- struct{}{}:
			defer func() { <-s.drawing }()
		case <-ctx.Done():
			return material{}, fmt.Errorf("wait to generate a private key: %w", ctx.Err())
		}
	}
	memory.Do(func() {
		if m, err = v.material(s.random, usage); err == nil {
			err = use(&m)
		}
	})
	return m, err
}

func (v Value) material(random io.Reader, usage Usage) (material, error) {
	plain, err := v.plaintext(random)
	if err != nil {
		return material{}, err
	}
	if v.kind != 0 {
		public := publickey.Of(plain.Reveal())
		return material{plain: plain, public: public, facts: v.facts(plain, public, true)}, nil
	}
	return v.take(plain, usage)
}

// sealed returns the stored form of the material. Only a KEY keeps the public part and the facts:
// other values that look like a key are meant to be sent as they are.
func (m material) sealed(sealed keyring.Sealed, usage Usage) Stored {
	if usage != Key {
		return Stored{Sealed: sealed}
	}
	return Stored{Sealed: sealed, Public: m.public, Facts: m.facts, WeakReason: m.weakReason}
}

// drawPrivateKey generates a private key and returns it as PEM of PKCS #8. The generators of some
// kinds accept no source of randomness except the system's.
func drawPrivateKey(kind Kind, random io.Reader) (sensitive.Bytes, error) {
	key, err := generate(kind, random)
	if err != nil {
		return sensitive.Bytes{}, fmt.Errorf("generate private key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return sensitive.Bytes{}, fmt.Errorf("encode private key: %w", err)
	}
	defer clear(der)
	return sensitive.New(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

func generate(kind Kind, random io.Reader) (any, error) {
	switch kind {
	case RSA2048:
		return rsa.GenerateKey(random, 2048)
	case RSA3072:
		return rsa.GenerateKey(random, 3072)
	case RSA4096:
		return rsa.GenerateKey(random, 4096)
	case ECP256:
		return ecdsa.GenerateKey(elliptic.P256(), random)
	case ECP384:
		return ecdsa.GenerateKey(elliptic.P384(), random)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(random)
		return key, err
	case X25519:
		return ecdh.X25519().GenerateKey(random)
	default:
		return nil, errKind
	}
}
