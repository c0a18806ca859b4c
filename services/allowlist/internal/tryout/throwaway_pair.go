package tryout

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/secp256k1"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/snippet"
)

// rsaBits is the size of RSA keys: the smallest accepted size, because generating a larger key
// takes seconds.
const rsaBits = 2048

// pair generates a key pair. The library uses its own randomness.
func (m *maker) pair(algorithm string) (privateKey, error) {
	switch algorithm {
	case "RSA":
		return rsa.GenerateKey(m.random, rsaBits)
	case "EC-P256":
		return ecdsa.GenerateKey(elliptic.P256(), m.random)
	case "EC-P384":
		return ecdsa.GenerateKey(elliptic.P384(), m.random)
	case "EC-P521":
		return ecdsa.GenerateKey(elliptic.P521(), m.random)
	case secp256k1.Name:
		return secp256k1.GenerateKey(m.random)
	case "X25519":
		return ecdh.X25519().GenerateKey(m.random)
	case "Ed25519":
		_, private, err := ed25519.GenerateKey(m.random)
		return private, err
	default:
		return nil, fmt.Errorf("cannot generate a key pair for %s", algorithm)
	}
}

// A privateKey is any private key with a public part.
type privateKey interface{ Public() crypto.PublicKey }

// encode returns the DER of a key pair.
func encode(pair privateKey) (snippet.Key, error) {
	private, err := keyform.MarshalPrivate(pair)
	if err != nil {
		return snippet.Key{}, fmt.Errorf("encode private key: %w", err)
	}
	public, err := keyform.MarshalPublic(pair.Public())
	if err != nil {
		return snippet.Key{}, fmt.Errorf("encode public key: %w", err)
	}
	return snippet.Key{Private: private, Public: public}, nil
}

// validity is the validity period of a certificate.
const validity = 24 * time.Hour

// certificate returns a self-signed certificate of a key pair.
func (m *maker) certificate(pair crypto.Signer) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away key"},
		NotBefore: m.now.Add(-time.Minute), NotAfter: m.now.Add(validity),
	}
	der, err := x509.CreateCertificate(m.random, template, template, pair.Public(), pair)
	if err != nil {
		return nil, fmt.Errorf("create certificate: %w", err)
	}
	return der, nil
}

// openPGP generates a key block, locked if there is a passphrase.
func (m *maker) openPGP() ([]byte, error) {
	config := &packet.Config{
		Rand: m.random, Time: func() time.Time { return m.now }, Algorithm: packet.PubKeyAlgoEdDSA, DefaultCipher: packet.CipherAES256,
	}
	entity, err := openpgp.NewEntity("Throw-away key", "", "", config)
	if err != nil {
		return nil, fmt.Errorf("generate OpenPGP key: %w", err)
	}
	var out bytes.Buffer
	armored, err := armor.Encode(&out, openpgp.PrivateKeyType, nil)
	if err != nil {
		return nil, fmt.Errorf("armor OpenPGP key: %w", err)
	}
	if m.passphrase == nil {
		err = entity.SerializePrivate(armored, config)
	} else if err = entity.EncryptPrivateKeys(m.passphrase, config); err == nil {
		err = entity.SerializePrivateWithoutSigning(armored, config)
	}
	if err != nil {
		return nil, fmt.Errorf("write OpenPGP key: %w", err)
	}
	if err := armored.Close(); err != nil {
		return nil, fmt.Errorf("armor OpenPGP key: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}
