package signature

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/keyward/keyward/pkg/secp256k1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// JWS is a JSON Web Signature with the signed string as its payload: detached (RFC 7515 appendix F),
// or compact if the payload are claims. Its keys are those of the other schemes, depending on the
// algorithm.
type JWS struct{ jose.JWS }

func (s JWS) sign(random io.Reader, key any, in *signed) ([]byte, error) {
	if in.bound == nil {
		text, err := s.Sign(in.time, random, key, in.payload)
		if errors.Is(err, jose.ErrKey) {
			return nil, ErrKey
		}
		return text, err
	}
	text, err := s.SignDetached(in.time, random, key, in.bytes())
	switch {
	case errors.Is(err, jose.ErrKey):
		return nil, ErrKey
	case err != nil:
		return nil, fmt.Errorf("sign a JWS: %w", err)
	}
	return text, nil
}

func (s JWS) verifies(key any) bool {
	switch {
	case s.KeyBytes() > 0:
		secret, ok := shared(key)
		return ok && len(secret) >= s.KeyBytes()
	case s.Alg == "ES256K":
		_, ok := key.(*secp256k1.PublicKey)
		return ok
	case s.Alg == "EdDSA":
		return Ed25519{}.verifies(key)
	case s.Alg == "ES256":
		return ECDSA{Hash: crypto.SHA256}.verifies(key)
	case s.Alg == "ES384":
		return ECDSA{Hash: crypto.SHA384}.verifies(key)
	case s.Alg == "ES512":
		return ECDSA{Hash: crypto.SHA512}.verifies(key)
	default:
		return RSA{}.verifies(key)
	}
}

func (s JWS) verify(key any, in *signed, signatures [][]byte) bool {
	return slices.ContainsFunc(signatures, func(text []byte) bool {
		if in.bound == nil {
			payload, _, err := s.Verify([]any{key}, text)
			return err == nil && bytes.Equal(payload, in.payload)
		}
		_, err := s.VerifyDetached([]any{key}, text, in.bytes())
		return err == nil
	})
}
