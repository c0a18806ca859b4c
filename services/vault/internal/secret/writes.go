package secret

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// A writes is a transaction that collects the rows that it changes, for the entry about the
// change.
type writes struct {
	kv.Tx
	rows  []changelog.Row
	stale int // the number of removed fingerprints of deleted secrets
	// size is the number of entries in the log before the commit, once it was read.
	size  uint64
	sized bool
	// held is what the change adds to the use of a workspace, over all runs of the transaction.
	held *held
}

// write runs fn in a transaction.
func (s *Store) write(ctx context.Context, fn func(tx *writes) error) error {
	held, err := new(held), errUnsettled
	defer func() { s.quotas.settle(held, err) }() // even after a panic
	err = s.kv.Update(ctx, func(tx kv.Tx) error {
		s.quotas.release(held)
		if err := fn(&writes{Tx: tx, held: held}); err != nil {
			return err
		}
		return s.quotas.reserve(held)
	})
	if err == nil {
		s.hintChanges()
	}
	return err
}

// next returns the sequence number of the next entry.
func (w *writes) next() (uint64, error) {
	if !w.sized {
		var err error
		if w.size, err = changelog.Size(w.Tx); err != nil {
			return 0, fmt.Errorf("read change log: %w", err)
		}
		w.sized = true
	}
	return w.size + uint64(w.Appended(changelog.Name)), nil
}

// pending reports whether an entry belongs to the commit of the transaction, and is therefore not in
// the log yet.
func (w *writes) pending(sequence uint64) (bool, error) {
	next, err := w.next()
	return w.size <= sequence && sequence < next, err
}

// put writes a row that the next entry lists.
func (w *writes) put(at row, m proto.Message) error {
	value, err := encode(m)
	if err != nil {
		return err
	}
	w.add(changelog.Row{Ref: at.ref, Value: statedForm(at.ref, value)})
	return w.Put(at.key, value)
}

// delete removes a row, which the next entry lists.
func (w *writes) delete(at row) error {
	w.add(changelog.Row{Ref: at.ref})
	return w.Delete(at.key)
}

// add adds a row to the next entry, in place of what was written to it before.
func (w *writes) add(to changelog.Row) {
	w.rows = slices.DeleteFunc(w.rows, func(r changelog.Row) bool { return r.Ref == to.Ref })
	w.rows = append(w.rows, to)
}

// wrote reports whether the next entry lists a row.
func (w *writes) wrote(ref string) bool {
	return slices.ContainsFunc(w.rows, func(r changelog.Row) bool { return r.Ref == ref })
}

// take returns the rows for the next entry.
func (w *writes) take() []changelog.Row {
	rows := w.rows
	w.rows = nil
	return rows
}
