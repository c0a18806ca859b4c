package payload

import (
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// A scope is how often something is made anew.
type scope int

const (
	always     scope = iota // the same for all messages
	perMessage              // one for all values of a message
	perValue                // another for each value
)

// choices answers what a profile chooses, from its proto alone. What is safe follows
// from a few such answers, so that the rules for it are in one place.
type choices struct{ *allowlistv1.Profile }

// plain reports whether the direction is not encrypted on purpose.
func (c choices) plain() bool {
	_, plain := c.GetKind().(*allowlistv1.Profile_Plain)
	return plain
}

// idle reports whether nothing is done to messages: they are plain and not signed, or are
// those of a response that follows such a request.
func (c choices) idle() bool {
	return c.Profile == nil || c.plain() && c.GetSigning() == nil
}

// single reports whether a message has one selected value at most.
func (c choices) single() bool {
	switch part := c.GetSelection().GetPart().(type) {
	case *allowlistv1.Selection_Fields:
		paths := part.Fields.GetPaths()
		return len(paths) == 1 && !strings.Contains(paths[0], "[*]")
	case *allowlistv1.Selection_Form:
		return false // a name may stand in a form many times
	default:
		return true
	}
}

// partScope returns how often a part is made anew: what stands in a header is of the
// whole message, and what stands in a value's text is of the value.
func (c choices) partScope(slot allowlistv1.Part_Slot) scope {
	if c.single() {
		return perValue
	}
	for name, blob := range c.GetEnvelope().GetBlobs() {
		for _, part := range blob.GetParts() {
			if part.GetSlot() == slot && c.inHeader(name) {
				return perMessage
			}
		}
	}
	return perValue
}

// inHeader reports whether a blob stands in a header.
func (c choices) inHeader(blob string) bool {
	for _, template := range c.GetEnvelope().GetHeaders() {
		if strings.Contains(template, "${"+blob+"}") {
			return true
		}
	}
	return false
}

// derivation returns how the cipher's key is derived, or nil.
func (c choices) derivation() *allowlistv1.Derivation {
	switch key := c.GetCipher().GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		return key.SharedKey.GetDerivation()
	case *allowlistv1.Cipher_SessionKey:
		return key.SessionKey.GetDerivation()
	case *allowlistv1.Cipher_Ecdh:
		return key.Ecdh.GetDerivation()
	default:
		return c.GetJose().GetDerivation()
	}
}

// drawnKey returns how often the cipher has a key that was drawn.
func (c choices) drawnKey() scope {
	switch c.GetCipher().GetKey().(type) {
	case *allowlistv1.Cipher_SessionKey:
		return c.partScope(allowlistv1.Part_SLOT_WRAPPED_KEY)
	case *allowlistv1.Cipher_Ecdh:
		return c.partScope(allowlistv1.Part_SLOT_EPHEMERAL_KEY)
	default:
		return always
	}
}

// freshKey returns how often the cipher has another key, drawn or by its salt.
func (c choices) freshKey() scope {
	fresh := c.drawnKey()
	if c.derivation().GetSalt().GetSentBytes() > 0 {
		fresh = max(fresh, c.partScope(allowlistv1.Part_SLOT_SALT))
	}
	return fresh
}

// freshIV returns how often the cipher has another IV by the IV's own source.
func (c choices) freshIV() scope {
	switch c.GetCipher().GetIv().GetSource() {
	case allowlistv1.Iv_SOURCE_UNSPECIFIED, allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_RANDOM_TEXT:
		return c.partScope(allowlistv1.Part_SLOT_IV)
	case allowlistv1.Iv_SOURCE_DERIVED:
		return c.freshKey()
	case allowlistv1.Iv_SOURCE_PEER_FLIPPED:
		if c.single() {
			return perValue
		}
		return perMessage
	case allowlistv1.Iv_SOURCE_IN_PLAINTEXT:
		return perValue
	default:
		return always
	}
}

// pairReused reports whether two values may be encrypted under the same key and IV.
// For a counter mode that is the end of it; CBC shows equal beginnings.
//
// A salt makes an IV that is derived with it fresh, but not one from elsewhere: it may
// have 8 bytes only.
func (c choices) pairReused() bool {
	key := c.drawnKey()
	switch c.GetCipher().GetIv().GetSource() {
	case allowlistv1.Iv_SOURCE_STATIC, allowlistv1.Iv_SOURCE_ZERO, allowlistv1.Iv_SOURCE_FIELD_SUFFIX:
	default:
		key = c.freshKey()
	}
	return key != perValue && c.freshIV() != perValue
}

// authenticated reports whether a wrong key or a changed ciphertext is told from a
// right one under the cipher's own key.
func (c choices) authenticated() bool {
	mode := symmetric.SuiteOf(c.GetCipher()).Mode
	return mode == symmetric.ModeGCM || mode == symmetric.ModeChaCha || c.GetCipher().GetMac() != nil && c.GetCipher().GetMac().GetKey() == nil
}
