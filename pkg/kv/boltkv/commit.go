package boltkv

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime/debug"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/keyward/keyward/pkg/failpoint"
)

// commit is the second stage. It commits the prepared groups in their order.
func (db *DB) commit() {
	defer close(db.stopped)
	debug.SetPanicOnFault(true)
	for {
		select {
		case g, ok := <-db.prepared:
			if !ok {
				return
			}
			db.conclude(g)
		case p := <-db.passes:
			p.step(db)
		}
	}
}

// conclude commits a group and lets its members return.
func (db *DB) conclude(g *group) {
	if g.err == nil && !g.writes.empty() {
		g.err = db.disk.note(db.store(g.writes))
	}
	if g.err != nil {
		// First, so that no request that follows the failure joins a group that falls with this one.
		close(g.finished)
		g.complete(g.err)
		return
	}
	failpoint.Hit(failpoint.StorePublished)
	// Last, so that callers that return at once can join the next group.
	g.complete(nil)
	failpoint.Hit(failpoint.StoreAcknowledged)
	close(g.finished)
}

// store makes writes durable and visible, or undoes all of them.
func (db *DB) store(writes *overlay) error {
	if db.broken != nil {
		return db.broken
	}
	if db.beforeCommit != nil {
		if err := db.beforeCommit(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	failpoint.Hit(failpoint.StorePrepared)
	err := db.apply(writes)
	switch {
	case errors.Is(err, bolterrors.ErrMaxSizeReached):
		return db.applyAndRemap(writes)
	case err != nil:
		return err
	}
	return db.publish()
}

// apply writes and syncs. Writing in the order of the keys visits each page once.
func (db *DB) apply(writes *overlay) error {
	tx, err := db.bolt.Begin(true)
	if err != nil {
		return fmt.Errorf("begin update: %w", err)
	}
	// After a commit, rolling back does nothing.
	defer db.rollback(tx)
	if tx.ID() <= db.committed {
		db.broken = ErrOverwritten
		return db.broken
	}
	fault := guard(func() {
		buckets := openBuckets(tx)
		writes.all(func(e entry) bool {
			bucket := buckets[bucketOf(e.key)]
			if e.deleted {
				err = bucket.Delete(e.key)
			} else {
				err = bucket.Put(e.key, e.stored)
			}
			return err == nil
		})
	})
	if err := errors.Join(fault, err); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	failpoint.Hit(failpoint.StoreWritten)
	if fault := guard(func() { err = tx.Commit() }); fault != nil {
		// bbolt was interrupted at an unknown point, and its list of free pages may be wrong. It can
		// still read but must not write.
		db.broken = fmt.Errorf("commit: %w", fault)
		return db.broken
	}
	if err != nil {
		// With that error, bbolt has not written anything.
		db.pages.lost = db.pages.lost || !errors.Is(err, bolterrors.ErrMaxSizeReached)
		return fmt.Errorf("commit: %w", err)
	}
	failpoint.Hit(failpoint.StoreCommitted)
	db.record()
	return nil
}

func (db *DB) rollback(tx *bbolt.Tx) {
	if fault := guard(func() { _ = tx.Rollback() }); fault != nil {
		db.broken = fmt.Errorf("roll back: %w", fault)
	}
}

// applyAndRemap is apply for writes for which bbolt must map the file again. bbolt waits for all
// readers before that, so the store must not keep a state open. It would wait for itself.
func (db *DB) applyAndRemap(writes *overlay) (err error) {
	db.states.without(func() {
		db.bolt.MaxSize = 0
		err = db.apply(writes)
		err = errors.Join(err, db.publish())
	})
	// If that fails, the file only uses more memory. bbolt panics if it could not map the file.
	_ = guard(func() { _ = db.unlock() })
	return err
}

// publish makes the state that bbolt has committed the newest one.
func (db *DB) publish() error {
	if err := db.states.publish(db.bolt); err != nil {
		db.broken = err
		return err
	}
	db.committed = db.states.newest.Load().tx.ID()
	db.limit()
	return nil
}

// settle repeats the root page of the last commit in place of that before, so that the file has two
// root pages with the same content while it is closed. A failure is not an error: the file is complete
// without.
func (db *DB) settle() {
	if db.broken == nil && db.committed != db.opened {
		_ = guard(func() { _ = db.apply(newOverlay()) })
	}
}

// limit makes bbolt refuse to grow the file beyond what is mapped with
// [bolterrors.ErrMaxSizeReached]. bbolt compares with the new size plus AllocSize.
func (db *DB) limit() {
	size := int(db.states.newest.Load().tx.Size())
	db.bolt.MaxSize = mapped(max(size, db.mapSize)) + db.bolt.AllocSize - 1
}

// mapped returns the size of bbolt's mapping of a file: the next power of two up to 1 GiB, and then
// the next multiple of 1 GiB.
func mapped(size int) int {
	const step = 1 << 30
	if size > step {
		return (size + step - 1) / step * step
	}
	return 1 << bits.Len(uint(size-1))
}
