package payload

import (
	"slices"

	"github.com/keyward/keyward/pkg/keyform"
)

// Facts are what the vault tells of a key without telling the key. Zero is not told.
type Facts struct {
	// Kind is what the value is. Text and bytes hold no key pair.
	Kind keyform.Kind
	// Bytes is the length of a key that was stored as bytes.
	Bytes int
	// Algorithm is the kind and size of an asymmetric key, such as `RSA-2048`, `EC-P256`,
	// `Ed25519` and `X25519`.
	Algorithm string
	// Private says that the asymmetric key is a private one.
	Private bool
	// Fingerprint is that of the public key.
	Fingerprint string
	// Problem is why a value that looks like a key pair is none, as a sentence.
	Problem string
	// Forms are how the value can be read as a key of a usual length. They are set only
	// where [Config.KeyBytes] were sent.
	Forms []keyform.Form
	// LineEnd says that the value is such a key but for its final line end.
	LineEnd bool
}

// pgp reports whether the value is an OpenPGP key.
func (f Facts) pgp() bool {
	return f.Kind == keyform.KindPGPPrivateKey || f.Kind == keyform.KindPGPPublicKey
}

// pair reports whether the value is a key pair, or a part of one.
func (f Facts) pair() bool {
	switch f.Kind {
	case keyform.KindPrivateKey, keyform.KindPublicKey, keyform.KindCertificate, keyform.KindPGPPrivateKey, keyform.KindPGPPublicKey:
		return true
	default:
		return f.Algorithm != ""
	}
}

// public reports whether the value is the public part of a key pair alone.
func (f Facts) public() bool {
	switch f.Kind {
	case keyform.KindPublicKey, keyform.KindCertificate, keyform.KindPGPPublicKey:
		return true
	case keyform.KindUnknown:
		return f.Algorithm != "" && !f.Private
	default:
		return false
	}
}

// holds says what the value is, as what a sentence ends with.
func (f Facts) holds() string {
	what := map[keyform.Kind]string{
		keyform.KindPrivateKey: "a private key", keyform.KindPublicKey: "a public key", keyform.KindCertificate: "a certificate",
		keyform.KindPGPPrivateKey: "an OpenPGP private key", keyform.KindPGPPublicKey: "an OpenPGP public key",
	}[f.Kind]
	if what == "" {
		what = "a key pair"
	}
	if f.Algorithm != "" {
		what += " (" + f.Algorithm + ")"
	}
	return what
}

// CheckFacts returns what the keys themselves have against the configuration: all of it
// at once as one KEY_NOT_USABLE, whose violations name fields from `encryption` on, or
// nil. A reference of which nothing is known is taken on trust.
func (c *Config) CheckFacts(known func(Reference) (Facts, bool)) error {
	f := new(findings)
	first := Fit{Field: "response", Cause: publicOnly}
	for _, fit := range c.Fits(known) {
		if fit.Cause == "" {
			continue
		}
		if f.add(root+"."+fit.Field, fit.Cause); len(f.violations) == 1 {
			first = fit
		}
	}
	if c.unopenable(known) {
		f.add(root+".response", publicOnly)
	}
	if len(f.violations) == 0 {
		return nil
	}
	err := first.unusable()
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

// publicOnly is the finding of a request that is mirrored although no key here can open it.
const publicOnly = "Responses need keys of their own: those of the request are public, and cannot open what comes back. If responses are not encrypted, set plain {}."

// unopenable reports whether who mirrors a request cannot open it: with the partner's public
// key alone one can encrypt what one cannot read.
func (c *Config) unopenable(known func(Reference) (Facts, bool)) bool {
	if c.pb.GetResponse() != nil {
		return false
	}
	openers := c.pipelines[Request].openers()
	for _, s := range openers {
		if facts, ok := known(s.Reference); !ok || !facts.public() {
			return false
		}
	}
	return len(openers) > 0
}

// openers returns the keys whose private part opens messages.
func (p *Pipeline) openers() []*source {
	var sources []*source
	switch k := p.kind.(type) {
	case *symmetricCipher:
		sources = k.supply.sources()
	case *encrypted:
		sources = k.keys
	case *coded:
		switch c := k.begin.(type) {
		case *rsaDirect:
			sources = c.keys
		case *openPGP:
			sources = c.keys
		}
	}
	return slices.DeleteFunc(slices.Clone(sources), func(s *source) bool { return len(s.shape.pairs) == 0 && !s.shape.pgp })
}

// KeyBytes returns the lengths that a symmetric key may have where the configuration uses the
// secret, in this version or the current one if it is 0, as the key of a cipher without a
// derivation. None: it does not.
func (c *Config) KeyBytes(secret string, version uint32) []int {
	var lengths []int
	for _, s := range c.sources() {
		if s.Secret == secret && s.Version == version && s.shape.sized() {
			lengths = append(lengths, s.shape.bytes...)
		}
	}
	slices.Sort(lengths)
	return slices.Compact(lengths)
}

// asItIs reports whether the stored value is read as it is.
func (s *source) asItIs() bool { return s.decoding == keyform.Raw || s.decoding == keyform.PEM }
