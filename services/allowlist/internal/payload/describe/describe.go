// Package describe determines what a configuration means: its keys and their requirements, how the
// cipher's key is derived, which cipher works with which IV, what is authenticated and signed, and
// where the parts of a message are placed.
//
// Only this package interprets the configuration's proto. The compiler, the purposes of keys, the
// dry run, the variants of a diagnosis, and the snippets read a [Profile] instead of the proto.
// Defaults are filled in, so that readers never see an unset field.
//
// # Promises
//
// A description is read-only and shares nothing with its readers except for the references of the
// proto. It is total: an invalid configuration has a description, too, and missing or unknown
// settings are zero values. The description does not say whether a configuration is allowed.
//
// A new cipher needs no change here: its sizes come from package symmetric.
package describe

import (
	"crypto"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// A Kind is the encryption of the selected values.
type Kind int

// The kinds.
const (
	KindNone    Kind = iota // none, but perhaps a nested signature
	KindPlain               // intentionally none
	KindCipher              // a symmetric cipher
	KindRSA                 // RSA over the values themselves
	KindJWE                 // JSON Web Encryption
	KindPGP                 // OpenPGP
	KindCMS                 // Cryptographic Message Syntax
	KindFernet              // Fernet tokens
	KindUnknown             // from a later version of the contract
)

// A Profile describes one direction.
type Profile struct {
	// Path is the path of the profile, such as `request`.
	Path string
	Kind Kind
	// Keys contains all references, in the order of the contract.
	Keys []Key

	// Only the field of the Kind is set.
	Cipher *Cipher
	RSA    *RSA
	JWE    *JWE
	PGP    *PGP
	CMS    *CMS
	Fernet *Fernet
	// Nested is the signature inside the ciphertext, and Outer is the one around a JWE. Both may be
	// nil.
	Nested, Outer *jose.JWS
	// Signing is the signature of the message, or nil.
	Signing *Signing

	Envelope Envelope
	// Inner is the encoding of the plaintext before it is encrypted. Raw leaves it unchanged.
	Inner template.Encoding
	// Certificate says that a key's certificate, its name, or its fingerprint is sent.
	Certificate bool

	pb *allowlistv1.Profile
}

// Of describes the profile at a path, such as `request`. A nil profile describes messages that
// stay unchanged.
func Of(path string, pb *allowlistv1.Profile) *Profile {
	p := &Profile{Path: path, pb: pb, Certificate: sendsCertificate(pb)}
	switch kind := pb.GetKind().(type) {
	case nil:
	case *allowlistv1.Profile_Plain:
		p.Kind = KindPlain
	case *allowlistv1.Profile_Cipher:
		p.Kind = KindCipher
		p.Cipher = cipherOf(path+".cipher", kind.Cipher)
		p.Cipher.IV.Wrapped = sends(pb, SlotWrappedIV)
	case *allowlistv1.Profile_RsaDirect:
		p.Kind = KindRSA
		p.RSA = &RSA{OAEP: OAEPOf(kind.RsaDirect.GetOaep()), PKCS1v15: kind.RsaDirect.GetPkcs1V15() != nil}
	case *allowlistv1.Profile_Jose:
		p.Kind = KindJWE
		p.JWE = jweOf(path+".jose", kind.Jose)
	case *allowlistv1.Profile_Pgp:
		p.Kind = KindPGP
		p.PGP = &PGP{Binary: kind.Pgp.GetBinary(), Signs: len(kind.Pgp.GetSigningKeys()) > 0}
	case *allowlistv1.Profile_Cms:
		p.Kind = KindCMS
		p.CMS = cmsOf(kind.Cms)
	case *allowlistv1.Profile_Fernet:
		p.Kind = KindFernet
		p.Fernet = &Fernet{MaxAge: kind.Fernet.GetMaxAge().AsDuration()}
	default:
		p.Kind = KindUnknown
	}
	if nested := pb.GetNestedJws(); nested != nil {
		jws := JWSOf(nested.GetJws())
		jws.Serialization = serializationOf(nested.GetSerialization())
		p.Nested = &jws
	}
	if outer := pb.GetOuterJws(); outer != nil {
		jws := JWSOf(outer.GetJws())
		p.Outer = &jws
	}
	if pb.GetSigning() != nil {
		p.Signing = signingOf(pb.GetSigning())
	}
	p.Keys = p.keys()
	p.Envelope = p.envelope()
	p.Inner = EncodingOf(pb.GetPlaintextEncoding(), template.Raw)
	return p
}

// Directions describes both directions of a configuration. A response that is not configured is
// protected like a request, but not signed; its description has the path `request`.
func Directions(pb *allowlistv1.Encryption) (request, response *Profile) {
	request = Of("request", pb.GetRequest())
	if pb.GetResponse() != nil {
		return request, Of("response", pb.GetResponse())
	}
	return request, Of("request", Mirrored(pb.GetRequest()))
}

// Key returns the key at a field of the profile, such as `cipher.mac.key`.
func (p *Profile) Key(field string) (Key, bool) {
	for _, key := range p.Keys {
		if key.Field == p.Path+"."+field {
			return key, true
		}
	}
	return Key{}, false
}

// List returns the keys of a list of the profile, such as `signing.keys`, or the single key at a
// field.
func (p *Profile) List(field string) []Key {
	var list []Key
	for _, key := range p.Keys {
		if key.List == p.Path+"."+field {
			list = append(list, key)
		}
	}
	return list
}

// Derivation returns the derivation of the key of the cipher or of the JWE, or nil.
func (p *Profile) Derivation() *Derivation {
	switch {
	case p.Cipher != nil:
		return p.Cipher.Derivation
	case p.JWE != nil:
		return p.JWE.Derivation
	default:
		return nil
	}
}

// RSA encrypts the values themselves with RSA.
type RSA struct {
	// OAEP is nil for PKCS #1 v1.5, and if the padding is missing.
	OAEP     *keys.OAEP
	PKCS1v15 bool
}

// A JWE is a JSON Web Encryption.
type JWE struct {
	jose.JWE
	// General says that the general JSON serialization is decrypted, too.
	General bool
	// Derivation is the derivation of a shared key. It is nil if the secret is the key.
	Derivation *Derivation
}

// Shared reports whether both sides share the key.
func (j *JWE) Shared() bool { return SharedJose(j.Alg) }

// PGP is an OpenPGP message.
type PGP struct{ Binary, Signs bool }

// Fernet is the token format of that name. MaxAge is the greatest age of a token, or 0.
type Fernet struct{ MaxAge time.Duration }

// A Signing is the signature of a message. Its Scheme is nil if the scheme is missing or unknown.
type Signing struct {
	// Algorithm is the contract's name of the scheme's algorithm or hash, such as `HMAC_SHA256`. It
	// is empty for a JWS.
	Algorithm string
	// SecretDigest says that the scheme is a digest that includes the secret.
	SecretDigest bool
	// Hash is the hash of the scheme, or 0 for Ed25519 and a JWS.
	Hash crypto.Hash
	// JWS is set if the scheme is a detached JSON Web Signature.
	JWS *jose.JWS
	// Shared says that the keys are bytes that both sides share.
	Shared bool
	// Config is the configuration of package signature, without the tolerance.
	signature.Config
	// Strings are the compiled strings, as far as they are valid.
	Strings *signature.Strings
	// BeforeEncryption says that the plaintext is signed, and carries what the signature adds.
	BeforeEncryption bool
	// Computed says that an expression computes the signature with the secret.
	Computed bool
}

// EncryptedDigest reports whether the signature is an encrypted digest.
func (s *Signing) EncryptedDigest() bool {
	_, ok := s.Scheme.(signature.EncryptedDigest)
	return ok
}
