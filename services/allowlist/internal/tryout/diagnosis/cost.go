package diagnosis

import (
	"slices"
	"strings"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// The estimated cost of a variant: compiling it, reading a byte, decrypting with a private key,
// and one round of a hash in a slow derivation.
const (
	costCompile = 100 * time.Microsecond
	costByte    = 10 * time.Nanosecond
	costRSA     = 2 * time.Millisecond
	costCurve   = 200 * time.Microsecond
	costPGP     = 20 * time.Millisecond
	costRound   = 400 * time.Nanosecond
)

// costOf estimates how long a variant takes for a message of the given number of bytes with one
// value.
func costOf(p *describe.Profile, bytes int) time.Duration {
	cost := costCompile + time.Duration(bytes)*costByte
	for _, key := range p.Keys {
		switch list := strings.TrimPrefix(key.List, p.Path+"."); {
		case list == "signing.keys":
			cost += costCurve + time.Duration(bytes)*costByte
		case list == "pgp.keys":
			cost += costPGP
		case list == "cipher.ecdh.keys":
			cost += costCurve
		case key.Role == describe.Encrypts && slices.Contains(key.Requirement.Pairs, "RSA"):
			cost += costRSA
		}
	}
	return cost + costRound*time.Duration(p.Derivation().HashCalls())
}
