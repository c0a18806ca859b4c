package payload

import (
	"errors"
	"math"

	"github.com/keyward/keyward/pkg/budget"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// Nonces takes values from the nonce budget of a key. It is called before the values are
// encrypted, with the key's use, with how many random bits tell two of its values apart
// ([RandomBits]), and with how many values there are. An error refuses the message.
type Nonces func(key Use, bits, values int) error

// Uncounted is for keys that have no budget because they are made for one message, such as
// throw-away keys.
func Uncounted(Use, int, int) error { return nil }

// errNonces is a mistake of the caller's program. Without a budget nothing is encrypted.
var errNonces = errors.New("payload: there is no budget of nonces to take from")

// count takes values from the budget of the key that encrypts. A nil source has none.
func (m *message) count(s *source, bits, values int) error {
	if s == nil || values == 0 {
		return nil
	}
	if m.Nonces == nil {
		return errNonces
	}
	return m.Nonces(Use{Reference: m.ring.at(s), Version: m.ring.versions(s)[0].Version}, bits, values)
}

// counted returns the first of the sources if values under it have a budget, or nil.
func counted(sources []*source, bits int) *source {
	if !budget.Limited(bits) || len(sources) == 0 {
		return nil
	}
	return sources[0]
}

// maxRandomBits is where random bits are no longer told apart: no budget is left by then.
const maxRandomBits = 256

// RandomBits returns how many random bits tell two values apart that a profile encrypts
// under a KEY, up to 256: those of the IV and those of the salt or the session key that
// makes another key for each message or value. It is 0 where no KEY encrypts anything
// under an IV or a key that is random. Public keys and exchange keys count as none: each
// message has an agreed, wrapped or exchanged key of its own. This is the one place that
// decides it.
func RandomBits(profile *allowlistv1.Profile) int {
	c := choices{profile}
	switch profile.GetKind().(type) {
	case *allowlistv1.Profile_Cipher:
		return min(c.cipherBits(), maxRandomBits)
	case *allowlistv1.Profile_Jose:
		return min(joseBits(profile.GetJose()), maxRandomBits)
	default: // RSA and OpenPGP encrypt for public keys
		return 0
	}
}

// cipherBits returns the random bits of a cipher.
func (c choices) cipherBits() int {
	cipher, suite := c.GetCipher(), symmetric.SuiteOf(c.GetCipher())
	fresh := 8 * int(c.derivation().GetSalt().GetSentBytes())
	switch key := cipher.GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
	case *allowlistv1.Cipher_SessionKey:
		if key.SessionKey.GetAesKw() == nil {
			return 0
		}
		fresh += sessionBits(key.SessionKey, suite.Key)
	default:
		return 0
	}
	if suite.Mode == symmetric.ModeNone || suite.Mode == symmetric.ModeECB {
		return 0
	}
	made := 8 * suite.Key // a key has no more bits than its bytes
	if cipher.GetIv().GetSource() == allowlistv1.Iv_SOURCE_DERIVED {
		made += 8 * suite.IV
	}
	return min(fresh, made) + ivBits(cipher.GetIv().GetSource(), suite.IV)
}

// sessionBits returns the random bits of a session key for a cipher whose key has n bytes.
func sessionBits(key *allowlistv1.SessionKey, n int) int {
	if bytes := int(key.GetBytes()); bytes != 0 {
		n = bytes
	}
	if key.GetForm() == allowlistv1.SessionKey_FORM_ALPHANUMERIC {
		return textBits(n)
	}
	return 8 * n
}

// ivBits returns the random bits of an IV of n bytes that are its own.
func ivBits(from allowlistv1.Iv_Source, n int) int {
	switch from {
	case allowlistv1.Iv_SOURCE_UNSPECIFIED, allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_IN_PLAINTEXT:
		return 8 * n
	case allowlistv1.Iv_SOURCE_RANDOM_TEXT:
		return textBits(n)
	default:
		return 0
	}
}

// textBits returns the whole random bits of n random characters.
func textBits(n int) int { return int(float64(n) * math.Log2(float64(len(alphanumeric)))) }

// joseBits returns the random bits of a JSON Web Encryption under a shared key. Where GCM
// wraps the content key, the IV of the wrap is all that is random under the shared key.
func joseBits(pb *allowlistv1.Jose) int {
	iv, key := 8*16, 8*32
	switch pb.GetContentEncryption() {
	case allowlistv1.Jose_CONTENT_ENCRYPTION_A128GCM:
		iv, key = gcmIVBits(pb), 8*16
	case allowlistv1.Jose_CONTENT_ENCRYPTION_A192GCM:
		iv, key = gcmIVBits(pb), 8*24
	case allowlistv1.Jose_CONTENT_ENCRYPTION_A256GCM:
		iv = gcmIVBits(pb)
	}
	switch pb.GetKeyManagement() {
	case allowlistv1.Jose_KEY_MANAGEMENT_DIR:
		return iv
	case allowlistv1.Jose_KEY_MANAGEMENT_A128GCMKW, allowlistv1.Jose_KEY_MANAGEMENT_A256GCMKW:
		return 8 * 12
	case allowlistv1.Jose_KEY_MANAGEMENT_A128KW, allowlistv1.Jose_KEY_MANAGEMENT_A256KW:
		return key + iv
	default:
		return 0
	}
}

// gcmIVBits returns the random bits of GCM's IV in a JSON Web Encryption.
func gcmIVBits(pb *allowlistv1.Jose) int {
	if bytes := int(pb.GetCompatibility().GetGcmIvBytes()); bytes != 0 {
		return 8 * bytes
	}
	return 8 * 12
}
