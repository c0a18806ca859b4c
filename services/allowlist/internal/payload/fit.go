package payload

import (
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// A Fit says whether a KEY fits its place, according to the facts that the vault reports.
type Fit struct {
	// Field is the path of the reference, such as `request.cipher.shared_key.keys[0]`.
	Field string
	// Secret is the resource name of the secret.
	Secret string
	// Cause says in sentences what is wrong and what to do. It is empty if no problem is known.
	Cause string
	// Decoding is a different decoding that would fit, such as `HEX`, if there is one.
	Decoding string
	// Note says in a sentence what a key that fits can do, if it only works in one direction.
	Note string
}

// unusable returns the error for a key that does not fit, for callers who may see secrets.
func (f Fit) unusable() *fault.Error {
	err := message.UnusableKey(f.Field)
	if f.Secret != "" {
		err = err.With("secret", f.Secret)
	}
	return err.With("cause", f.Cause)
}

// Fits checks each KEY against the vault's facts, in the order of the configuration.
func (c *Config) Fits(known func(message.Reference) (keyfit.Facts, bool)) []Fit {
	at := make(map[string]int)
	for i, ref := range c.References() {
		at[ref.Field] = i
	}
	var all []Fit
	for _, key := range c.keys() {
		ref := c.reference(key)
		if ref.Usage == message.ParameterUsage {
			continue
		}
		fit := Fit{Field: key.Field, Secret: key.Secret}
		if facts, ok := known(ref); ok {
			if fit.Cause, fit.Decoding = key.Requirement.Against(key.Decoding, facts); fit.Cause == "" && facts.Public() {
				fit.Note = oneSided(key)
			}
		}
		all = append(all, fit)
	}
	slices.SortFunc(all, func(a, b Fit) int { return at[a.Field] - at[b.Field] })
	return all
}

// oneSided says what a public key can do in its place.
func oneSided(key describe.Key) string {
	if key.Role == describe.Signs {
		return "The secret holds no private key: it can verify signatures, but not create them."
	}
	return "The secret holds no private key: it can encrypt messages, but not decrypt them."
}
