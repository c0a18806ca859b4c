package payload

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// Facts are what the vault tells of a key without telling the key. Zero is not told.
type Facts struct {
	// Bytes is the length of a key that was stored as bytes.
	Bytes int
	// Algorithm is the kind and size of an asymmetric key, such as `RSA-2048`, `EC-P256`,
	// `Ed25519` and `X25519`.
	Algorithm string
	// Private says that the asymmetric key is a private one.
	Private bool
	// Fingerprint is that of the public key.
	Fingerprint string
}

// A shape is what a key has to be. The zero shape is anything.
type shape struct {
	// symmetric keys have one of the lengths, if there are any.
	symmetric bool
	bytes     []int
	// pairs are the algorithms of asymmetric keys, RSA without its size.
	pairs []string
}

// anyRSA is the shape of RSA keys.
func anyRSA() shape { return shape{pairs: []string{"RSA"}} }

// shaped notes the shape of keys.
func shaped(sources []*source, s shape) []*source {
	for _, source := range sources {
		source.shape = s
	}
	return sources
}

// CheckFacts returns what the keys themselves have against the configuration: all of it
// at once as one KEY_NOT_USABLE, whose violations name fields from `encryption` on, or
// nil. A reference of which nothing is known is taken on trust.
func (c *Config) CheckFacts(known func(Reference) (Facts, bool)) error {
	f := new(findings)
	for _, s := range c.sources() {
		if facts, ok := known(s.Reference); ok {
			if wrong := s.shape.against(facts, s.decoding == keys.Raw); wrong != "" {
				f.add(root+"."+s.Field, wrong)
			}
		}
	}
	c.mirrorFacts(f, known)
	if len(f.violations) == 0 {
		return nil
	}
	err := unusableKey(strings.TrimPrefix(f.violations[0].Field, root+"."))
	err.Violations = f.violations
	return err
}

// sources returns all keys of the pipelines, each once.
func (c *Config) sources() []*source {
	var all []*source
	for _, p := range c.pipelines {
		for _, wants := range [][]want{p.toEncrypt, p.toDecrypt} {
			for _, w := range wants {
				if !slices.Contains(all, w.source) {
					all = append(all, w.source)
				}
			}
		}
	}
	return all
}

// against returns what a key's facts have against the shape, or "". Raw says that the
// stored bytes are the key.
func (s shape) against(facts Facts, raw bool) string {
	size, isRSA := strings.CutPrefix(facts.Algorithm, "RSA-")
	switch {
	case s.symmetric && facts.Algorithm != "":
		return "must be a secret that both sides share, not a key pair"
	case s.symmetric && raw && facts.Bytes != 0 && len(s.bytes) > 0 && s.bytes[0] > 0 && !slices.Contains(s.bytes, facts.Bytes):
		return fmt.Sprintf("must be a key of %s bytes", listed(s.bytes))
	case len(s.pairs) == 0:
		return ""
	case facts.Bytes != 0 && facts.Algorithm == "":
		return "must be a key pair or its public part: " + strings.Join(s.pairs, ", ")
	case isRSA && slices.Contains(s.pairs, "RSA"):
		if len(size) < len("2048") || size < "2048" && len(size) == len("2048") {
			return "must be an RSA key of 2,048 bits or more"
		}
		return ""
	case facts.Algorithm != "" && !slices.Contains(s.pairs, facts.Algorithm):
		return "must be a key of another kind: " + strings.Join(s.pairs, ", ")
	}
	return ""
}

// listed returns lengths as one writes them.
func listed(lengths []int) string {
	texts := make([]string, len(lengths))
	for i, n := range lengths {
		texts[i] = fmt.Sprint(n)
	}
	return strings.Join(texts, " or ")
}

// mirrorFacts checks that who mirrors a request can open it: with the partner's public
// key alone one can encrypt what one cannot read.
func (c *Config) mirrorFacts(f *findings, known func(Reference) (Facts, bool)) {
	if c.pb.GetResponse() != nil {
		return
	}
	pairs := 0
	for _, s := range c.pipelines[Request].openers() {
		facts, ok := known(s.Reference)
		if !ok || facts.Algorithm == "" || facts.Private {
			return
		}
		pairs++
	}
	if pairs > 0 {
		f.add(root+".response", "must be set: the keys of the request are public ones, which cannot open what comes back; use plain {} if the answer comes in the clear")
	}
}

// openers returns the keys whose private part opens messages.
func (p *Pipeline) openers() []*source {
	var sources []*source
	switch k := p.kind.(type) {
	case *symmetric:
		sources = k.supply.sources()
	case *encrypted:
		sources = k.keys
	case *coded:
		if direct, ok := k.begin.(*rsaDirect); ok {
			sources = direct.keys
		}
	}
	return slices.DeleteFunc(slices.Clone(sources), func(s *source) bool { return len(s.shape.pairs) == 0 })
}
