package signature

import (
	"crypto"
	_ "crypto/md5"  //nolint:gosec // existing partners require MD5 checksums; the caller requires an acknowledgement
	_ "crypto/sha1" //nolint:gosec // as for MD5
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
)

// A function transforms a value on its way into the input, without buffering all of it.
type function struct {
	name string
	// open returns a writer that takes the value and writes its transformation to w; closing it
	// writes the rest.
	open func(w io.Writer) io.WriteCloser
	// encodes says that the value may grow, to at most twice its length.
	encodes bool
	// hash is the hash of a digest function.
	hash crypto.Hash
}

// functionNames returns the names that [newFunction] knows.
func functionNames() []string {
	return []string{"base64", "base64url", "hex", "hex_upper", "lower", "upper", "md5", "sha1", "sha256", "sha384", "sha512"}
}

// newFunction returns the named function.
func newFunction(name string) (f function, ok bool) {
	switch name {
	case "base64":
		return inBase64(base64.StdEncoding), true
	case "base64url":
		return inBase64(base64.RawURLEncoding), true
	case "hex":
		return function{encodes: true, open: func(w io.Writer) io.WriteCloser { return through{hex.NewEncoder(w)} }}, true
	case "hex_upper":
		return function{encodes: true, open: func(w io.Writer) io.WriteCloser { return through{hex.NewEncoder(letters{w, 'a'})} }}, true
	case "lower":
		return function{open: func(w io.Writer) io.WriteCloser { return through{letters{w, 'A'}} }}, true
	case "upper":
		return function{open: func(w io.Writer) io.WriteCloser { return through{letters{w, 'a'}} }}, true
	case "md5":
		return digest(crypto.MD5), true
	case "sha1":
		return digest(crypto.SHA1), true
	case "sha256":
		return digest(crypto.SHA256), true
	case "sha384":
		return digest(crypto.SHA384), true
	case "sha512":
		return digest(crypto.SHA512), true
	default:
		return function{}, false
	}
}

func inBase64(e *base64.Encoding) function {
	return function{encodes: true, open: func(w io.Writer) io.WriteCloser { return base64.NewEncoder(e, w) }}
}

func digest(h crypto.Hash) function {
	return function{hash: h, open: func(w io.Writer) io.WriteCloser { return digester{h.New(), w} }}
}

// through is a writer with nothing to flush when it is closed.
type through struct{ io.Writer }

// Close does nothing.
func (through) Close() error { return nil }

// A digester writes the digest of its input.
type digester struct {
	hash.Hash
	w io.Writer
}

// Close writes the digest.
func (d digester) Close() error {
	_, err := d.w.Write(d.Sum(nil))
	return err
}

// letters writes its input with the case of ASCII letters changed.
type letters struct {
	w io.Writer
	// first is the first of the 26 letters to change, a or A.
	first byte
}

// Write converts a copy, piece by piece.
func (l letters) Write(text []byte) (int, error) {
	var piece [512]byte
	for rest := text; len(rest) > 0; {
		n := copy(piece[:], rest)
		for i, c := range piece[:n] {
			if c-l.first < 26 {
				piece[i] = c ^ ('a' ^ 'A')
			}
		}
		if _, err := l.w.Write(piece[:n]); err != nil {
			return len(text) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(text), nil
}
