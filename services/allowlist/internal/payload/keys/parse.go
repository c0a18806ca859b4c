package keys

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math"
	"slices"
)

// The sizes of RSA keys in bits. Shorter ones are broken or will be; longer ones cost
// more than a message is worth.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// maxKey is how long the DER of a key may be that is looked into. A private key of
// RSA-8192 has 4,677 bytes. Checking a private key takes time in proportion to at least
// the square of its length, and a secret may have 64 KiB.
const maxKey = 5 << 10

// The types of PEM blocks that hold a key (RFC 7468; the last three of older tools).
const (
	typePrivate     = "PRIVATE KEY"
	typePublic      = "PUBLIC KEY"
	typeCertificate = "CERTIFICATE"
	typeRSAPrivate  = "RSA PRIVATE KEY"
	typeECPrivate   = "EC PRIVATE KEY"
	typeRSAPublic   = "RSA PUBLIC KEY"
)

// Info holds the names by which the two sides speak of a key.
type Info struct {
	// PublicSHA256 is the SHA-256 of the DER of the SubjectPublicKeyInfo.
	PublicSHA256 [sha256.Size]byte
	// CertificateSHA256 is the SHA-256 of the DER of the certificate that the key is
	// in or that stands beside it, nil if there is none.
	CertificateSHA256 *[sha256.Size]byte
}

// ParsePublic returns the public key that a stored secret holds: of a public key, a
// certificate or a private key, as PEM or DER. The validity of a certificate is not
// looked at.
//
// It is an [*rsa.PublicKey] of 2,048 to 8,192 bits, an [*ecdsa.PublicKey] of P-256 or
// P-384, an [ed25519.PublicKey], or an [*ecdh.PublicKey] of X25519. All else is
// [ErrKey], among it keys that are encrypted.
//
// Of several PEM blocks the first that has a key is taken, and no later one if that is
// not usable: behind a certificate stands the one of its issuer. Blocks of other types
// are passed over, such as the curve's parameters that openssl writes first.
func ParsePublic(stored []byte) (crypto.PublicKey, Info, error) {
	found, info, err := find(stored, func(material) bool { return true })
	return found.public, info, err
}

// ParsePrivate returns the private key that a stored secret holds, as PEM or DER, of
// the kinds of [ParsePublic]. Blocks without a private key are passed over, such as
// the certificates of a bundle; the one for the key is in the info.
func ParsePrivate(stored []byte) (crypto.PrivateKey, Info, error) {
	found, info, err := find(stored, func(m material) bool { return m.secret })
	return found.private, info, err
}

// material is what one block holds. Of a block that does not parse, or whose key is not
// of a kind that is taken, only secret is set.
type material struct {
	secret      bool
	private     crypto.PrivateKey
	public      publicKey
	certificate *[sha256.Size]byte
}

// publicKey is what all public keys of the standard library can do.
type publicKey interface{ Equal(crypto.PublicKey) bool }

// find returns the first material that is wanted, and the names of its key.
func find(stored []byte, wanted func(material) bool) (material, Info, error) {
	all := materials(stored)
	first := slices.IndexFunc(all, wanted)
	if first < 0 || all[first].public == nil {
		return material{}, Info{}, ErrKey
	}
	found := all[first]
	der, err := x509.MarshalPKIXPublicKey(found.public)
	if err != nil {
		return material{}, Info{}, ErrKey
	}
	info := Info{PublicSHA256: sha256.Sum256(der)}
	for _, m := range all {
		if m.certificate != nil && m.public != nil && found.public.Equal(m.public) {
			info.CertificateSHA256 = m.certificate
			break
		}
	}
	return found, info, nil
}

// materials returns what the blocks of a PEM text hold, or what the bytes hold as DER if
// it is not one. Blocks of unknown types are left out.
func materials(stored []byte) []material {
	block, rest := pem.Decode(stored)
	if block == nil {
		return fromDER(stored)
	}
	var all []material
	for ; block != nil; block, rest = pem.Decode(rest) {
		if m, known := fromBlock(block.Type, block.Bytes); known {
			all = append(all, m)
		}
		clear(block.Bytes)
	}
	return all
}

// fromDER tries all types: no DER is of two.
func fromDER(der []byte) []material {
	types := []string{typePublic, typeCertificate, typePrivate, typeRSAPrivate, typeECPrivate, typeRSAPublic}
	for _, typ := range types {
		if m, _ := fromBlock(typ, der); m.public != nil {
			return []material{m}
		}
	}
	return nil
}

// fromBlock returns the material of a block, and whether its type is known.
func fromBlock(typ string, der []byte) (m material, known bool) {
	switch typ {
	case typeCertificate:
		m = fromCertificate(der)
	case typePublic:
		m.public = usable(parse(der, x509.ParsePKIXPublicKey))
	case typeRSAPublic:
		m.public = usable(parse(der, x509.ParsePKCS1PublicKey))
	case typePrivate:
		m = fromPrivate(parse(der, x509.ParsePKCS8PrivateKey))
	case typeRSAPrivate:
		m = fromPrivate(parse(der, x509.ParsePKCS1PrivateKey))
	case typeECPrivate:
		m = fromPrivate(parse(der, x509.ParseECPrivateKey))
	default:
		return material{}, false
	}
	return m, true
}

// parse returns the key in a DER that is not too long, or nil.
func parse[Key any](der []byte, parser func([]byte) (Key, error)) any {
	if len(der) > maxKey {
		return nil
	}
	key, err := parser(der)
	if err != nil {
		return nil
	}
	return key
}

func fromCertificate(der []byte) material {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return material{}
	}
	sum := sha256.Sum256(der)
	return material{public: usable(certificate.PublicKey), certificate: &sum}
}

func fromPrivate(private any) material {
	m := material{secret: true}
	if key, ok := private.(interface{ Public() crypto.PublicKey }); ok {
		m.public = usable(key.Public())
	}
	if m.public != nil {
		m.private = private
	}
	return m
}

// usable returns the key if it is of a kind that is taken, or else nil.
func usable(public any) publicKey {
	switch key := public.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		// The library refuses other exponents too, but only when the key is used.
		exponent := key.E >= 3 && key.E%2 == 1 && int64(key.E) <= math.MaxInt32
		if bits >= minRSABits && bits <= maxRSABits && key.N.Bit(0) == 1 && exponent {
			return key
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return key
		}
	case ed25519.PublicKey:
		return slices.Clone(key) // the library's is a piece of the DER, which is zeroed
	case *ecdh.PublicKey:
		if key.Curve() == ecdh.X25519() {
			return key
		}
	}
	return nil
}
