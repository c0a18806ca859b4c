// Package describe says what a configuration means: which keys there are and what each has
// to be, how the cipher's key is derived, which cipher works with which IV, what is
// authenticated and signed, and where the parts of a message stand.
//
// It is the one reading of the configuration's proto. The compiler, the purposes of keys, the
// dry run, the variants of a diagnosis and the snippets read a [Profile] and not the proto.
// Defaults are filled in, so that readers never look at an unset field.
//
// # What it promises
//
// A description is read-only and shares nothing with its readers but the references of the
// proto. It is total: a configuration that is not valid has a description, too, and what is
// missing or unknown is the zero value. Whether a configuration is allowed is not said here.
//
// A new cipher needs nothing here: its sizes come from package symmetric.
package describe

import (
	"crypto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// A Kind is what a profile does to the values that it selects.
type Kind int

// The kinds.
const (
	KindNone    Kind = iota // nothing, but perhaps a nested signature
	KindPlain               // nothing, on purpose
	KindCipher              // a symmetric cipher
	KindRSA                 // RSA over the values themselves
	KindJWE                 // JSON Web Encryption
	KindPGP                 // OpenPGP
	KindUnknown             // of a later version of the contract
)

// A Profile describes one direction.
type Profile struct {
	// Path is where the profile stands, such as `request`.
	Path string
	Kind Kind
	// Keys are all references, in the order of the contract.
	Keys []Key

	// Of these the one of the Kind is set.
	Cipher *Cipher
	RSA    *RSA
	JWE    *JWE
	PGP    *PGP
	// Nested is the signature inside of what is encrypted; nil: there is none.
	Nested *jose.JWS
	// Signing is the signature of the message; nil: there is none.
	Signing *Signing

	Envelope Envelope
	// Certificate says that the fingerprint of a key's certificate is sent.
	Certificate bool

	pb *allowlistv1.Profile
}

// Of describes a profile that stands at a path, such as `request`. A nil profile describes
// messages that stay as they are.
func Of(path string, pb *allowlistv1.Profile) *Profile {
	p := &Profile{Path: path, pb: pb, Certificate: sendsCertificate(pb)}
	switch kind := pb.GetKind().(type) {
	case nil:
	case *allowlistv1.Profile_Plain:
		p.Kind = KindPlain
	case *allowlistv1.Profile_Cipher:
		p.Kind = KindCipher
		p.Cipher = cipherOf(path+".cipher", kind.Cipher)
	case *allowlistv1.Profile_RsaDirect:
		p.Kind = KindRSA
		p.RSA = &RSA{OAEP: OAEPOf(kind.RsaDirect.GetOaep()), PKCS1v15: kind.RsaDirect.GetPkcs1V15() != nil}
	case *allowlistv1.Profile_Jose:
		p.Kind = KindJWE
		p.JWE = jweOf(path+".jose", kind.Jose)
	case *allowlistv1.Profile_Pgp:
		p.Kind = KindPGP
		p.PGP = &PGP{Binary: kind.Pgp.GetBinary(), Signs: len(kind.Pgp.GetSigningKeys()) > 0}
	default:
		p.Kind = KindUnknown
	}
	if nested := pb.GetNestedJws(); nested != nil {
		jws := JWSOf(nested.GetJws())
		p.Nested = &jws
	}
	if pb.GetSigning() != nil {
		p.Signing = signingOf(pb.GetSigning())
	}
	p.Keys = p.keys()
	p.Envelope = p.envelope()
	return p
}

// Directions describes both directions of a configuration. A response that is not configured
// is protected as requests are, without the signing: it is described at the path `request`.
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

// List returns the keys of a list of the profile, such as `signing.keys`, or the one that stands
// alone at a field.
func (p *Profile) List(field string) []Key {
	var list []Key
	for _, key := range p.Keys {
		if key.List == p.Path+"."+field {
			list = append(list, key)
		}
	}
	return list
}

// Derivation returns how the key of the cipher or of the JWE is derived; nil: it is not.
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

// RSA is RSA over the values themselves.
type RSA struct {
	// OAEP is nil for PKCS #1 v1.5, and where the padding is missing.
	OAEP     *keys.OAEP
	PKCS1v15 bool
}

// A JWE is a JSON Web Encryption.
type JWE struct {
	jose.JWE
	// Derivation is that of a key that both sides share; nil: the secret is the key.
	Derivation *Derivation
}

// Shared reports whether both sides share the key.
func (j *JWE) Shared() bool { return SharedJose(j.Alg) }

// PGP is an OpenPGP message.
type PGP struct{ Binary, Signs bool }

// A Signing is the signature of a message.
type Signing struct {
	// Scheme is nil if there is none, or if it is unknown.
	Scheme signature.Scheme
	// Algorithm is the name that the contract has for the scheme's algorithm or hash, such as
	// `HMAC_SHA256`; empty for a JWS.
	Algorithm string
	// SecretDigest says that the scheme is a digest with the secret in it.
	SecretDigest bool
	// Hash is that of the scheme; 0 for Ed25519 and a JWS.
	Hash crypto.Hash
	// JWS is set if the scheme is a detached JSON Web Signature.
	JWS *jose.JWS
	// Shared says that the keys are bytes that both sides share.
	Shared bool
	// Input is the template of what is signed, and Headers are the templates of the headers.
	Input    string
	Headers  map[string]string
	Encoding template.Encoding
	// List is set where each key makes a signature.
	List *signature.List
}
