package symmetric

import (
	"fmt"
	"io"
	"math"
)

// alphanumeric are the characters of random texts.
const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// RandomText fills dst with random characters, each as likely as the others.
func RandomText(random io.Reader, dst []byte) error {
	const fair = 256 - 256%len(alphanumeric)
	for len(dst) > 0 {
		if _, err := io.ReadFull(random, dst); err != nil {
			return fmt.Errorf("generate text: %w", err)
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

// TextBits returns the whole random bits of n random characters.
func TextBits(n int) int { return int(float64(n) * math.Log2(float64(len(alphanumeric)))) }
