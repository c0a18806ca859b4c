package payload

import (
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// A Fit says whether a KEY fits its place, by what the vault tells of it.
type Fit struct {
	// Field is the place, such as `request.cipher.shared_key.keys[0]`.
	Field string
	// Secret is the resource name of the secret.
	Secret string
	// Cause is what is wrong and what to do, as sentences. Empty: nothing is known against it.
	Cause string
	// Decoding is the one that would fit, such as `HEX`, if another one does.
	Decoding string
	// Note says what a key that fits is good for, as a sentence, if that is one direction only.
	Note string
}

// unusable returns the refusal of a key that does not fit, for callers who may see secrets.
func (f Fit) unusable() *fault.Error {
	err := message.UnusableKey(f.Field)
	if f.Secret != "" {
		err = err.With("secret", f.Secret)
	}
	return err.With("cause", f.Cause)
}

// Fits returns what the vault's facts say of each KEY, in the order of the configuration.
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

// oneSided says what a public key is good for in its place.
func oneSided(key describe.Key) string {
	if strings.Contains(key.Field, ".signing.") || strings.Contains(key.Field, ".nested_jws.") {
		return "The secret holds no private key: signatures are verified with it, and cannot be made."
	}
	return "The secret holds no private key: messages are encrypted with it, and cannot be opened."
}
