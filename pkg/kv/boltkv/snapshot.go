package boltkv

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"os"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

// # Snapshots
//
// A snapshot has all rows of one state in their stored form, with their MACs. [Write] writes the same
// rows to a new file, so a program needs no secret of a store to copy it. Free pages, which may still hold
// deleted data, are not part of a snapshot.

// Snapshot passes a reader of the newest state to fn, and all rows of that state in the order of their
// keys. The value of a pair is the stored form, and neither it nor the key may be used after the
// next pair. Each row is verified first: a damaged one ends the rows with an error that wraps
// [kv.ErrCorrupt].
//
// The state stays open until fn returns. Until then, updates cannot reuse the pages that they free, so
// the file grows by what they write. A file that outgrows its reserved address space ([Options]) waits
// for fn, with all updates and views.
func (db *DB) Snapshot(ctx context.Context, fn func(r kv.Reader, rows iter.Seq2[kv.Pair, error]) error) error {
	return db.view(ctx, func(s *snapshot) error {
		return fn(s, func(yield func(kv.Pair, error) bool) { s.stored(ctx, yield) })
	})
}

// stored yields all rows in their stored form.
func (s *snapshot) stored(ctx context.Context, yield func(kv.Pair, error) bool) {
	it := iterator{s: s}
	defer it.cursors.end(s.state)
	it.start()
	var copied []byte
	for {
		if err := ctx.Err(); err != nil {
			yield(kv.Pair{}, err)
			return
		}
		pair, err := it.nextStored(copied[:0])
		if err == nil && pair.Key == nil || !yield(pair, err) || err != nil {
			return
		}
		copied = pair.Value
	}
}

// nextStored returns the next row, whose value is appended to into. The copy is what is verified, so
// that a change of the file in the meantime is noticed.
func (it *iterator) nextStored(into []byte) (pair kv.Pair, err error) {
	defer damage(&err)
	key, stored := it.merge()
	if key == nil {
		return kv.Pair{}, nil
	}
	pair = kv.Pair{Key: key, Value: append(into, stored...)}
	_, err = it.s.rows.verify(pair.Key, pair.Value)
	return pair, err
}

// ErrRows means that rows are not those of a snapshot: malformed, or not in the order of the keys.
var ErrRows = errors.New("the rows are not those of a store")

// Temp returns a new name for a temporary file next to the store at path. Opening the store erases and
// removes such a file, unless it is another name of the store or locked.
func Temp(path string) string { return path + tempInfix + rand.Text() }

// Write writes the rows of a snapshot to a new file at path, which must not exist, and syncs it. If it
// fails, the file may remain. It does not verify the rows, which takes the secrets of their store.
func Write(path string, rows iter.Seq2[kv.Pair, error]) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Close(), initialize(path)); err != nil {
		return fmt.Errorf("create store %s: %w", path, err)
	}
	if err := fillFile(path, func(bolt *bbolt.DB) error { return writeRows(bolt, rows) }); err != nil {
		return fmt.Errorf("write store %s: %w", path, err)
	}
	return nil
}

// writeRows writes rows in transactions of [compactTx] bytes.
func writeRows(bolt *bbolt.DB, rows iter.Seq2[kv.Pair, error]) error {
	next, stop := iter.Pull2(rows)
	defer stop()
	var last []byte
	for more := true; more; {
		err := bolt.Update(func(tx *bbolt.Tx) (err error) {
			more, err = writeSome(tx, next, &last)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func writeSome(tx *bbolt.Tx, next func() (kv.Pair, error, bool), last *[]byte) (more bool, err error) {
	buckets := openBuckets(tx)
	for size := 0; size < compactTx; {
		pair, err, ok := next()
		if !ok || err != nil {
			return false, err
		}
		if len(pair.Key) == 0 || len(pair.Key) > kv.MaxKey || len(pair.Value) == 0 || bytes.Compare(pair.Key, *last) <= 0 {
			return false, ErrRows
		}
		// bbolt keeps both until the transaction ends.
		*last = bytes.Clone(pair.Key)
		if err := buckets[bucketOf(pair.Key)].Put(*last, bytes.Clone(pair.Value)); err != nil {
			return false, err
		}
		size += len(pair.Key) + len(pair.Value)
	}
	return true, nil
}
