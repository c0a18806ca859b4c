package compile

import (
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/kind"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// iv checks and compiles the source of the IV.
func (c *profile) iv(field string, s *kind.Cipher) {
	iv := c.pb.GetCipher().GetIv()
	if s.Suite.Mode == symmetric.ModeECB {
		if iv != nil {
			c.Add(field, "must be unset for ECB")
		}
		return
	}
	c.ivBytes(field+".bytes", int(iv.GetBytes()), s.Suite)
	if k := c.Cipher.Session; s.WrapsIV && k != nil && k.Wrap == describe.WrapPKCS1v15 && k.Form.WrappedLen(s.Suite.IV) < minSession {
		// See [keys.PKCS1v15.UnwrapKey].
		c.Add(field+".bytes", "must be 16 for an IV that is wrapped with PKCS #1 v1.5")
	}
	if static := s.IVSource == allowlistv1.Iv_SOURCE_STATIC; static != (iv.GetSecret() != nil) {
		c.Add(field+".secret", "must be set if, and only if, the source is STATIC")
	} else if static {
		s.StaticIV = c.source("cipher.iv.secret")
	}
	if suffix := s.IVSource == allowlistv1.Iv_SOURCE_FIELD_SUFFIX; suffix != (iv.GetFieldSuffix() != "") {
		c.Add(field+".field_suffix", "must be set if, and only if, the source is FIELD_SUFFIX")
	} else if suffix {
		c.plan.IvSuffix = c.suffix(field+".field_suffix", iv.GetFieldSuffix(), s.Suite.IV)
	}
	c.ivSource(field+".source", s)
	if s.Suite.Counter() && c.PairReused() {
		c.Add(field+".source", "must not let two values have the same key and IV: this mode then reveals both")
	}
}

// ivBytes checks the length of the IV.
func (c *profile) ivBytes(field string, bytes int, s symmetric.Suite) {
	if bytes == 0 {
		return
	}
	switch {
	case s.Mode == symmetric.ModeGCM && bytes != 12 && bytes != 16:
		c.Add(field, "must be 12 or 16 for GCM")
	case s.Mode == symmetric.ModeChaCha && bytes != 12:
		c.Add(field, "must be 12 for ChaCha20-Poly1305")
	case (s.Mode == symmetric.ModeCBC || s.Stream()) && bytes != s.BlockSize():
		c.Add(field, "must be the length of the cipher's block, 16, or 8 for Triple DES")
	}
}

// ivSource checks that the source is compatible with the mode and the key.
func (c *profile) ivSource(field string, s *kind.Cipher) {
	switch s.IVSource {
	case allowlistv1.Iv_SOURCE_KEY_PREFIX, allowlistv1.Iv_SOURCE_IN_PLAINTEXT:
		if s.Suite.Mode != symmetric.ModeCBC {
			c.Add(field, "must be a different source for a mode other than CBC")
		}
		c.plan.ShowsKey = s.IVSource == allowlistv1.Iv_SOURCE_KEY_PREFIX
	case allowlistv1.Iv_SOURCE_DERIVED:
		if c.Cipher.Derivation == nil || c.Cipher.Derivation.Function == keys.Digest {
			c.Add(field, "must be a different source without a derivation that can derive more than a key")
		}
	case allowlistv1.Iv_SOURCE_SALT_SUFFIX:
		if d := c.Cipher.Derivation; d == nil || d.SentSalt-s.Suite.IV < minSaltBytes {
			c.Add(field, "must be a different source unless a salt is sent that is at least 8 bytes longer than the IV")
		}
	case allowlistv1.Iv_SOURCE_PEER_FLIPPED:
		c.plan.AnswersOnce = true
		if c.Cipher.Key != describe.KeyExchanged {
			c.Add(field, "must be a different source without an exchange key")
		}
	}
}

// aad checks and compiles the associated data.
func (c *profile) aad(field string, s *kind.Cipher) {
	d := c.Cipher.AAD
	if !d.Given {
		return
	}
	if !s.Suite.AEAD() {
		c.Add(field, "must be unset except for GCM and ChaCha20-Poly1305")
	}
	switch c.pb.GetCipher().GetAad().GetSource().(type) {
	case *allowlistv1.AssociatedData_FieldSuffix:
		if d.Bytes < 1 || d.Bytes > maxSuffix {
			c.Add(field+".field_suffix.bytes", "must be from 1 to 64")
		}
		c.plan.AadSuffix = c.suffix(field+".field_suffix.path", d.Suffix, d.Bytes)
	case nil:
		c.Add(field, "must have a source")
	default:
		s.Aad = []byte(d.Text)
	}
	if len(s.Aad) > maxAADBytes {
		c.Add(field, "must have at most 1,024 bytes")
	}
}

// mac checks and compiles the MAC over the ciphertext.
func (c *profile) mac(path string, s *kind.Cipher) {
	d := c.Cipher.MAC
	s.Mac, s.MacKey = &symmetric.MAC{Hash: d.Hash}, c.source("cipher.mac.key")
	if c.pb.GetCipher().GetMac().GetAlgorithm() == allowlistv1.Mac_ALGORITHM_UNSPECIFIED {
		c.Add(path+".algorithm", mustBeKnown)
	}
	c.derivedMACKey(path+".derived_key_bytes", s)
	var wrong string
	if s.Mac.Input, wrong = macInput(s.Layout, d.Input, d.OwnKey, s.IVSource == allowlistv1.Iv_SOURCE_SALT_SUFFIX); wrong != "" {
		c.Add(path+".input", wrong)
	}
}

// minMACKey and maxMACKey limit the key of a MAC that is derived.
const (
	minMACKey = 16
	maxMACKey = 64
)

// derivedMACKey checks and compiles a key of the MAC that is derived after the cipher's.
func (c *profile) derivedMACKey(field string, s *kind.Cipher) {
	d := c.Cipher.MAC
	if d.DerivedBytes == 0 {
		return
	}
	s.MacBytes = d.DerivedBytes
	from := c.Cipher.Derivation
	switch {
	case d.DerivedBytes < minMACKey || d.DerivedBytes > maxMACKey:
		c.Add(field, "must be from 16 to 64")
	case d.OwnKey:
		c.Add(field, "must be unset for a MAC with its own key")
	case from == nil || from.Function != keys.HKDF && from.Function != keys.PBKDF2 && from.Function != keys.Counter:
		c.Add(field, "must be unset without a derivation by HKDF, PBKDF2, or a counter")
	case s.IVSource == allowlistv1.Iv_SOURCE_DERIVED:
		c.Add(field, "must be unset with an IV that is derived")
	}
}

// macInput splits the input of the MAC into literals and blobs. The parameter saltIV says that the end
// of the salt is the IV. The parameter apart says that the MAC has a separate key. It must then also cover everything that the cipher's key is derived
// from. Otherwise, anyone could have the same ciphertext decrypted with a different key.
func macInput(b *envelope.Blobs, text string, apart, saltIV bool) (inputs []symmetric.MACInput, wrong string) {
	if text == "" || len(text) > maxMACInput {
		return nil, "must have 1-256 bytes"
	}
	held := make(map[describe.Slot]bool)
	for {
		literal, rest, found := strings.Cut(text, "${")
		if literal != "" {
			inputs = append(inputs, symmetric.MACInput{Literal: literal, Blob: symmetric.NoBlob})
		}
		if !found {
			break
		}
		name, rest, _ := strings.Cut(rest, "}")
		name, raw := strings.CutSuffix(name, "|raw")
		at := slices.IndexFunc(b.List, func(b envelope.Blob) bool { return b.Name == name })
		if at < 0 {
			return nil, "must hold blobs as ${name} or ${name|raw}"
		}
		for _, piece := range b.List[at].Pieces {
			held[piece.Slot] = true
		}
		inputs = append(inputs, symmetric.MACInput{Blob: at, Raw: raw})
		text = rest
	}
	switch {
	case held[describe.SlotMAC]:
		return nil, "must not hold the MAC itself"
	case !held[describe.SlotCiphertext]:
		return nil, "must hold the blob of the ciphertext"
	}
	for _, slot := range []describe.Slot{describe.SlotIV, describe.SlotWrappedIV} {
		if b.Has[slot] && !held[slot] {
			return nil, "must hold the blob of the IV, which is sent"
		}
	}
	if saltIV && !held[describe.SlotSalt] {
		return nil, "must hold the blob of the salt, whose end is the IV"
	}
	for _, slot := range []describe.Slot{describe.SlotWrapped, describe.SlotEphemeral, describe.SlotSalt} {
		if apart && b.Has[slot] && !held[slot] {
			return nil, "must hold all blobs that the cipher's key is derived from, because the MAC has a separate key"
		}
	}
	return inputs, ""
}
