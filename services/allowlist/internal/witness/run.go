package witness

import "context"

// A run is what is known about one run of the vault.
type run struct {
	id string
	// epoch is the last epoch that the vault stated, and pending whether it holds changes after a
	// restore.
	epoch   string
	pending bool
	// size is that of the last head that was verified in the run.
	size uint64
}

// runs are the run in which the head was last verified, and the one before it.
type runs struct{ now, before run }

// An Epoch is a history of the vault.
type Epoch struct {
	// ID identifies it. It is empty if the vault states none.
	ID string
	// Pending says that the vault was restored, and holds changes until the allowlist has compared the
	// bindings with what it needs.
	Pending bool
}

// Epoch verifies the current head of the vault's log, and returns the epoch. It fails while the vault
// does not know all heads that its log lacks: they may begin another epoch, and a vault that holds no
// changes any more must know where the numbers of its versions go on.
func (w *Witness) Epoch(ctx context.Context) (Epoch, error) {
	var epoch Epoch
	err := w.exclusively(ctx, func(ctx context.Context) error {
		if err := w.verify(ctx, ""); err != nil {
			return err
		}
		if err := w.reportLost(ctx); err != nil {
			return err
		}
		if known := w.runs.Load(); known != nil {
			epoch = Epoch{known.now.epoch, known.now.pending}
		}
		return nil
	})
	return epoch, err
}

// Covers reports whether a head of at least a size was verified in a run: the run of the last
// verification, or the one before it. Then the later runs have the same first entries.
func (w *Witness) Covers(id string, size uint64) bool {
	known := w.runs.Load()
	switch {
	case known == nil || id == "":
		return false
	case id == known.now.id:
		return size <= known.now.size
	case id == known.before.id:
		return size <= known.before.size
	}
	return false
}

// current reports whether the head was verified in a run.
func (w *Witness) current(id string) bool {
	known := w.runs.Load()
	return known != nil && known.now.id == id
}

// enter records the run in which the head was verified.
func (w *Witness) enter(now run) {
	next := runs{now: now}
	if known := w.runs.Load(); known != nil {
		next.before = known.before
		if known.now.id != now.id {
			next.before = known.now
		}
	}
	w.runs.Store(&next)
}

// grow records that a later head was verified in the current run.
func (w *Witness) grow() {
	next := *w.runs.Load()
	next.now.size = w.verified.Size()
	w.runs.Store(&next)
}
