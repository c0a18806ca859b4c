package keyform

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
)

// A Kind is what a value can be. The numbers are those of ValueFacts.Kind of the vault's API.
type Kind int

const (
	// KindUnknown is no kind.
	KindUnknown Kind = iota
	// KindBytes is a value that is not text and holds no key that the package recognizes.
	KindBytes
	// KindText is a text that holds no key that the package recognizes.
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

// A Form is a way to read a value as a symmetric key.
type Form struct {
	Decoding Decoding
	// Bytes is the length of the key.
	Bytes int
}

// Facts is what a value was taken for. It holds nothing of a value besides its public part.
type Facts struct {
	Kind Kind
	// Algorithm of a key is its kind and size, such as `RSA-2048`, `EC-P256`, `EC-P521` or
	// `Ed25519`.
	Algorithm string
	// Format says for people how the value is written, such as `PKCS #8 in PEM`.
	Format string
	// Bytes is the length of the value.
	Bytes int
	// Forms are the ways to read the value as a symmetric key, likeliest first. There are none
	// of an asymmetric key.
	Forms []Form
	// Notes are sentences for people about what is unusual.
	Notes []string
	// Problem is why the value is no key that can be used although it looks like one. It is
	// nil for keys that can be used, and for values that are no asymmetric keys.
	Problem *Problem
	// Public is the SubjectPublicKeyInfo in DER of a key that can be used: that of the private
	// key if there is one, or else of the first key.
	Public []byte
}

// Asymmetric reports whether the value is an asymmetric key, also one that cannot be used.
func (f Facts) Asymmetric() bool { return f.Kind > KindText }

// LineEnd reports whether the value ends with a line end and would be a key of one of the
// lengths without it.
func LineEnd(value []byte, lengths ...int) bool {
	body, found := bytes.CutSuffix(value, []byte("\n"))
	body = bytes.TrimSuffix(body, []byte("\r"))
	return found && slices.Contains(lengths, len(body))
}

// Look says what a value is.
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
		if der, err := x509.MarshalPKIXPublicKey(m.public); err == nil {
			f.Public = der
		}
	}
	if differ(privates) && f.Problem == nil {
		f.Problem = several()
	}
	if n := len(found.materials) - len(privates); len(found.materials) > 1 && n > 0 {
		f.Notes = append(f.Notes, beside(n, f.Kind))
	}
}

// differ reports whether private keys are not all the same.
func differ(privates []material) bool {
	return slices.ContainsFunc(privates[min(len(privates), 1):], func(m material) bool {
		return privates[0].public == nil || m.public == nil || !privates[0].public.Equal(m.public)
	})
}

// beside says what else is in a file.
func beside(n int, kind Kind) string {
	switch {
	case kind != KindPrivateKey:
		return fmt.Sprintf("The value holds %d keys or certificates, and the first is used.", n)
	case n == 1:
		return "A certificate or public key stands beside the private key."
	}
	return fmt.Sprintf("%d certificates or public keys stand beside the private key.", n)
}

// ofOther describes what is no asymmetric key.
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

// formsOf returns the ways to read a text as a symmetric key.
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

// decodingsOf returns the decodings of text in the order to try them: the alphabet of
// base64url tells it apart, as does the prefix of webhooks.
func decodingsOf(body []byte) []Decoding {
	switch {
	case bytes.HasPrefix(body, []byte(whsecPrefix)):
		return []Decoding{Whsec}
	case bytes.ContainsAny(body, "-_"):
		return []Decoding{Hex, Base64URL, Base64, Whsec}
	}
	return []Decoding{Hex, Base64, Base64URL, Whsec}
}

// rawFirst reports whether a text is likelier meant as it is than in the likeliest decoding.
func rawFirst(coded, raw Form, body []byte) bool {
	switch {
	case coded.Decoding == Hex:
		return coded.Bytes < 16
	case coded.Decoding == Whsec, bytes.HasSuffix(body, []byte("=")):
		return false
	}
	return !usual(coded.Bytes) || usual(raw.Bytes) && !bytes.ContainsAny(body, "+/")
}

// usual reports whether keys of a length in bytes are usual.
func usual(n int) bool { return slices.Contains(UsualLengths(), n) }

// UsualLengths are the usual lengths of symmetric keys in bytes: AES, two AES or MAC keys in one,
// HMAC.
func UsualLengths() []int { return []int{16, 24, 32, 48, 64} }

func formatOf(forms []Form, t text) string {
	format := map[Decoding]string{Raw: "text", Hex: "hexadecimal", Base64: "base64", Base64URL: "base64url", Whsec: "base64"}[forms[0].Decoding]
	if t.wide {
		format += " in UTF-16"
	}
	return format
}

// encoding returns notes about how the characters of a text are written.
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

// leastDigits is how many hexadecimal digits cannot be anything else by chance.
const leastDigits = 31

// oddDigits returns a note about hexadecimal that lacks a digit, or has one too many.
func oddDigits(body []byte) []string {
	if len(body) < leastDigits || len(body)%2 == 0 || len(bytes.Trim(body, "0123456789abcdefABCDEF")) > 0 {
		return nil
	}
	return []string{fmt.Sprintf("The value has %d hexadecimal digits, which is an odd number: one may be missing.", len(body))}
}

// around returns notes about the white space around a text. PEM ends with a line end, but a
// passphrase or a key in a single line does not.
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
