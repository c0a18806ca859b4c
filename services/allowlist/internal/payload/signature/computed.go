package signature

import (
	"encoding/hex"
	"io"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
)

// Computed is the scheme of a signature that an expression computes with the secret.
type Computed struct{}

func (Computed) sign(_ io.Reader, key any, in *signed) ([]byte, error) {
	secret, ok := shared(key)
	if !ok {
		return nil, ErrKey
	}
	return memory.Erased(func() ([]byte, error) {
		out, err := in.bound.Text(secret)
		if err == nil && in.bound.Type() == expression.Bytes {
			return hex.AppendEncode(nil, out), nil
		}
		return out, err
	})
}

func (Computed) verifies(key any) bool { return isShared(key) }

func (s Computed) verify(key any, in *signed, signatures [][]byte) bool {
	return equal(s, key, in, signatures)
}
