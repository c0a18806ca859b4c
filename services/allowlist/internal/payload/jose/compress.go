package jose

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// MaxInflated is the maximum length of the plaintext of a compressed message.
const MaxInflated = 32 << 20

// deflate is the value of `zip` for DEFLATE (RFC 1951), the only one.
const deflate = "DEF"

// acceptsZip reports whether the header declares compression exactly if it is configured.
func (j JWE) acceptsZip(h header) bool {
	if j.Compress {
		return h.is("zip", deflate)
	}
	return !h.has("zip")
}

// deflated returns the compressed plaintext. The caller owns it.
func deflated(plaintext []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if _, err := w.Write(plaintext); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return out.Bytes(), nil
}

// inflated returns the plaintext of a compressed text, which it wipes. The text must end with the
// compressed data. The sender chooses how long the plaintext is: it is read in pieces, up to
// [MaxInflated].
func inflated(compressed []byte) ([]byte, error) {
	defer clear(compressed)
	from := bytes.NewReader(compressed) // an io.ByteReader, of which the library reads no byte too many
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(flate.NewReader(from), MaxInflated+1))
	if err != nil || n > MaxInflated || from.Len() > 0 {
		clear(out.Bytes())
		return nil, ErrDecrypt
	}
	return out.Bytes(), nil
}
