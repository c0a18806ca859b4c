package safety

import (
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// maxRandomBits is the largest number of random bits that is reported. Larger numbers make no
// difference, because no budget applies by then.
const maxRandomBits = 256

// RandomBits returns the number of random bits that distinguish two values that a profile encrypts
// under a KEY, up to 256: those of the IV, and those of the salt or the session key that results
// in a different key for each message or value. It is 0 if no KEY encrypts anything under a random
// IV or a random key. Public keys and exchange keys do not count: each message has a separate key
// that is agreed on, wrapped, or taken from the exchange. Only this function decides the number.
func RandomBits(p *describe.Profile) int {
	switch p.Kind {
	case describe.KindCipher:
		return min(cipherBits(p.Cipher), maxRandomBits)
	case describe.KindJWE:
		return min(jweBits(p.JWE), maxRandomBits)
	case describe.KindFernet:
		return 8 * symmetric.FernetIV
	default: // RSA, OpenPGP, and CMS encrypt for public keys
		return 0
	}
}

// cipherBits returns the random bits of a cipher.
func cipherBits(c *describe.Cipher) int {
	fresh := 0
	if c.Derivation != nil {
		fresh = 8 * max(0, c.Derivation.SentSalt-c.Derivation.SaltIV)
	}
	switch c.Key {
	case describe.KeyShared:
	case describe.KeySession:
		if c.Session.Wrap != describe.WrapAES {
			return 0
		}
		fresh += sessionBits(c.Session)
	default:
		return 0
	}
	if c.Suite.Mode == symmetric.ModeNone || c.Suite.Mode == symmetric.ModeECB {
		return 0
	}
	made := 8 * c.Suite.Key // a key has no more bits than its bytes
	if c.IV.Source == allowlistv1.Iv_SOURCE_DERIVED {
		made += 8 * c.Suite.IV
	}
	return min(fresh, made) + ivBits(c.IV) + saltIVBits(c.Derivation)
}

// sessionBits returns the random bits of a session key.
func sessionBits(s *describe.Session) int {
	if s.Form == describe.FormAlphanumeric {
		return symmetric.TextBits(s.Bytes)
	}
	return 8 * s.Bytes
}

// ivBits returns the random bits of the IV itself.
func ivBits(iv describe.IVRule) int {
	switch {
	case !iv.Generated():
		return 0
	case iv.Source == allowlistv1.Iv_SOURCE_RANDOM_TEXT:
		return symmetric.TextBits(iv.Bytes)
	default:
		return 8 * iv.Bytes
	}
}

// saltIVBits returns the random bits of an IV that is the end of a salt.
func saltIVBits(d *describe.Derivation) int {
	if d == nil {
		return 0
	}
	return 8 * min(d.SaltIV, d.SentSalt)
}

// jweBits returns the random bits of a JSON Web Encryption under a shared key. If GCM wraps the
// content key, only the IV of the wrap is random under the shared key.
func jweBits(j *describe.JWE) int {
	iv, key := 8*16, 8*32
	switch j.Enc {
	case "A128GCM":
		iv, key = gcmIVBits(j), 8*16
	case "A192GCM":
		iv, key = gcmIVBits(j), 8*24
	case "A256GCM":
		iv = gcmIVBits(j)
	}
	switch j.Alg {
	case "dir":
		return iv
	case "A128GCMKW", "A256GCMKW":
		return 8 * 12
	case "A128KW", "A256KW":
		return key + iv
	default:
		return 0
	}
}

// gcmIVBits returns the random bits of GCM's IV in a JSON Web Encryption.
func gcmIVBits(j *describe.JWE) int {
	if j.GCMIVBytes != 0 {
		return 8 * j.GCMIVBytes
	}
	return 8 * 12
}
