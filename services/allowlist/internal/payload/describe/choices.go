package describe

import (
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// A Scope is how often something is generated.
type Scope int

// The scopes.
const (
	Always     Scope = iota // the same for all messages
	PerMessage              // one for all values of a message
	PerValue                // different for each value
)

// Idle reports whether messages are left unchanged: they are plain and not signed, or they are the
// responses to such requests and have no profile.
func (p *Profile) Idle() bool {
	return p.pb == nil || p.Kind == KindPlain && p.Signing == nil
}

// Single reports whether a message has at most one selected value.
func (p *Profile) Single() bool {
	switch part := p.pb.GetSelection().GetPart().(type) {
	case *allowlistv1.Selection_Fields:
		paths := part.Fields.GetPaths()
		return len(paths) == 1 && !strings.Contains(paths[0], "[*]")
	case *allowlistv1.Selection_Form:
		return false // a name may occur in a form several times
	default:
		return true
	}
}

// PartScope returns how often a part is generated: a part in a header belongs to the whole
// message, and a part in the string of a value belongs to the value.
func (p *Profile) PartScope(slot Slot) Scope {
	if p.Single() {
		return PerValue
	}
	for name, blob := range p.pb.GetEnvelope().GetBlobs() {
		for _, part := range blob.GetParts() {
			if part.GetSlot() == slot && p.Envelope.InHeader(name) {
				return PerMessage
			}
		}
	}
	return PerValue
}

// GeneratedKey returns how often the cipher's key is generated.
func (p *Profile) GeneratedKey() Scope {
	switch {
	case p.Cipher != nil && p.Cipher.Key == KeySession:
		return p.PartScope(SlotWrapped)
	case p.Cipher != nil && p.Cipher.Key == KeyAgreed:
		return p.PartScope(SlotEphemeral)
	default:
		return Always
	}
}

// FreshKey returns how often the cipher's key changes, by itself or because of its salt.
func (p *Profile) FreshKey() Scope {
	fresh := p.GeneratedKey()
	if d := p.Derivation(); d != nil && d.SentSalt > 0 {
		fresh = max(fresh, p.PartScope(SlotSalt))
	}
	return fresh
}

// GeneratedIV returns how often a random IV is generated.
func (p *Profile) GeneratedIV() Scope {
	if p.Cipher != nil && p.Cipher.IV.Wrapped {
		return p.PartScope(SlotWrappedIV)
	}
	return p.PartScope(SlotIV)
}

// ivSource returns the source of the cipher's IV.
func (p *Profile) ivSource() allowlistv1.Iv_Source {
	if p.Cipher == nil {
		return allowlistv1.Iv_SOURCE_RANDOM
	}
	return p.Cipher.IV.Source
}

// freshIV returns how often the cipher's IV changes because of the source of the IV itself.
func (p *Profile) freshIV() Scope {
	switch p.ivSource() {
	case allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_RANDOM_TEXT:
		return p.GeneratedIV()
	case allowlistv1.Iv_SOURCE_DERIVED, allowlistv1.Iv_SOURCE_SALT_SUFFIX:
		return p.FreshKey()
	case allowlistv1.Iv_SOURCE_PEER_FLIPPED:
		if p.Single() {
			return PerValue
		}
		return PerMessage
	case allowlistv1.Iv_SOURCE_IN_PLAINTEXT:
		return PerValue
	default:
		return Always
	}
}

// PairReused reports whether two values may be encrypted under the same key and IV. This breaks a
// counter mode completely; CBC reveals equal beginnings.
//
// A salt makes an IV fresh that is derived with it, but not an IV from elsewhere, because the salt
// may have only 8 bytes.
func (p *Profile) PairReused() bool {
	key := p.GeneratedKey()
	switch p.ivSource() {
	case allowlistv1.Iv_SOURCE_STATIC, allowlistv1.Iv_SOURCE_ZERO, allowlistv1.Iv_SOURCE_FIELD_SUFFIX:
	default:
		key = p.FreshKey()
	}
	return key != PerValue && p.freshIV() != PerValue
}

// Authenticated reports whether a wrong key or a changed ciphertext is detected with the cipher's
// own key.
func (p *Profile) Authenticated() bool {
	c := p.Cipher
	return c != nil && (c.Suite.AEAD() || c.MAC != nil && !c.MAC.OwnKey)
}

// Encrypts reports whether the selected values are encrypted.
func (p *Profile) Encrypts() bool {
	return p.Kind != KindNone && p.Kind != KindPlain && p.Kind != KindUnknown && (p.CMS == nil || len(p.List("cms.keys")) > 0)
}

// SignedByPartner reports whether a received message has a signature over its values that is verified
// with a public key. Only the owner of the private key can make such a message, although senders can have
// messages encrypted with all other keys.
func (p *Profile) SignedByPartner() bool {
	if p.Nested != nil && p.Nested.KeyBytes() == 0 {
		return true
	}
	s := p.Signing
	return s != nil && s.Scheme != nil && !s.Shared && s.Strings != nil && s.Strings.CoversBody()
}

// Suite returns the cipher of the content. It is the zero suite without a cipher, and for formats
// that choose one themselves (JWE, OpenPGP).
func (p *Profile) Suite() symmetric.Suite {
	switch {
	case p.Cipher != nil:
		return p.Cipher.Suite
	case p.CMS != nil:
		return p.CMS.Suite
	default:
		return symmetric.Suite{}
	}
}

// Bare reports whether the cipher encrypts and does not authenticate. A MAC does not cover an IV
// that is the end of another value. A signature inside CMS does not hide whether the padding is
// right.
func (p *Profile) Bare() bool {
	if p.CMS != nil {
		return p.CMS.Suite.Blocks()
	}
	c := p.Cipher
	return c != nil && !c.Suite.AEAD() && (c.MAC == nil || c.IV.Source == allowlistv1.Iv_SOURCE_FIELD_SUFFIX)
}

// PKCS1v15 reports whether anything is encrypted with RSA and PKCS #1 v1.5 padding.
func (p *Profile) PKCS1v15() bool {
	switch {
	case p.Cipher != nil:
		return p.Cipher.Key == KeySession && p.Cipher.Session.Wrap == WrapPKCS1v15
	case p.RSA != nil:
		return p.RSA.PKCS1v15
	case p.CMS != nil:
		return p.CMS.PKCS1v15
	default:
		return p.JWE != nil && p.JWE.Alg == "RSA1_5"
	}
}

// Parsed reports whether a plaintext must be JSON. The parameter json says whether bodies are
// JSON.
func (p *Profile) Parsed(json bool) bool {
	switch p.pb.GetSelection().GetPart().(type) {
	case *allowlistv1.Selection_Fields:
		return p.Selection().ValueForm == allowlistv1.Fields_VALUE_FORM_JSON
	case *allowlistv1.Selection_Object:
		return true
	case *allowlistv1.Selection_Form:
		return false
	default:
		return json
	}
}

// Signed reports whether a signature covers the encrypted values.
func (p *Profile) Signed() bool {
	if p.Nested != nil || p.Outer != nil || p.Signing == nil {
		return p.Nested != nil || p.Outer != nil
	}
	input := p.Signing.Input
	return input == "" || strings.Contains(input, "${body") || strings.Contains(input, "${plaintext")
}
