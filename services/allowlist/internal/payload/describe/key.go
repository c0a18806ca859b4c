package describe

import (
	"fmt"
	"strings"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/secp256k1"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// A Role is the role of a key in a message.
type Role int

// The roles.
const (
	// Encrypts is the role of the keys of a cipher, and of the keys that session keys are wrapped
	// with or agreed on.
	Encrypts Role = iota
	// Signs is the role of the keys of a signature, around a message or inside it.
	Signs
	// Authenticates is the role of the separate key of a MAC.
	Authenticates
	// Unlocks is the role of the passphrase of other keys.
	Unlocks
	// IV is the role of a static IV.
	IV
	// Salt is the role of a constant salt.
	Salt
)

// A Key is a reference to a secret, with the requirements for the secret.
type Key struct {
	// Field is the path of the reference, such as `request.cipher.shared_key.keys[0]`. Keys of one
	// list have the same List, such as `request.cipher.shared_key.keys`. For a single key, List is
	// the field itself.
	Field, List string
	// Secret is the resource name of the secret. Version is 0 for the current version.
	Secret  string
	Version uint32
	// Decoding says how the stored bytes are decoded to the key.
	Decoding keyform.Decoding
	Role     Role
	// Requirement is the requirement for the decoded key.
	Requirement keyfit.Requirement
	// Usual is the length of a new key, for keys that both sides share; 0 means any length.
	Usual int
}

// Shared reports whether both sides have the bytes of the key, that is, it is not a key pair.
func (k Key) Shared() bool { return len(k.Requirement.Pairs) == 0 && !k.Requirement.PGP }

// usualKEK is the length of a new key for AES Key Wrap, which accepts three lengths.
const usualKEK = 32

// keys describes all references of a profile.
func (p *Profile) keys() []Key {
	l := &lister{path: p.Path}
	l.cipher(p)
	l.list("rsa_direct.keys", p.pb.GetRsaDirect().GetKeys(), Encrypts, keyfit.AnyRSA(), 0)
	l.jwe(p)
	l.list("fernet.keys", p.pb.GetFernet().GetKeys(), Encrypts, keyfit.Requirement{Symmetric: true, Bytes: []int{symmetric.FernetKey}}, symmetric.FernetKey)
	pgp := keyfit.Requirement{PGP: true}
	l.list("pgp.keys", p.pb.GetPgp().GetKeys(), Encrypts, pgp, 0)
	l.one("pgp.passphrase", p.pb.GetPgp().GetPassphrase(), Unlocks, 0)
	l.list("pgp.signing_keys", p.pb.GetPgp().GetSigningKeys(), Signs, pgp, 0)
	l.list("cms.keys", p.pb.GetCms().GetKeys(), Encrypts, keyfit.Requirement{Pairs: []string{"RSA"}, Certificate: true}, 0)
	l.list("cms.signing_keys", p.pb.GetCms().GetSigningKeys(), Signs, keyfit.Requirement{Pairs: []string{"EC-P256", "EC-P384", "RSA"}}, 0)
	if s := p.Signing; s != nil {
		required, usual := ofScheme(s.Scheme)
		l.list("signing.keys", p.pb.GetSigning().GetKeys(), Signs, required, usual)
	}
	if p.Nested != nil {
		required, usual := ofJWS(*p.Nested)
		l.list("nested_jws.keys", p.pb.GetNestedJws().GetKeys(), Signs, required, usual)
	}
	if p.Outer != nil {
		required, usual := ofJWS(*p.Outer)
		l.list("outer_jws.keys", p.pb.GetOuterJws().GetKeys(), Signs, required, usual)
	}
	return l.all
}

// A lister lists keys.
type lister struct {
	path string
	all  []Key
}

// list adds the keys of a list.
func (l *lister) list(field string, refs []*allowlistv1.SecretRef, role Role, required keyfit.Requirement, usual int) {
	for i, ref := range refs {
		at := fmt.Sprintf("%s.%s[%d]", l.path, field, i)
		l.all = append(l.all, Key{
			Field: at, List: l.path + "." + field, Secret: ref.GetName(), Version: ref.GetVersion(), Decoding: DecodingOf(ref),
			Role: role, Requirement: required, Usual: usual,
		})
	}
}

// one adds a single key, if there is one.
func (l *lister) one(field string, ref *allowlistv1.SecretRef, role Role, usual int) {
	if ref == nil {
		return
	}
	at, required := l.path+"."+field, keyfit.Requirement{Symmetric: role == Authenticates}
	l.all = append(l.all, Key{
		Field: at, List: at, Secret: ref.GetName(), Version: ref.GetVersion(), Decoding: DecodingOf(ref),
		Role: role, Requirement: required, Usual: usual,
	})
}

// cipher adds the keys of a cipher.
func (l *lister) cipher(p *Profile) {
	c, pb := p.Cipher, p.pb.GetCipher()
	if c == nil {
		return
	}
	switch key := pb.GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		required, usual := keyfit.Requirement{Symmetric: true, Bytes: c.Suite.KeyLengths()}, c.Suite.Key
		if c.Derivation != nil {
			required, usual = keyfit.Requirement{}, 0
		}
		l.list("cipher.shared_key.keys", key.SharedKey.GetKeys(), Encrypts, required, usual)
		l.salt("cipher.shared_key", key.SharedKey.GetDerivation())
	case *allowlistv1.Cipher_SessionKey:
		required, usual := keyfit.AnyRSA(), 0
		if c.Session.Wrap == WrapAES {
			required, usual = keyfit.Requirement{Symmetric: true, Bytes: []int{16, 24, 32}}, usualKEK
		}
		l.list("cipher.session_key.keys", key.SessionKey.GetKeys(), Encrypts, required, usual)
		l.salt("cipher.session_key", key.SessionKey.GetDerivation())
	case *allowlistv1.Cipher_Ecdh:
		pair := map[bool]string{true: "EC-P256", false: "X25519"}[key.Ecdh.GetCurve() == allowlistv1.Ecdh_CURVE_P256]
		l.list("cipher.ecdh.keys", key.Ecdh.GetKeys(), Encrypts, keyfit.Requirement{Pairs: []string{pair}}, 0)
		l.salt("cipher.ecdh", key.Ecdh.GetDerivation())
	}
	l.one("cipher.iv.secret", pb.GetIv().GetSecret(), IV, c.IV.Bytes)
	l.one("cipher.mac.key", pb.GetMac().GetKey(), Authenticates, 0)
}

// salt adds the secret salt of a derivation.
func (l *lister) salt(path string, pb *allowlistv1.Derivation) {
	l.one(path+".derivation.salt.secret", pb.GetSalt().GetSecret(), Salt, 0)
}

// jwe adds the keys of a JSON Web Encryption.
func (l *lister) jwe(p *Profile) {
	if p.JWE == nil {
		return
	}
	required, usual := ofJWE(p.JWE.JWE), p.JWE.KeyBytes()
	if p.JWE.Derivation != nil && p.JWE.Shared() {
		required, usual = keyfit.Requirement{}, 0
	}
	l.list("jose.keys", p.pb.GetJose().GetKeys(), Encrypts, required, usual)
	l.salt("jose", p.pb.GetJose().GetDerivation())
}

// ofJWE returns the requirement for the keys of a JSON Web Encryption.
func ofJWE(j jose.JWE) keyfit.Requirement { return ofAlgorithm(j.Alg, j.KeyBytes()) }

// ofJWS returns the requirement for the keys of a JSON Web Signature. Shared keys may be longer
// than a new key.
func ofJWS(j jose.JWS) (required keyfit.Requirement, usual int) {
	if n := j.KeyBytes(); n > 0 {
		return keyfit.Requirement{Symmetric: true}, n
	}
	return ofAlgorithm(j.Alg, 0), 0
}

// ofAlgorithm returns the requirement for the keys of an algorithm of RFC 7518. The parameter
// shared is the length of shared keys in bytes.
func ofAlgorithm(alg string, shared int) keyfit.Requirement {
	switch {
	case shared > 0:
		return keyfit.Requirement{Symmetric: true, Bytes: []int{shared}}
	case strings.HasPrefix(alg, "ECDH"):
		return keyfit.Requirement{Pairs: []string{"EC-P256", "EC-P384", "X25519"}}
	case alg == "ES256":
		return keyfit.Requirement{Pairs: []string{"EC-P256"}}
	case alg == "ES384":
		return keyfit.Requirement{Pairs: []string{"EC-P384"}}
	case alg == "ES512":
		return keyfit.Requirement{Pairs: []string{"EC-P521"}}
	case alg == "ES256K":
		return keyfit.Requirement{Pairs: []string{secp256k1.Name}}
	case alg == "EdDSA":
		return keyfit.Requirement{Pairs: []string{"Ed25519"}}
	default:
		return keyfit.AnyRSA()
	}
}

// ofScheme returns the requirement for the keys of a signature.
func ofScheme(scheme signature.Scheme) (required keyfit.Requirement, usual int) {
	switch scheme := scheme.(type) {
	case signature.RSA:
		return keyfit.AnyRSA(), 0
	case signature.ECDSA:
		return keyfit.Requirement{Pairs: []string{curveOf(scheme.Hash)}}, 0
	case signature.Ed25519:
		return keyfit.Requirement{Pairs: []string{"Ed25519"}}, 0
	case signature.JWS:
		return ofJWS(scheme.JWS)
	case signature.EncryptedDigest:
		return keyfit.Requirement{Symmetric: true, Bytes: []int{signature.IVBytes}}, signature.IVBytes
	default:
		return keyfit.Requirement{Symmetric: true}, 0
	}
}

// sends reports whether a blob contains a part.
func sends(pb *allowlistv1.Profile, slot Slot) bool {
	for _, blob := range pb.GetEnvelope().GetBlobs() {
		for _, part := range blob.GetParts() {
			if part.GetSlot() == slot {
				return true
			}
		}
	}
	return false
}

// sendsCertificate reports whether a certificate, its name, or its fingerprint is sent.
func sendsCertificate(pb *allowlistv1.Profile) bool {
	if pb.GetCms() != nil || sends(pb, SlotCertificate) {
		return true
	}
	for _, header := range []map[string]string{
		pb.GetJose().GetHeader(), pb.GetNestedJws().GetJws().GetHeader(), pb.GetOuterJws().GetJws().GetHeader(),
		pb.GetSigning().GetJws().GetHeader(),
	} {
		for _, value := range header {
			if strings.Contains(value, CertificatePlaceholder) {
				return true
			}
		}
	}
	return false
}
