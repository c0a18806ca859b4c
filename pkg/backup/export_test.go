package backup

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/keyward/keyward/pkg/kv"
)

// ReadAll reads all rows of a backup, without a store.
func ReadAll(ctx context.Context, o Options, from io.Reader) (rows []kv.Pair, err error) {
	_, all, err := o.open(ctx, from)
	if err != nil {
		return nil, err
	}
	for pair, err := range all {
		if err != nil {
			return rows, err
		}
		rows = append(rows, pair)
	}
	return rows, nil
}

// Parse reads a header and, as a plaintext, the rows that follow it. It returns what it read in the form in
// which it would be written.
func Parse(data []byte) (h Header, rows []byte, err error) {
	h, err = ReadHeader(bytes.NewReader(data))
	_, plain, _ := bytes.Cut(data, []byte("\n"))
	_, plain, _ = bytes.Cut(plain, []byte("\n"))
	var again bytes.Buffer
	err2 := writeRows(&again, readRows(bytes.NewReader(plain)))
	return h, again.Bytes(), errors.Join(err, err2)
}
