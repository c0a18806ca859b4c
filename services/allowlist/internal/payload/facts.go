package payload

import (
	"slices"

	"github.com/keyward/keyward/services/allowlist/internal/payload/compile"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// CheckFacts checks the facts of the keys against the configuration. It returns nil or one
// KEY_NOT_USABLE error with all violations, which name fields starting at `encryption`. References
// with unknown facts are accepted.
func (c *Config) CheckFacts(known func(message.Reference) (keyfit.Facts, bool)) error {
	f := new(compile.Violations)
	first := Fit{Field: "response", Cause: publicOnly}
	for _, fit := range c.Fits(known) {
		if fit.Cause == "" {
			continue
		}
		if f.Add(describe.Root+"."+fit.Field, fit.Cause); len(f.All) == 1 {
			first = fit
		}
	}
	for _, key := range c.ofPartner() {
		if facts, ok := known(c.reference(key)); ok && facts.Private {
			fit := Fit{Field: key.Field, Secret: key.Secret, Cause: mustBePartners}
			if f.Add(describe.Root+"."+fit.Field, fit.Cause); len(f.All) == 1 {
				first = fit
			}
		}
	}
	if c.unopenable(known) {
		f.Add(describe.Root+".response", publicOnly)
	}
	if len(f.All) == 0 {
		return nil
	}
	err := first.unusable()
	err.Violations = f.All
	return err
}

// mustBePartners is the violation of a private key where the partner's signature is to be verified.
const mustBePartners = "Must be the public key of the partner. With a private key, senders could have the responses signed that issue values."

// ofPartner returns the keys that verify that the partner made a response with issued values.
func (c *Config) ofPartner() []describe.Key {
	var all []describe.Key
	if len(c.compiled.Issued) == 0 || !c.compiled.Response.SignedByPartner() {
		return nil
	}
	for _, key := range c.compiled.Response.Keys {
		if key.Role == describe.Signs {
			all = append(all, key)
		}
	}
	return all
}

// keys returns all keys of the configuration, in its order. It returns nothing if there is no
// request.
func (c *Config) keys() []describe.Key {
	if c.compiled.Proto.GetRequest() == nil {
		return nil
	}
	all := c.compiled.Request.Keys
	if c.compiled.Proto.GetResponse() != nil {
		all = slices.Concat(all, c.compiled.Response.Keys)
	}
	return all
}

// publicOnly is the violation of a mirrored request that no configured key can decrypt.
const publicOnly = "Responses need separate keys: the keys of the request are public and cannot decrypt responses. If responses are not encrypted, set plain {}."

// unopenable reports whether the request is mirrored and cannot be decrypted. With only the
// partner's public key, one can encrypt messages but not read them.
func (c *Config) unopenable(known func(message.Reference) (keyfit.Facts, bool)) bool {
	if c.compiled.Proto.GetResponse() != nil {
		return false
	}
	opens := false
	for _, key := range c.compiled.Request.Keys {
		if key.Role != describe.Encrypts || key.Shared() {
			continue
		}
		opens = true
		if facts, ok := known(c.reference(key)); !ok || !facts.Public() {
			return false
		}
	}
	return opens
}

// reference returns the reference of a key.
func (c *Config) reference(key describe.Key) message.Reference {
	ref := message.Reference{Secret: key.Secret, Version: key.Version, Usage: message.UsageAt(key.Field), Field: key.Field}
	c.compiled.Purposed(&ref)
	return ref
}

// KeyBytes returns the lengths that the symmetric key in the secret may have where the
// configuration uses this version of it, or the current one if version is 0, as the key of a
// cipher without a derivation. It returns nothing if the configuration does not use it this way.
func (c *Config) KeyBytes(secret string, version uint32) []int {
	var lengths []int
	for _, key := range c.keys() {
		if key.Secret == secret && key.Version == version && key.Requirement.Sized() {
			lengths = append(lengths, key.Requirement.Bytes...)
		}
	}
	slices.Sort(lengths)
	return slices.Compact(lengths)
}
