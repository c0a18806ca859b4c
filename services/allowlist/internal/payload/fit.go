package payload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
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
	err := unusableKey(f.Field)
	if f.Secret != "" {
		err = err.With("secret", f.Secret)
	}
	return err.With("cause", f.Cause)
}

// Fits returns what the vault's facts say of each KEY, in the order of the configuration.
func (c *Config) Fits(known func(Reference) (Facts, bool)) []Fit {
	at := make(map[string]int)
	for i, ref := range c.References() {
		at[ref.Field] = i
	}
	var all []Fit
	for _, s := range c.sources() {
		if s.Usage == ParameterUsage {
			continue
		}
		fit := Fit{Field: s.Field, Secret: s.Secret}
		if facts, ok := known(s.Reference); ok {
			if fit.Cause, fit.Decoding = s.against(facts); fit.Cause == "" && facts.public() {
				fit.Note = s.oneSided()
			}
		}
		all = append(all, fit)
	}
	slices.SortFunc(all, func(a, b Fit) int { return at[a.Field] - at[b.Field] })
	return all
}

// oneSided says what a public key is good for in its place.
func (s *source) oneSided() string {
	if strings.Contains(s.Field, ".signing.") || strings.Contains(s.Field, ".nested_jws.") {
		return "The secret holds no private key: signatures are verified with it, and cannot be made."
	}
	return "The secret holds no private key: messages are encrypted with it, and cannot be opened."
}

// A shape is what a key has to be. The zero shape is anything.
type shape struct {
	// symmetric keys have one of the lengths, if there are any.
	symmetric bool
	bytes     []int
	// pairs are the algorithms of asymmetric keys, RSA without its size.
	pairs []string
	// pgp says that it is an OpenPGP key.
	pgp bool
}

// anyRSA is the shape of RSA keys.
func anyRSA() shape { return shape{pairs: []string{"RSA"}} }

// sized reports whether the key has one of several lengths.
func (s shape) sized() bool { return s.symmetric && len(s.bytes) > 0 && s.bytes[0] > 0 }

// shaped notes the shape of keys.
func shaped(sources []*source, s shape) []*source {
	for _, source := range sources {
		source.shape = s
	}
	return sources
}

// against returns what a key's facts have against its shape, and the decoding that would fit.
func (s *source) against(facts Facts) (cause, decoding string) {
	switch {
	case s.shape.symmetric && facts.pair():
		return "The secret holds " + facts.holds() + ", and a key that both sides share is needed.", ""
	case s.shape.sized():
		return s.againstLength(facts)
	case s.shape.pgp:
		return s.againstPGP(facts), ""
	case len(s.shape.pairs) > 0:
		return s.againstPair(facts), ""
	}
	return "", ""
}

// againstLength returns what is wrong with the length of a symmetric key.
func (s *source) againstLength(facts Facts) (cause, decoding string) {
	fits := func(n int) bool { return slices.Contains(s.shape.bytes, n) }
	read := s.decoding
	size := 0
	if read == keyform.Raw {
		size = facts.Bytes
	}
	for _, form := range facts.Forms {
		if form.Decoding == read {
			size = form.Bytes
		}
	}
	told := facts.Kind == keyform.KindText || facts.Kind == keyform.KindBytes
	switch {
	case fits(size), size == 0 && !told, read == keyform.PEM:
		return "", ""
	case size == 0:
		cause = "Read as " + read.String() + ", the secret is not a key of " + listed(s.shape.bytes) + " bytes."
	default:
		cause = fmt.Sprintf("Read as %s, the secret is a key of %d bytes, and %s are needed.", read, size, listed(s.shape.bytes))
	}
	for _, form := range facts.Forms {
		if fits(form.Bytes) && form.Decoding != read {
			return fmt.Sprintf("%s Read as %s, it is a key of %d bytes: set the decoding to %s.", cause, form.Decoding, form.Bytes, form.Decoding), form.Decoding.String()
		}
	}
	if facts.LineEnd {
		return cause + " The value ends with a line end: store it again without that, and read it as RAW.", ""
	}
	return cause + " Store a key of that length as a new version.", ""
}

// againstPair returns what is wrong with a key that has to be one of a pair.
func (s *source) againstPair(facts Facts) string {
	need := " The configuration needs " + strings.Join(s.shape.pairs, " or ") + "."
	if s.shape.pairs[0] == "RSA" {
		need = " The configuration needs RSA of 2,048 to 8,192 bits."
	}
	size, isRSA := strings.CutPrefix(facts.Algorithm, "RSA-")
	switch {
	case facts.Problem != "":
		return facts.Problem + need
	case facts.pgp():
		return "The secret holds " + facts.holds() + "." + need
	case facts.Algorithm == "" && (facts.Bytes != 0 || facts.Kind == keyform.KindText || facts.Kind == keyform.KindBytes):
		if !s.asItIs() {
			return "" // the decoded value may be a key
		}
		return "The secret holds no key that is recognized." + need + " Store it in PEM."
	case facts.Algorithm == "":
		return ""
	case isRSA && slices.Contains(s.shape.pairs, "RSA"):
		if bits, err := strconv.Atoi(size); err != nil || bits < 2048 || bits > 8192 {
			return "The secret holds " + facts.holds() + "." + need
		}
		return ""
	case !slices.Contains(s.shape.pairs, facts.Algorithm):
		return "The secret holds " + facts.holds() + "." + need
	}
	return ""
}

// againstPGP returns what is wrong with an OpenPGP key.
func (s *source) againstPGP(facts Facts) string {
	const need = " The configuration needs an OpenPGP key."
	switch {
	case facts.Problem != "":
		return facts.Problem + need
	case facts.pair() && !facts.pgp():
		return "The secret holds " + facts.holds() + "." + need
	case facts.Kind == keyform.KindText && s.asItIs():
		return "The secret holds no key that is recognized." + need + " Store it as it was exported, with its armor."
	}
	return ""
}

// listed returns lengths as one writes them.
func listed(lengths []int) string {
	texts := make([]string, len(lengths))
	for i, n := range lengths {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, " or ")
}
