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
// compressed data. The sender chooses how long the plaintext is: it is counted first, up to
// [MaxInflated], so that no more memory than its length is used, and no copy of it is left behind.
func inflated(compressed []byte) ([]byte, error) {
	defer clear(compressed)
	from := bytes.NewReader(compressed) // an io.ByteReader, of which the library reads no byte too many
	n, err := io.Copy(io.Discard, io.LimitReader(flate.NewReader(from), MaxInflated+1))
	if err != nil || n > MaxInflated || from.Len() > 0 {
		return nil, ErrDecrypt
	}
	plaintext := make([]byte, n)
	from.Reset(compressed)
	if _, err := io.ReadFull(flate.NewReader(from), plaintext); err != nil {
		return nil, ErrDecrypt
	}
	return plaintext, nil
}
