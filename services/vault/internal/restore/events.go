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
	open := func(r kv.Reader) (err error) {
		if now.last, err = Load(r); err == nil {
			now.epoch, err = now.last.present(r)
		}
		return err
	}
	err := cfg.KV.View(ctx, open)
	if errors.Is(err, kv.ErrNotFound) {
		fresh := newEpoch()
		err = cfg.KV.Update(ctx, func(tx kv.Tx) error {
			if err := open(tx); !errors.Is(err, kv.ErrNotFound) {
				return err
			}
			now.epoch = fresh
			return beginEpoch(tx, fresh)
		})
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

// A Head is a signed head of the vault's log, with the successions of keys with which it came.
type Head struct {
	Checkpoint  string
	Successions []string
}

// A lostHead is a head of the vault's log that the log does not extend.
type lostHead struct {
	changelog.Checkpoint

	text string
}

// A verdict is what a lost head means.
type verdict int

const (
	nothing  verdict = iota // it is known to be lost, or shows nothing new
	late                    // it shows what the last restore lost, or one before
	rollback                // it shows a rollback that was no event yet
)

// judge returns what a lost head of a resolver means, in the present epoch.
func (r Restore) judge(lost lostHead, present, resolver string) verdict {
	unknown := lost.Epoch != "" && !slices.Contains(r.Ended, lost.Epoch) && len(r.Ended) < maxEnded
	switch {
	case lost.Epoch == present:
		return rollback
	case !unknown && lost.Size <= r.LargestLost:
		return nothing
	case (unknown || lost.Epoch == "") && !r.reconciles(resolver):
		return rollback
	}
	return late
}

// reconciles reports whether a resolver has not reconciled since the last restore.
func (r Restore) reconciles(resolver string) bool {
	i := r.index(resolver)
	return r.Count > 0 && (i < 0 || r.Resolvers[i].Reconciled.IsZero())
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
	began.Lost, began.LargestLost, began.Ended, began.Count, began.FirstVersion = last.Lost, last.LargestLost, last.Ended, last.Count, last.beyond()
	before, err := last.present(tx)
	if err != nil {
		return last, err
	}
	began.end(before)
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
		r.LargestLost = max(r.LargestLost, lost.Size)
		r.end(lost.Epoch)
	}
}

// end adds an epoch to those that ended. The epoch of an early head is empty.
func (r *Restore) end(epoch string) {
	if epoch != "" && !slices.Contains(r.Ended, epoch) {
		r.Ended = append([]string{epoch}, r.Ended[:min(len(r.Ended), maxEnded-1)]...)
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
// log extends it. Otherwise, the head may be a restore; see the package documentation. Lost fails with
// INVALID_FIELD unless a key of this log signed the head, or one to which the successions lead.
func (e *Events) Lost(ctx context.Context, resolver string, head Head, author changelog.Author) error {
	if means, err := e.means(ctx, resolver, head); err != nil || means == nothing {
		return err
	}
	holders, err := e.Holders(ctx, e.KV)
	if err != nil {
		return fmt.Errorf("find resolvers: %w", err)
	}
	_, err = e.change(ctx, func(tx kv.Tx, last Restore) (Restore, error) {
		lost, means, err := e.examine(tx, last, resolver, head)
		if err != nil || means == nothing {
			return last, err
		}
		if means == rollback {
			author.Reason = "a resolver saw entries that the change log lacks"
			return e.begin(tx, last, append(slices.Clip(holders), resolver), author, lost)
		}
		found := last
		if found.lose(lost, e.timestamp()); found.index(resolver) < 0 {
			found.list(resolver)
		}
		err = e.record(tx, &found, author, FoundLost, lost)
		return found, err
	})
	return err
}

// examine returns a head, and what it means.
func (e *Events) examine(r kv.Reader, last Restore, resolver string, head Head) (lost lostHead, means verdict, err error) {
	content, extended, err := e.Log.Extends(r, head.Checkpoint, head.Successions)
	if errors.Is(err, changelog.ErrForeign) {
		return lost, nothing, fault.Field("lost_checkpoint", "must be a checkpoint that a key of the vault's log signed").Because(err)
	}
	if err != nil || extended {
		return lost, nothing, err
	}
	present, err := last.present(r)
	lost = lostHead{content, head.Checkpoint}
	return lost, last.judge(lost, present, resolver), err
}

// means returns what a head means. It spares the vault a transaction for each repetition.
func (e *Events) means(ctx context.Context, resolver string, head Head) (means verdict, err error) {
	err = e.KV.View(ctx, func(r kv.Reader) error {
		last, err := Load(r)
		if err == nil {
			_, means, err = e.examine(r, last, resolver, head)
		}
		return err
	})
	return means, err
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
