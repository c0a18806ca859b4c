package keyform

import (
	"bytes"
	"fmt"
	"slices"
)

// A Kind is the kind of a value. The numbers are those of ValueFacts.Kind in the API of the vault.
type Kind int

const (
	// KindUnknown is not a valid kind.
	KindUnknown Kind = iota
	// KindBytes is a value that is neither text nor a recognized key.
	KindBytes
	// KindText is text that is not a recognized key.
	KindText
	// KindPrivateKey is a private key.
	KindPrivateKey
	// KindPublicKey is a public key.
	KindPublicKey
	// KindCertificate is a certificate.
	KindCertificate
	// KindPGPPrivateKey is a private key of OpenPGP.
	KindPGPPrivateKey
	// KindPGPPublicKey is a public key of OpenPGP.
	KindPGPPublicKey
)

// A Form is a decoding that makes a value a symmetric key.
type Form struct {
	Decoding Decoding
	// Bytes is the length of the key.
	Bytes int
}

// Facts describes a value. It contains nothing of the value except a public key.
type Facts struct {
	Kind Kind
	// Algorithm is the kind and size of a key, such as `RSA-2048`, `EC-P256`, `EC-secp256k1`, or
	// `Ed25519`.
	Algorithm string
	// Format is the display name of the format, such as `PKCS #8 in PEM`.
	Format string
	// Bytes is the length of the value.
	Bytes int
	// Forms are the decodings that make the value a symmetric key, most likely first. Empty for an
	// asymmetric key.
	Forms []Form
	// Notes are sentences about unusual properties of the value.
	Notes []string
	// Problem is the reason why a value that looks like a key cannot be used as one. It is nil for
	// usable keys, and for values that are not asymmetric keys.
	Problem *Problem
	// Public is the SubjectPublicKeyInfo in DER of a usable key: that of the private key, if there is
	// one, or else of the first key.
	Public []byte
}

// Asymmetric reports whether the value is an asymmetric key, even one that cannot be used.
func (f Facts) Asymmetric() bool { return f.Kind > KindText }

// LineEnd reports whether the value ends with a line end and would, without it, be a key of one of
// the lengths.
func LineEnd(value []byte, lengths ...int) bool {
	body, found := bytes.CutSuffix(value, []byte("\n"))
	body = bytes.TrimSuffix(body, []byte("\r"))
	return found && slices.Contains(lengths, len(body))
}

// Look describes a value.
func Look(value []byte) Facts {
	f := Facts{Bytes: len(value)}
	switch found := read(value); {
	case found.pgp != KindUnknown:
		f.Kind, f.Format = found.pgp, found.form
	case len(found.materials) > 0:
		t := textOf(value)
		f.Notes = encoding(t)
		t.erase()
		f.ofKey(found)
	default:
		f.ofOther(value)
	}
	return f
}

// ofKey describes an asymmetric key.
func (f *Facts) ofKey(found file) {
	privates := slices.DeleteFunc(slices.Clone(found.materials), func(m material) bool { return !m.secret })
	m := found.materials[0]
	if len(privates) > 0 {
		m = privates[0]
	}
	f.Algorithm, f.Problem, f.Notes = m.algorithm, m.problem, append(f.Notes, found.notes...)
	if m.problem != nil && m.problem.Algorithm != "" {
		f.Algorithm = m.problem.Algorithm
	}
	switch {
	case m.secret:
		f.Kind = KindPrivateKey
	case m.form == formCertificate:
		f.Kind = KindCertificate
	default:
		f.Kind = KindPublicKey
	}
	switch {
	case m.form == "" || m.form == found.form:
		f.Format = found.form
	case found.form == "":
		f.Format = m.form
	default:
		f.Format = m.form + " in " + found.form
	}
	if m.public != nil {
		if der, err := MarshalPublic(m.public); err == nil {
			f.Public = der
		}
	}
	if differ(privates) && f.Problem == nil {
		f.Problem = several()
	}
	if n := len(found.materials) - len(privates); len(found.materials) > 1 && n > 0 {
		f.Notes = append(f.Notes, otherContent(n, f.Kind))
	}
}

// differ reports whether private keys are not all the same.
func differ(privates []material) bool {
	return slices.ContainsFunc(privates[min(len(privates), 1):], func(m material) bool {
		return privates[0].public == nil || m.public == nil || !privates[0].public.Equal(m.public)
	})
}

// otherContent describes the other content of a file.
func otherContent(n int, kind Kind) string {
	switch {
	case kind != KindPrivateKey:
		return fmt.Sprintf("The value holds %d keys or certificates, and the first is used.", n)
	case n == 1:
		return "The value also contains a certificate or public key."
	}
	return fmt.Sprintf("The value also contains %d certificates or public keys.", n)
}

// ofOther describes a value that is not an asymmetric key.
func (f *Facts) ofOther(value []byte) {
	t := textOf(value)
	defer t.erase()
	f.Kind, f.Format = KindBytes, "bytes"
	f.Forms = []Form{{Raw, len(value)}}
	if isText(t.bytes) {
		f.Kind, f.Notes = KindText, append(encoding(t), around(t)...)
		f.Notes = append(f.Notes, oddDigits(t.trimmed())...)
		f.Forms = formsOf(value, t.trimmed())
		f.Format = formatOf(f.Forms, t)
	}
}

// formsOf returns the decodings that make text a symmetric key.
func formsOf(value, body []byte) []Form {
	raw := Form{Raw, len(value)}
	var coded []Form
	for _, d := range decodingsOf(body) {
		if key, err := Decode(d, value); err == nil && len(key) > 0 {
			coded = append(coded, Form{d, len(key)})
			clear(key)
		}
	}
	if len(coded) == 0 {
		return []Form{raw}
	}
	if rawFirst(coded[0], raw, body) {
		return append([]Form{raw}, coded...)
	}
	return append(coded, raw)
}

// decodingsOf returns the decodings of text in the order in which to try them. The alphabet
// distinguishes base64url, and the prefix distinguishes webhook secrets.
func decodingsOf(body []byte) []Decoding {
	switch {
	case bytes.HasPrefix(body, []byte(whsecPrefix)):
		return []Decoding{Whsec}
	case bytes.ContainsAny(body, "-_"):
		return []Decoding{Hex, Base64URL, Base64, Whsec}
	}
	return []Decoding{Hex, Base64, Base64URL, Whsec}
}

// rawFirst reports whether text is more likely meant as raw bytes than in the most likely
// decoding.
func rawFirst(coded, raw Form, body []byte) bool {
	switch {
	case coded.Decoding == Hex:
		return coded.Bytes < 16
	case coded.Decoding == Whsec, bytes.HasSuffix(body, []byte("=")):
		return false
	}
	return !usual(coded.Bytes) || usual(raw.Bytes) && !bytes.ContainsAny(body, "+/")
}

// usual reports whether keys of a length in bytes are common.
func usual(n int) bool { return slices.Contains(UsualLengths(), n) }

// UsualLengths returns the common lengths of symmetric keys in bytes: AES, two AES or MAC keys in
// one, HMAC.
func UsualLengths() []int { return []int{16, 24, 32, 48, 64} }

func formatOf(forms []Form, t text) string {
	format := map[Decoding]string{Raw: "text", Hex: "hexadecimal", Base64: "base64", Base64URL: "base64url", Whsec: "base64"}[forms[0].Decoding]
	if t.wide {
		format += " in UTF-16"
	}
	return format
}

// encoding returns notes about the character encoding of text.
func encoding(t text) []string {
	var notes []string
	if t.marked {
		notes = append(notes, "The value begins with a byte order mark.")
	}
	if t.wide {
		notes = append(notes, "The value is UTF-16.")
	}
	return notes
}

// leastDigits is the number of hexadecimal digits that cannot occur by chance.
const leastDigits = 31

// oddDigits returns a note about hexadecimal with an odd number of digits.
func oddDigits(body []byte) []string {
	if len(body) < leastDigits || len(body)%2 == 0 || !consistsOf(body, hexDigits) {
		return nil
	}
	return []string{fmt.Sprintf("The value has %d hexadecimal digits, which is an odd number: one may be missing.", len(body))}
}

// around returns notes about white space around text. PEM ends with a line end, but a passphrase
// or a key on a single line does not.
func around(t text) []string {
	if len(t.trimmed()) == 0 {
		return []string{"The value is only white space."}
	}
	var notes []string
	if isSpace(t.bytes[0]) {
		notes = append(notes, "The value begins with white space.")
	}
	switch last := t.bytes[len(t.bytes)-1]; {
	case last == '\n' || last == '\r':
		notes = append(notes, "The value ends with a line end.")
	case isSpace(last):
		notes = append(notes, "The value ends with white space.")
	}
	return notes
}
