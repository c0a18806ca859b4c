package boltkv

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/kv"
)

const (
	// minPoll and maxPoll are the delays after which a purge looks whether readers have ended.
	minPoll = time.Millisecond
	maxPoll = 100 * time.Millisecond
	// maxRest is the maximum pause after a step of a purge.
	maxRest = time.Second
)

// Purge overwrites everything that was deleted or replaced before the call with zeros, and returns the
// number of bytes that it has overwritten. If the error is nil, nothing of it is left in the file, and the
// zeros are on disk.
//
// Views and updates continue. A purge works in steps of at most 1 MiB and a few milliseconds, between
// which the store commits updates. It uses a share of the time, which is greater than 0 and at most 1. It waits for views that began
// before the deletion, until ctx ends. Pages that it has overwritten until then stay so, and the next purge
// continues. If nothing was deleted, it costs nothing.
//
// Several purges may run at the same time. After [DB.Close], Purge fails with [kv.ErrClosed].
func (db *DB) Purge(ctx context.Context, share float64) (erased int64, err error) {
	if db.readOnly {
		return 0, ErrReadOnly
	}
	p := &pass{done: make(chan struct{}, 1)}
	poll := minPoll
	for {
		begin := time.Now()
		if err := p.run(ctx, db); err != nil {
			return p.erased, fmt.Errorf("purge: %w", err)
		}
		rest := time.Duration(float64(time.Since(begin)) * (1/share - 1))
		switch {
		case p.complete:
			return p.erased, db.syncZeros()
		case p.blocked:
			rest, poll = max(rest, poll), min(2*poll, maxPoll)
		}
		if err := pause(ctx, min(rest, maxRest)); err != nil && p.blocked {
			return p.erased, fmt.Errorf("purge: a view that began before the deletion is open: %w", err)
		} else if err != nil {
			return p.erased, fmt.Errorf("purge: %w", err)
		}
	}
}

// PurgePending returns the number of bytes in free pages that may not be erased yet. After a start, these
// are all free pages.
func (db *DB) PurgePending() int64 { return db.pending.Load() }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// syncZeros makes the zeros durable that purges have written.
func (db *DB) syncZeros() error {
	db.syncing.Lock()
	defer db.syncing.Unlock()
	if !db.unsynced.Swap(false) {
		return nil
	}
	failpoint.Hit(failpoint.PurgeSyncing)
	if err := db.file.Sync(); err != nil {
		db.unsynced.Store(true)
		return fmt.Errorf("purge: %w", err)
	}
	return nil
}

// A pass is one call of Purge. It goes through the file once, after all pages that it must erase are dirty.
type pass struct {
	// target is the newest commit at the begin, or 0.
	target int
	// at is the page at which the next step continues.
	at uint64
	// ready means that all pages that the pass must erase were dirty when it was at the first page.
	ready bool
	// blocked means that it waits for readers, and complete that it is at its end.
	blocked, complete bool
	erased            int64
	err               error
	done              chan struct{}
}

// run runs a step in the second stage.
func (p *pass) run(ctx context.Context, db *DB) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case db.passes <- p:
		<-p.done
		return p.err
	case <-db.stopped:
		return kv.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step is called by the second stage.
func (p *pass) step(db *DB) {
	p.err = db.purge(p)
	db.pending.Store(db.pages.pending())
	p.done <- struct{}{}
}

// purge erases some pages for a pass.
func (db *DB) purge(p *pass) error {
	if db.broken != nil {
		return db.broken
	}
	if err := db.relearn(); err != nil {
		return err
	}
	if p.target == 0 {
		p.target = db.committed
	}
	if db.pages.waiting(p.target) >= db.committed {
		// A commit without writes replaces the older root page.
		if err := db.disk.note(db.store(newOverlay())); err != nil {
			return err
		}
	}
	if err := db.checkNewest(); err != nil {
		return err
	}
	failpoint.Hit(failpoint.PurgeReady)
	if err := db.pages.release(db.committed, db.states.oldest(), db.file); err != nil {
		return err
	}
	if p.at == 0 {
		p.ready = db.pages.waiting(p.target) == 0
	}
	next, erased, err := db.pages.erase(db.file, p.at)
	failpoint.Hit(failpoint.PurgeErased)
	p.at, p.erased = next, p.erased+erased
	if erased > 0 {
		db.unsynced.Store(true)
	}
	if err != nil {
		return db.disk.note(err)
	}
	ended := next >= db.pages.end()
	p.complete, p.blocked = ended && p.ready, ended && !p.ready
	if ended {
		p.at = 0
	}
	return nil
}

// checkNewest fails if another program has written to the file, see [ErrOverwritten].
func (db *DB) checkNewest() error {
	_, m, err := db.content()
	if err == nil && int(m.tx) != db.committed {
		db.broken = ErrOverwritten
		return db.broken
	}
	return err
}

// content returns the part of the mapped file that its newest root page refers to.
func (db *DB) content() (content []byte, m meta, err error) {
	info := db.bolt.Info()
	start := *(*unsafe.Pointer)(unsafe.Pointer(&info.Data)) //nolint:gosec // bbolt has mapped the file there
	fault := guard(func() {
		m, err = newestMeta(unsafe.Slice((*byte)(start), 2*info.PageSize)) //nolint:gosec // the file has two root pages
	})
	if fault != nil {
		return nil, meta{}, fault
	}
	if err != nil {
		return nil, meta{}, err
	}
	return unsafe.Slice((*byte)(start), int64(m.highWater)*m.pageSize), m, nil //nolint:gosec // bbolt maps at least the pages in use
}

// learn begins to follow the pages of a file whose tree uses these pages.
func (db *DB) learn(used bitmap) error {
	if db.readOnly { // nothing is purged
		return nil
	}
	content, m, err := db.content()
	if err != nil {
		return err
	}
	if fault := guard(func() { db.pages = newPages(content, m, used) }); fault != nil {
		return fault
	}
	db.pending.Store(db.pages.pending())
	return nil
}

// record follows a commit. If that fails, the next purge finds out what is free.
func (db *DB) record() {
	content, m, err := db.content()
	if err == nil {
		err = db.pages.record(content, m)
	}
	if err != nil {
		db.pages.lost = true
	}
	db.pending.Store(db.pages.pending())
}

// relearn walks the tree if it is unknown which pages are free. Updates wait, as for the inspection of
// the file at the start.
func (db *DB) relearn() error {
	if !db.pages.lost {
		return nil
	}
	content, _, err := db.content()
	if err != nil {
		return err
	}
	var found layout
	if fault := guard(func() { found, err = inspect(content) }); fault != nil {
		return fault
	}
	if err != nil {
		return err
	}
	return db.learn(found.used)
}
