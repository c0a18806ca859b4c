package upgrade

import (
	"context"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// A writer collects rows and entries, and writes them in updates within the limits of a store.
type writer struct {
	ctx   context.Context //nolint:containedctx // lasts as long as its upgrade
	store kv.Store
	log   *changelog.Log

	rows    []kv.Pair
	entries []entry
	bytes   int
}

// An entry is an entry with the rows that it lists.
type entry struct {
	changelog.Entry

	listed []changelog.Row
}

// The limits of one update, with room for what entries have besides their rows.
const (
	maxOps   = kv.MaxOps - 1
	maxBytes = kv.MaxBytes / 2
)

// put adds a row.
func (w *writer) put(key, value []byte) error {
	if err := w.makeRoom(len(key) + len(value)); err != nil {
		return err
	}
	w.rows = append(w.rows, kv.Pair{Key: key, Value: value})
	return nil
}

// converted adds rows and then their entries.
func (w *writer) converted(c Converted) error {
	for _, row := range c.Rows {
		if err := w.put(row.Key, row.Value); err != nil {
			return err
		}
	}
	for _, listed := range c.Listed {
		if err := w.makeRoom(sizeOf(listed)); err != nil {
			return err
		}
		w.entries = append(w.entries, entry{c.Entry, listed})
	}
	return nil
}

// makeRoom flushes unless there is room for one more write of a size.
func (w *writer) makeRoom(size int) error {
	full := len(w.rows)+len(w.entries) >= maxOps || w.bytes+size > maxBytes
	if full {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.bytes += size
	return nil
}

// sizeOf returns about the size of the rows in an entry.
func sizeOf(listed []changelog.Row) (size int) {
	const rest = 24 // the digest, and the lengths of both
	for _, row := range listed {
		size += len(row.Ref) + rest
	}
	return size
}

// flush writes what was added.
func (w *writer) flush() error {
	if len(w.rows)+len(w.entries) == 0 {
		return nil
	}
	err := w.store.Update(w.ctx, func(tx kv.Tx) error {
		for _, row := range w.rows {
			if err := tx.Put(row.Key, row.Value); err != nil {
				return err
			}
		}
		for _, e := range w.entries {
			if err := w.log.Append(tx, e.Entry, e.listed...); err != nil {
				return err
			}
		}
		return nil
	})
	w.rows, w.entries, w.bytes = w.rows[:0], w.entries[:0], 0
	return err
}
