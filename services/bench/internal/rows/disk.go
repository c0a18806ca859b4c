package rows

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// Disk returns the size of the file of a stopped program's store, and the size of the pages that
// are in use. bbolt keeps the others for later changes.
func Disk(path string) (file, used int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, fmt.Errorf("read size: %w", err)
	}
	err = view(path, func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			stats := b.Stats()
			used += int64(stats.BranchAlloc + stats.LeafAlloc)
			return nil
		})
	})
	return info.Size(), used, err
}

// Description returns what the store of a stopped program says about its format.
func Description(path string) (pairs []string, err error) {
	err = view(path, func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			pairs = append(pairs, string(name))
			if slices.ContainsFunc(buckets, func(b []byte) bool { return bytes.Equal(b, name) }) {
				return nil
			}
			return b.ForEach(func(k, v []byte) error {
				pairs = append(pairs, string(k), string(v))
				return nil
			})
		})
	})
	return pairs, err
}

// view reads the store of a stopped program.
func view(path string, read func(*bbolt.Tx) error) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	defer func() { _ = db.Close() }()
	if err := db.View(read); err != nil {
		return fmt.Errorf("read store: %w", err)
	}
	return nil
}
