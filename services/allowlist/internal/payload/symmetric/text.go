package symmetric

import (
	"fmt"
	"io"
	"math"
)

// alphanumeric contains the characters of random strings.
const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// RandomText fills dst with uniformly distributed random characters.
func RandomText(random io.Reader, dst []byte) error {
	const fair = 256 - 256%len(alphanumeric)
	for len(dst) > 0 {
		if _, err := io.ReadFull(random, dst); err != nil {
			return fmt.Errorf("generate random string: %w", err)
		}
		n := 0
		for _, b := range dst {
			if int(b) < fair {
				dst[n] = alphanumeric[int(b)%len(alphanumeric)]
				n++
			}
		}
		dst = dst[n:]
	}
	return nil
}

// TextBits returns the random bits of n random characters, rounded down.
func TextBits(n int) int { return int(float64(n) * math.Log2(float64(len(alphanumeric)))) }
