package boltkv

import (
	"bytes"
	"context"
	"errors"

	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/kv"
)

// # Replacing the secret for MACs
//
// A running store gets an authenticator with a further generation, which becomes the current one. From
// the next transaction on, rows are written under it, and rows of all generations are read.
// Reauthenticate writes the rows of the others again. Once [DB.Generations] counts no row of a
// generation, an authenticator without that generation takes over.
//
// A transaction keeps the authenticator with which it began, so an update that began before the
// change may commit a row of the earlier generation after it, behind the position of a pass. A pass
// therefore begins with a fence: an update that begins after the change. Updates commit in the order
// in which their functions ran, so the earlier ones are committed when it returns.

// sliceRows is the number of rows after which a count of all rows begins a new transaction.
const sliceRows = 1000

// Reauthenticate writes rows that are authenticated under another generation than the current one
// again, with the same values. It examines at most limit rows after a key, in the order of the keys,
// or from the first row if after is nil. It ends early when it has found as many rows as one update
// holds. It returns the key after which to continue, which is nil at the end of the store, and the
// number of rows that it wrote. Exempt rows remain as they are.
//
// Rows that fail verification remain as they are, too. The error then wraps [kv.ErrCorrupt], and the
// results are valid nevertheless, so that the caller can continue.
func (db *DB) Reauthenticate(ctx context.Context, after []byte, limit int) (next []byte, rewritten int, err error) {
	if after == nil {
		if err := db.fence(ctx); err != nil {
			return nil, 0, err
		}
	}
	var outdated [][]byte
	size := 0
	next, err = db.scanStored(ctx, after, limit, func(rows *rows, key, stored []byte) (done bool) {
		if !rows.outdated(key, stored) {
			return true
		}
		if size += len(key) + len(stored); len(outdated) > 0 && (len(outdated) == kv.MaxOps || size > kv.MaxBytes) {
			return false
		}
		outdated = append(outdated, bytes.Clone(key))
		return true
	})
	if err != nil || len(outdated) == 0 {
		return next, 0, err
	}
	var corrupt error
	err = db.Update(ctx, func(tx kv.Tx) (err error) {
		rewritten, corrupt, err = rewrite(tx, outdated)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	failpoint.Hit(failpoint.StoreReauthenticated)
	return next, rewritten, corrupt
}

// rewrite writes rows again, with the same values. It passes over rows that were deleted in the
// meantime, and over those that fail verification, the last of which it returns as corrupt.
func rewrite(tx kv.Tx, keys [][]byte) (rewritten int, corrupt, err error) {
	for _, key := range keys {
		value, err := tx.Get(key)
		switch {
		case errors.Is(err, kv.ErrNotFound):
			continue
		case errors.Is(err, kv.ErrCorrupt):
			corrupt = err
			continue
		case err == nil:
			err = tx.Put(key, value)
		}
		if err != nil {
			return 0, nil, err
		}
		rewritten++
	}
	return rewritten, corrupt, nil
}

// Generations returns the number of rows by the generation under which they are authenticated, without
// exempt rows. It reads all keys, in many short transactions. No row is missing: a transaction that
// begins after the call writes rows of the current generation only.
func (db *DB) Generations(ctx context.Context) (map[byte]uint64, error) {
	if err := db.fence(ctx); err != nil {
		return nil, err
	}
	counts := make(map[byte]uint64)
	for next, first := []byte(nil), true; first || next != nil; first = false {
		var err error
		next, err = db.scanStored(ctx, next, sliceRows, func(rows *rows, key, stored []byte) (done bool) {
			if rows.authenticates(key) {
				counts[generation(stored)]++
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// fence returns once all updates that began before the call are committed.
func (db *DB) fence(ctx context.Context) error {
	return db.Update(ctx, func(kv.Tx) error { return nil })
}

// scanStored visits at most limit committed rows after a key, in their stored form, until visit is not
// done with one. It returns the key of the last one with which visit was done, or nil at the end of
// the store.
func (db *DB) scanStored(
	ctx context.Context, after []byte, limit int, visit func(rows *rows, key, stored []byte) (done bool),
) (last []byte, err error) {
	err = db.view(ctx, func(s *snapshot) (err error) {
		defer damage(&err)
		it := iterator{s: s}
		if after != nil {
			it.r = kv.Range{}.Behind(after)
		}
		defer it.cursors.end(s.state)
		it.start()
		for range limit {
			key, stored := it.merge()
			if key == nil {
				last = nil
				return nil
			}
			if !visit(s.rows, key, stored) {
				break
			}
			last = key
		}
		last = bytes.Clone(last)
		return nil
	})
	return last, err
}

// outdated reports whether a row has a MAC of another generation than the current one.
func (r *rows) outdated(key, stored []byte) bool {
	return r.authenticates(key) && generation(stored) != r.authenticator.Current()
}

// generation returns the generation of a stored row. Rows without one are damaged, and count as rows
// without a MAC.
func generation(stored []byte) byte {
	if len(stored) == 0 {
		return 0
	}
	return stored[0]
}
