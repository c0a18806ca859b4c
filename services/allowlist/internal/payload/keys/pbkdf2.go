package keys

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
)

// pbkdf2 is PBKDF2 with HMAC. The implementation of the standard library cannot be interrupted,
// and takes most of a second at the iteration counts that partners require.
func (d Derivation) pbkdf2(secret, salt []byte, n int, p *pace) ([]byte, error) {
	prf := hmac.New(d.Hash.New, secret)
	size := prf.Size()
	key := make([]byte, 0, n+size)
	sum := make([]byte, 0, size)
	defer clear(sum[:size])
	for block := uint32(1); len(key) < n; block++ {
		prf.Reset()
		prf.Write(salt)
		prf.Write(binary.BigEndian.AppendUint32(nil, block))
		sum = prf.Sum(sum[:0])
		key = append(key, sum...)
		of := key[len(key)-size:]
		for range d.Iterations - 1 {
			if err := p.step(); err != nil {
				clear(key)
				return nil, err
			}
			prf.Reset()
			prf.Write(sum)
			sum = prf.Sum(sum[:0])
			subtle.XORBytes(of, of, sum)
		}
	}
	clear(key[n:])
	return key[:n], nil
}

// A pace counts iterations and pauses between pieces.
type pace struct {
	done  int
	pause func() error
}

func (p *pace) step() error {
	if p.done++; p.done%Piece != 0 {
		return nil
	}
	return p.pause()
}
