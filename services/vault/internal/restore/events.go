package restore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// Config holds the dependencies of [Events]. All are required.
type Config struct {
	// KV is the store. The change log must be attached to it.
	KV  kv.Store
	Log *changelog.Log
	Now func() time.Time
	// Holders returns the principals with bindings.
	Holders func(context.Context, kv.Store) ([]string, error)
	Logger  *slog.Logger
}

// Events are the restores of a vault. They are safe for concurrent use.
type Events struct {
	Config

	changing sync.Mutex // held while the record and current change together
	current  atomic.Pointer[state]
	gauge    prometheus.Gauge
}

// A state is the last restore and the present epoch.
type state struct {
	last  Restore
	epoch string
}

// Open returns the restores of a store. It stores an epoch if the store has none.
func Open(ctx context.Context, cfg Config) (*Events, error) {
	e := &Events{Config: cfg, gauge: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "keyward_restore_pending",
		Help: "1 while changes are held after a restore, because resolvers have not reconciled.",
	})}
	var now state
	fresh := newEpoch()
	open := func(r kv.Reader, first func() (string, error)) (err error) {
		if now.last, err = Load(r); err != nil {
			return err
		}
		if now.epoch = now.last.Epoch; now.epoch == "" {
			now.epoch, err = first()
		}
		return err
	}
	err := cfg.KV.View(ctx, func(r kv.Reader) error { return open(r, func() (string, error) { return readEpoch(r) }) })
	if errors.Is(err, kv.ErrNotFound) {
		err = cfg.KV.Update(ctx, func(tx kv.Tx) error { return open(tx, func() (string, error) { return beginEpoch(tx, fresh) }) })
	}
	if err != nil {
		return nil, fmt.Errorf("open restores: %w", err)
	}
	e.show(now)
	if now.last.Pending() {
		e.Logger.WarnContext(ctx, "changes are held after a restore until the resolvers have reconciled", slog.Int("resolvers", now.last.Missing()))
	}
	return e, nil
}

// newEpoch generates an epoch.
func newEpoch() string { return strings.ToLower(rand.Text()) }

// Collector returns the metrics.
func (e *Events) Collector() prometheus.Collector { return e.gauge }

// Epoch returns the present epoch: that of the last restore, or the first of the store. It lasts
// across restarts.
func (e *Events) Epoch() string { return e.current.Load().epoch }

// Last returns the last restore.
func (e *Events) Last() Restore { return e.current.Load().last }

// Begin records that an earlier state of the data was restored.
func (e *Events) Begin(ctx context.Context, author changelog.Author) (Restore, error) {
	holders, err := e.Holders(ctx, e.KV)
	if err != nil {
		return Restore{}, fmt.Errorf("find resolvers: %w", err)
	}
	return e.change(ctx, func(tx kv.Tx, last Restore) (Restore, error) {
		return e.begin(tx, last, holders, author, lostHead{})
	})
}

// A lostHead is a head of the vault's log that the log does not extend.
type lostHead struct {
	text string
	size uint64
}

// begin is the event. The holders are those of a moment before: bindings that come later are made by
// resolvers that know the present state.
func (e *Events) begin(tx kv.Tx, last Restore, holders []string, author changelog.Author, lost lostHead) (Restore, error) {
	head, err := e.Log.Checkpoint(tx)
	if err != nil {
		return last, err
	}
	witnessed, err := changelog.Witnessed(tx)
	if err != nil {
		return last, err
	}
	for name := range witnessed {
		holders = append(slices.Clip(holders), name)
	}
	slices.Sort(holders)
	began := Restore{Epoch: newEpoch(), Reason: author.Reason, Checkpoint: head.Checkpoint, Unknown: last.Unknown}
	for _, name := range slices.Compact(holders) {
		began.list(name)
	}
	began.Lost, began.LargestLost, began.Count, began.FirstVersion = last.Lost, last.LargestLost, last.Count, last.beyond()
	began.Time = e.timestamp()
	began.lose(lost, began.Time)
	err = e.record(tx, &began, author, Restored, lost)
	return began, err
}

// lose counts a restore or a lost head.
func (r *Restore) lose(lost lostHead, now time.Time) {
	r.Count++
	r.FirstVersion = max(r.FirstVersion, firstVersion(now))
	if lost.text != "" {
		r.Lost = append([]string{lost.text}, r.Lost[:min(len(r.Lost), maxLost-1)]...)
		r.LargestLost = max(r.LargestLost, lost.size)
	}
}

// list adds a resolver that has not reconciled.
func (r *Restore) list(name string) {
	if len(r.Resolvers) < maxResolvers {
		r.Resolvers = append(slices.Clip(r.Resolvers), Resolver{Name: name})
	}
}

// index returns the index of a resolver in the list, or -1.
func (r *Restore) index(name string) int {
	return slices.IndexFunc(r.Resolvers, func(one Resolver) bool { return one.Name == name })
}

// record writes a changed record and its entry.
func (e *Events) record(tx kv.Tx, changed *Restore, author changelog.Author, action string, lost lostHead) error {
	detail, err := changed.detail(lost.text)
	if err != nil {
		return err
	}
	return e.save(tx, changed, changelog.Entry{
		Time: e.timestamp(), Actor: author.Actor, Action: action, Detail: detail, Reason: author.Reason, RequestID: author.RequestID,
	})
}

// Lost records a head that a resolver saw and that the log may not extend. It changes nothing if the
// log extends it, or if it is not larger than all that are known to be lost. If the resolver has not
// reconciled since the last restore, the head belongs to that one. Otherwise it is a restore. Lost
// fails with INVALID_FIELD unless a key of this log signed the head.
func (e *Events) Lost(ctx context.Context, resolver, checkpoint string, author changelog.Author) error {
	if counts, err := e.counts(ctx, checkpoint); err != nil || !counts {
		return err
	}
	holders, err := e.Holders(ctx, e.KV)
	if err != nil {
		return fmt.Errorf("find resolvers: %w", err)
	}
	_, err = e.change(ctx, func(tx kv.Tx, last Restore) (Restore, error) {
		head, extended, err := e.Log.Extends(tx, checkpoint)
		if err != nil || extended || head.Size <= last.LargestLost {
			return last, err
		}
		lost := lostHead{checkpoint, head.Size}
		i := last.index(resolver)
		if last.Count == 0 || i >= 0 && !last.Resolvers[i].Reconciled.IsZero() {
			author.Reason = "a resolver saw entries that the change log lacks"
			return e.begin(tx, last, append(slices.Clip(holders), resolver), author, lost)
		}
		found := last
		if found.lose(lost, e.timestamp()); i < 0 {
			found.list(resolver)
		}
		err = e.record(tx, &found, author, FoundLost, lost)
		return found, err
	})
	return err
}

// counts reports whether a head may be new. It spares the vault a transaction for each repetition.
func (e *Events) counts(ctx context.Context, checkpoint string) (counts bool, err error) {
	err = e.KV.View(ctx, func(r kv.Reader) error {
		head, extended, err := e.Log.Extends(r, checkpoint)
		if errors.Is(err, changelog.ErrForeign) {
			return fault.Field("lost_checkpoint", "must be a checkpoint that a key of the vault's log signed").Because(err)
		}
		counts = err == nil && !extended && head.Size > e.Last().LargestLost
		return err
	})
	return counts, err
}

// Reconciled records that a resolver has bound again what it needs, since the restore that began an
// epoch. It has no effect for another epoch, or if the resolver reported before.
func (e *Events) Reconciled(ctx context.Context, resolver, epoch string, author changelog.Author) error {
	if last := e.Last(); last.Count == 0 || last.Epoch != epoch {
		return nil
	}
	_, err := e.change(ctx, func(tx kv.Tx, last Restore) (Restore, error) {
		i := last.index(resolver)
		if last.Epoch != epoch || i >= 0 && !last.Resolvers[i].Reconciled.IsZero() || i < 0 && len(last.Resolvers) >= maxResolvers {
			return last, nil
		}
		after := last
		if after.Resolvers = slices.Clone(last.Resolvers); i < 0 {
			after.list(resolver)
			i = len(after.Resolvers) - 1
		}
		after.Resolvers[i].Reconciled = e.timestamp()
		err := e.record(tx, &after, author, Reconciled, lostHead{})
		return after, err
	})
	return err
}

// Release ends the time in which changes are held, and returns the restore. It has no effect if
// nothing is held.
func (e *Events) Release(ctx context.Context, author changelog.Author) (Restore, error) {
	return e.change(ctx, func(tx kv.Tx, last Restore) (Restore, error) {
		if !last.Pending() {
			return last, nil
		}
		after := last
		after.Released = e.timestamp()
		err := e.record(tx, &after, author, Released, lostHead{})
		return after, err
	})
}

// change runs fn in a transaction and follows the record that it returns.
func (e *Events) change(ctx context.Context, fn func(tx kv.Tx, last Restore) (Restore, error)) (after Restore, err error) {
	e.changing.Lock()
	defer e.changing.Unlock()
	failpoint.Hit(failpoint.RestoreRecording)
	err = e.KV.Update(ctx, func(tx kv.Tx) error {
		last, err := Load(tx)
		if err == nil {
			after, err = fn(tx, last)
		}
		return err
	})
	if err != nil {
		return Restore{}, fmt.Errorf("record restore: %w", err)
	}
	failpoint.Hit(failpoint.RestoreRecorded)
	e.follow(ctx, after)
	return after, nil
}

// follow uses a stored record, and logs what it changes.
func (e *Events) follow(ctx context.Context, after Restore) {
	before := e.current.Load()
	if after.Count == 0 {
		return
	}
	e.show(state{after, after.Epoch})
	switch {
	case after.Epoch != before.epoch:
		e.Logger.WarnContext(ctx, "the vault was restored: a new epoch began", slog.Bool("held", after.Pending()), slog.Int("resolvers", after.Missing()))
	case before.last.Pending() && !after.Pending():
		e.Logger.InfoContext(ctx, "changes are no longer held after the restore", slog.Bool("released", !after.Released.IsZero()))
	}
}

func (e *Events) show(now state) {
	e.current.Store(&now)
	e.gauge.Set(0)
	if now.last.Pending() {
		e.gauge.Set(1)
	}
}

// timestamp returns the current time, without the part that does not survive storing.
func (e *Events) timestamp() time.Time { return e.Now().UTC().Round(0) }
