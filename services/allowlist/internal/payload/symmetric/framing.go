package symmetric

import (
	"crypto/subtle"
	"encoding/binary"
	"io"
)

// A Framing is what surrounds a value inside its ciphertext: random characters, the length of the
// value, and a suffix. The zero Framing adds nothing.
type Framing struct {
	Random int // number of characters
	Length bool
	Suffix string
}

// lengthBytes is the size of the length.
const lengthBytes = 4

// Set reports whether the framing adds anything.
func (f Framing) Set() bool { return f != Framing{} }

// head returns the number of bytes in front of the value.
func (f Framing) head() int {
	if f.Length {
		return f.Random + lengthBytes
	}
	return f.Random
}

// Len returns the length of n bytes with their frame.
func (f Framing) Len(n int) int { return f.head() + n + len(f.Suffix) }

// Wrap returns a copy of a value with its frame.
func (f Framing) Wrap(random io.Reader, value []byte) ([]byte, error) {
	framed := make([]byte, f.Random, f.Len(len(value)))
	if err := RandomText(random, framed); err != nil {
		return nil, err
	}
	if f.Length {
		framed = binary.BigEndian.AppendUint32(framed, uint32(len(value)))
	}
	return append(append(framed, value...), f.Suffix...), nil
}

// Unwrap returns the value in a frame, and whether the frame is exactly as configured. Apart from the
// total length, which is public, it takes the same time for all contents.
func (f Framing) Unwrap(framed []byte) ([]byte, bool) {
	n := len(framed) - f.Len(0)
	if n < 0 {
		return nil, false
	}
	good := 1
	if f.Length {
		good = subtle.ConstantTimeEq(int32(binary.BigEndian.Uint32(framed[f.Random:])), int32(n))
	}
	value, suffix := framed[f.head():][:n], framed[f.head()+n:]
	good &= subtle.ConstantTimeCompare(suffix, []byte(f.Suffix))
	return value, good == 1
}
