package backup

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/sensitive"
)

const (
	// segment is the size of an encrypted segment.
	segment = 1 << 20
	keySize = 32
	// rowHead and rowEnd are the sizes of what precedes a row, and of the end.
	rowHead = 2 + 4
	rowEnd  = 2 + 8
	// maxValue is far above the size of a stored row.
	maxValue = 2 * kv.MaxBytes
)

// newCipher returns the cipher of a backup.
func newCipher(key sensitive.Bytes) (*subtle.AESGCMHKDF, error) {
	c, err := subtle.NewAESGCMHKDF(key.Reveal(), "SHA256", keySize, segment, 0)
	if err != nil {
		return nil, fmt.Errorf("use key of backup: %w", err)
	}
	return c, nil
}

// writeRows writes rows and their end, which states their number.
func writeRows(to io.Writer, rows iter.Seq2[kv.Pair, error]) error {
	var count uint64
	var head [rowEnd]byte
	for pair, err := range rows {
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint16(head[:], uint16(len(pair.Key)))
		binary.BigEndian.PutUint32(head[2:], uint32(len(pair.Value)))
		for _, part := range [][]byte{head[:rowHead], pair.Key, pair.Value} {
			if _, err := to.Write(part); err != nil {
				return err
			}
		}
		count++
	}
	binary.BigEndian.PutUint16(head[:], 0)
	binary.BigEndian.PutUint64(head[2:], count)
	_, err := to.Write(head[:])
	return err
}

// readRows yields the rows of a plaintext. It ends after the first error, which is [ErrDamaged] unless
// the rows end as they should.
func readRows(from io.Reader) iter.Seq2[kv.Pair, error] {
	plain := bufio.NewReader(from)
	return func(yield func(kv.Pair, error) bool) {
		for count := uint64(0); ; count++ {
			pair, err := readRow(plain, count)
			if err == nil && pair.Key == nil || !yield(pair, err) || err != nil {
				return
			}
		}
	}
}

// readRow returns the next row, or none at the end. There are count rows before it.
func readRow(plain *bufio.Reader, count uint64) (pair kv.Pair, err error) {
	var head [rowEnd]byte
	if _, err := io.ReadFull(plain, head[:2]); err != nil {
		return kv.Pair{}, damaged(err)
	}
	size := binary.BigEndian.Uint16(head[:])
	if size == 0 {
		return kv.Pair{}, readEnd(plain, count)
	}
	if _, err := io.ReadFull(plain, head[2:rowHead]); err != nil {
		return kv.Pair{}, damaged(err)
	}
	value := binary.BigEndian.Uint32(head[2:])
	if size > kv.MaxKey || value > maxValue {
		return kv.Pair{}, fmt.Errorf("%w: a row is too large", ErrDamaged)
	}
	row := make([]byte, int(size)+int(value))
	if _, err := io.ReadFull(plain, row); err != nil {
		return kv.Pair{}, damaged(err)
	}
	return kv.Pair{Key: row[:size:size], Value: row[size:]}, nil
}

// readEnd reads the number of rows, after which nothing follows.
func readEnd(plain *bufio.Reader, count uint64) error {
	var number [8]byte
	if _, err := io.ReadFull(plain, number[:]); err != nil {
		return damaged(err)
	}
	if binary.BigEndian.Uint64(number[:]) != count {
		return fmt.Errorf("%w: another number of rows", ErrDamaged)
	}
	if _, err := plain.ReadByte(); err != io.EOF {
		return damaged(err)
	}
	return nil
}

// damaged returns ErrDamaged for rows that end early or that the cipher refuses.
func damaged(err error) error { return fmt.Errorf("%w: %w", ErrDamaged, err) }
