package keyfit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/keyward/keyward/pkg/keyform"
)

// Against checks the facts of a key that is read with a decoding against the requirement. It
// returns the cause if the key does not fit, and a decoding that would fit, if any.
func (r Requirement) Against(read keyform.Decoding, facts Facts) (cause, decoding string) {
	switch {
	case r.Symmetric && facts.Pair():
		return "The secret holds " + facts.Holds() + ", but a key that both sides share is needed.", ""
	case r.Sized():
		return r.againstLength(read, facts)
	case r.PGP:
		return r.againstPGP(read, facts), ""
	case len(r.Pairs) > 0:
		return r.againstPair(read, facts), ""
	}
	return "", ""
}

// againstLength returns what is wrong with the length of a symmetric key.
func (r Requirement) againstLength(read keyform.Decoding, facts Facts) (cause, decoding string) {
	fits := func(n int) bool { return slices.Contains(r.Bytes, n) }
	size := 0
	if read == keyform.Raw {
		size = facts.Bytes
	}
	for _, form := range facts.Forms {
		if form.Decoding == read {
			size = form.Bytes
		}
	}
	known := facts.Kind == keyform.KindText || facts.Kind == keyform.KindBytes
	switch {
	case fits(size), size == 0 && !known, read == keyform.PEM:
		return "", ""
	case size == 0:
		cause = "Read as " + read.String() + ", the secret is not a key of " + Listed(r.Bytes) + " bytes."
	default:
		cause = fmt.Sprintf("Read as %s, the secret is a key of %d bytes, but %s are needed.", read, size, Listed(r.Bytes))
	}
	for _, form := range facts.Forms {
		if fits(form.Bytes) && form.Decoding != read {
			return fmt.Sprintf("%s Read as %s, it is a key of %d bytes: set the decoding to %s.", cause, form.Decoding, form.Bytes, form.Decoding), form.Decoding.String()
		}
	}
	if facts.LineEnd {
		return cause + " The value ends with a line break: store it again without the line break, and read it as RAW.", ""
	}
	return cause + " Store a key of that length as a new version.", ""
}

// againstPair returns what is wrong with a key that must be part of a pair.
func (r Requirement) againstPair(read keyform.Decoding, facts Facts) string {
	need := " The configuration needs " + strings.Join(r.Pairs, " or ") + "."
	if r.Pairs[0] == "RSA" {
		need = " The configuration needs RSA of 2,048 to 8,192 bits."
	}
	size, isRSA := strings.CutPrefix(facts.Algorithm, "RSA-")
	switch {
	case facts.Problem != "":
		return facts.Problem + need
	case facts.PGP():
		return "The secret holds " + facts.Holds() + "." + need
	case facts.Algorithm == "" && (facts.Bytes != 0 || facts.Kind == keyform.KindText || facts.Kind == keyform.KindBytes):
		if !asItIs(read) {
			return "" // the decoded value may be a key
		}
		return "The secret holds no recognized key." + need + " Store it in PEM."
	case facts.Algorithm == "":
		return ""
	case r.Certificate && facts.Kind == keyform.KindPublicKey:
		return "The secret holds " + facts.Holds() + ", but messages name its certificate. Store the certificate."
	case isRSA && slices.Contains(r.Pairs, "RSA"):
		if bits, err := strconv.Atoi(size); err != nil || bits < 2048 || bits > 8192 {
			return "The secret holds " + facts.Holds() + "." + need
		}
		return ""
	case !slices.Contains(r.Pairs, facts.Algorithm):
		return "The secret holds " + facts.Holds() + "." + need
	}
	return ""
}

// againstPGP returns what is wrong with an OpenPGP key.
func (Requirement) againstPGP(read keyform.Decoding, facts Facts) string {
	const need = " The configuration needs an OpenPGP key."
	switch {
	case facts.Problem != "":
		return facts.Problem + need
	case facts.Pair() && !facts.PGP():
		return "The secret holds " + facts.Holds() + "." + need
	case facts.Kind == keyform.KindText && asItIs(read):
		return "The secret holds no recognized key." + need + " Store it as it was exported, with its armor."
	}
	return ""
}

// Listed returns lengths as a list in words.
func Listed(lengths []int) string {
	texts := make([]string, len(lengths))
	for i, n := range lengths {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, " or ")
}

// asItIs reports whether the stored value is read as it is.
func asItIs(read keyform.Decoding) bool { return read == keyform.Raw || read == keyform.PEM }
