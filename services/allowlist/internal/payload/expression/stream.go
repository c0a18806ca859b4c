package expression

import (
	"crypto"
	_ "crypto/md5"  //nolint:gosec // existing partners require MD5 checksums; the caller requires an acknowledgement
	_ "crypto/sha1" //nolint:gosec // as for MD5
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
	"sync"

	_ "golang.org/x/crypto/blake2b"
)

// maxDigest is the maximum length of a digest.
const maxDigest = 64

// A stream transforms a value on its way into the result, without buffering all of it.
type stream struct {
	// open returns a writer that takes the value and writes its transformation to w; closing it
	// writes the rest.
	open func(w io.Writer) io.WriteCloser
	// fixed is the maximum length of a result, or 0 if a result has up to `factor` thirds of the
	// length of its value, and a few bytes.
	fixed, factor int
	// hash is the hash of a digest.
	hash crypto.Hash
	// chars are the characters of the result, if they are few.
	chars string
}

// length returns the maximum length of the result for a value.
func (s stream) length(size int) int {
	if s.fixed > 0 {
		return s.fixed
	}
	return size*s.factor/3 + 4
}

const (
	digits    = "0123456789"
	letterSet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// streams returns the functions that stream, by name.
var streams = sync.OnceValue(func() map[string]stream {
	inBase64 := func(e *base64.Encoding, chars string) stream {
		return stream{factor: 4, chars: digits + letterSet + chars, open: func(w io.Writer) io.WriteCloser { return base64.NewEncoder(e, w) }}
	}
	all := map[string]stream{
		"base64":    inBase64(base64.StdEncoding, "+/="),
		"base64url": inBase64(base64.RawURLEncoding, "-_"),
		"hex": {factor: 6, chars: digits + "abcdef", open: func(w io.Writer) io.WriteCloser {
			return through{hex.NewEncoder(w)}
		}},
		"hex_upper": {factor: 6, chars: digits + "ABCDEF", open: func(w io.Writer) io.WriteCloser {
			return through{hex.NewEncoder(letters{w, 'a'})}
		}},
		"lower":       {factor: 3, open: func(w io.Writer) io.WriteCloser { return through{letters{w, 'A'}} }},
		"upper":       {factor: 3, open: func(w io.Writer) io.WriteCloser { return through{letters{w, 'a'}} }},
		"percent":     {factor: 9, chars: digits + letterSet + "-._~%", open: func(w io.Writer) io.WriteCloser { return through{escaper{w, unreserved}} }},
		"form_encode": {factor: 9, chars: digits + letterSet + "-._*%+", open: func(w io.Writer) io.WriteCloser { return through{escaper{w, ofForms}} }},
		"crc32": {fixed: 10, chars: digits, open: func(w io.Writer) io.WriteCloser {
			return digester{crc32.NewIEEE(), func(h hash.Hash) []byte { return strconv.AppendUint(nil, uint64(h.(hash.Hash32).Sum32()), 10) }, w}
		}},
		"size": {fixed: 20, chars: digits, open: func(w io.Writer) io.WriteCloser { return &counter{w: w} }},
	}
	for name, h := range hashes() {
		all[name] = digest(h)
	}
	return all
})

// hashes returns the hash functions by name.
func hashes() map[string]crypto.Hash {
	return map[string]crypto.Hash{
		"md5": crypto.MD5, "sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512,
		"sha3_256": crypto.SHA3_256, "sha3_512": crypto.SHA3_512,
		"blake2b_256": crypto.BLAKE2b_256, "blake2b_512": crypto.BLAKE2b_512,
	}
}

func digest(h crypto.Hash) stream {
	sum := func(h hash.Hash) []byte { return h.Sum(nil) }
	return stream{hash: h, fixed: h.Size(), open: func(w io.Writer) io.WriteCloser { return digester{h.New(), sum, w} }}
}

// through is a writer with nothing to flush when it is closed.
type through struct{ io.Writer }

// Close does nothing.
func (through) Close() error { return nil }

// A digester writes the digest of its input.
type digester struct {
	hash.Hash
	sum func(hash.Hash) []byte
	w   io.Writer
}

// Close writes the digest.
func (d digester) Close() error {
	_, err := d.w.Write(d.sum(d.Hash))
	return err
}

// A counter writes the length of its input.
type counter struct {
	w io.Writer
	n int
}

// Write counts.
func (c *counter) Write(text []byte) (int, error) {
	c.n += len(text)
	return len(text), nil
}

// Close writes the length.
func (c *counter) Close() error {
	_, err := c.w.Write(strconv.AppendInt(nil, int64(c.n), 10))
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

// An escaper percent-encodes its input.
type escaper struct {
	w io.Writer
	// escape appends the encoded form of a byte.
	escape func(dst []byte, c byte) []byte
}

// Write encodes piece by piece.
func (e escaper) Write(text []byte) (int, error) {
	var room [512]byte
	const most = len(room) / 3
	for rest := text; len(rest) > 0; {
		piece := room[:0]
		n := min(most, len(rest))
		for _, c := range rest[:n] {
			piece = e.escape(piece, c)
		}
		if _, err := e.w.Write(piece); err != nil {
			return len(text) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(text), nil
}

// unreserved is the percent-encoding of everything but unreserved characters (RFC 3986 section
// 2.3), in upper case.
func unreserved(dst []byte, c byte) []byte {
	if alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' {
		return append(dst, c)
	}
	return escaped(dst, c)
}

// ofForms is the encoding of forms (URL Standard, section 5.2).
func ofForms(dst []byte, c byte) []byte {
	switch {
	case c == ' ':
		return append(dst, '+')
	case alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '*':
		return append(dst, c)
	default:
		return escaped(dst, c)
	}
}

func alphanumeric(c byte) bool { return (c|0x20)-'a' < 26 || c-'0' < 10 }

func escaped(dst []byte, c byte) []byte {
	const upper = "0123456789ABCDEF"
	return append(dst, '%', upper[c>>4], upper[c&15])
}
