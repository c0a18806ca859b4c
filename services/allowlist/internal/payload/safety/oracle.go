package safety

import (
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// Oracle reports whether the output for chosen plaintext reveals to the caller what another
// configuration computes from the same key. Live tests are then refused. The remaining case is
// encryption under a random IV, or under a key with a random salt: each message shows the key's
// function at points that the caller can neither choose nor predict.
//
// A signature is always refused:
//
//   - HMAC is the core of PBKDF2, HKDF, and scrypt. The HMAC of a salt and a counter is the
//     first step of a key that another endpoint derives from the same KEY; 33 tests of an
//     endpoint that signs `${body}` reveal all of scrypt with 32 bytes.
//   - A digest that includes the secret may be another endpoint's derived key.
//   - A signature by a private key, deterministic or not, is valid for every receiver that trusts
//     that key, and a partner cannot tell a test from a message. Encryption does not hide a
//     signature inside it (a nested JWS, OpenPGP, CMS), because the owner names the key that it is
//     encrypted to.
//
// A signature over a ciphertext with a random IV would be harmless. But whether the signed string
// contains the random bytes depends on the template, on the envelope, and on what the body
// selects: an empty body under CTR is an empty ciphertext, and the IV may be sent in a header. One
// mistake in such a rule reveals a key, so there is no exception.
//
// The MAC of a cipher is allowed: it must cover the IV and the salt that are sent, which are
// random (package compile). So are AES Key Wrap and GCM Key Wrap, whose input is a key that is
// generated for the message, and encryption to public keys, which anyone can do.
func Oracle(p *describe.Profile) bool { return signs(p) || !randomized(p) }

// signs reports whether a message carries a signature by one of the profile's keys.
func signs(p *describe.Profile) bool {
	return p.Signing != nil || p.Nested != nil || p.Outer != nil || p.PGP != nil && p.PGP.Signs || p.CMS != nil && p.CMS.Signs
}

// randomized reports whether two encryptions of the same plaintext differ by random bytes that we
// generate. If this is unknown, it returns false.
func randomized(p *describe.Profile) bool {
	switch p.Kind {
	case describe.KindNone, describe.KindPlain, describe.KindRSA, describe.KindJWE, describe.KindPGP, describe.KindCMS, describe.KindFernet:
		return true
	case describe.KindCipher:
		return randomIV(p.Cipher)
	default:
		return false
	}
}

// randomIV reports whether the cipher has an IV that is random, derived with a random salt, or a
// piece of one. The
// caller knows or chooses all others: a static IV, zeros, the end of a field, the IV of the
// request. IN_PLAINTEXT encrypts its random block under zeros, and the beginning of the key
// reveals the key.
func randomIV(c *describe.Cipher) bool {
	switch c.Suite.Mode {
	case symmetric.ModeGCM, symmetric.ModeChaCha, symmetric.ModeCBC, symmetric.ModeCTR, symmetric.ModeCFB, symmetric.ModeOFB:
	default:
		return false
	}
	switch c.IV.Source {
	case allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_RANDOM_TEXT:
		return true
	case allowlistv1.Iv_SOURCE_DERIVED, allowlistv1.Iv_SOURCE_SALT_SUFFIX:
		return c.Derivation != nil && c.Derivation.SentSalt > 0
	default:
		return false
	}
}

// Unauthenticated reports whether an attacker without the key can send a message whose plaintext
// is related to that of another message. An observer who can tell wrong padding from a wrong
// structure can then decrypt the other message, byte by byte (Vaudenay 2002, Bleichenbacher 1998).
// Therefore, once a key was used, these messages fail at a single stage. OpenPGP wraps session
// keys with PKCS #1 v1.5, too.
func Unauthenticated(p *describe.Profile) bool {
	return p.Bare() || p.PKCS1v15() || p.PGP != nil
}
