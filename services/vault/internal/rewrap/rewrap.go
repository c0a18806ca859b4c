// Package rewrap runs the operation that wraps the data keys of all values under the primary key of the
// keyring. After it, no value depends on an earlier key, which can then be destroyed.
//
// There is at most one operation at a time. Its state is one row, under the key `rewrap`, so that it
// continues after a restart. The log states neither the row nor its progress: an attacker with write
// access to the file can repeat an operation, or end it early. Neither destroys a key, which the vault
// does only after it has counted the versions that depend on the key.
//
// # Passes
//
// A pass goes through all secrets in the order of their keys ([secret.Store.RewrapSome]). The
// operation is done once a count after a pass finds nothing that depends on another key than the
// primary one. Another pass follows if versions changed while their data keys were being wrapped. If
// the primary key changes, the operation starts over.
//
// # Pace
//
// The operation works in small batches, a quarter of the time, and never examines more secrets a second
// than the rate that its caller chose.
package rewrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

const (
	// DefaultRate is the default number of secrets a second.
	DefaultRate = 2000

	// maxBatch is the maximum number of secrets that a step examines.
	maxBatch = 64
	// share is the part of the time that the operation uses. If steps take long because the machine is
	// busy, the operation pauses for maxPause after each, so that it comes to an end.
	share    = 0.25
	maxPause = 100 * time.Millisecond
	// saveEvery is the time after which the progress is saved.
	saveEvery = time.Second
	// retry is the delay after an error of the store, and again the one before another pass.
	retry = time.Second
	again = 100 * time.Millisecond
)

// The actions that [Config.Record] receives.
const (
	Started  = "rewrap_started"
	Done     = "rewrap_done"
	Canceled = "rewrap_canceled"
	Failed   = "rewrap_failed"
)

// Phase is what became of an operation.
type Phase = stored.RewrapState

// The phases.
const (
	IsRunning  = stored.RewrapState_REWRAP_STATE_RUNNING
	IsDone     = stored.RewrapState_REWRAP_STATE_DONE
	IsCanceled = stored.RewrapState_REWRAP_STATE_CANCELED
	IsFailed   = stored.RewrapState_REWRAP_STATE_FAILED
)

// A State describes the last operation.
type State struct {
	Phase Phase
	// Started is when it was started, and Ended when it ended; zero while it is running.
	Started, Ended time.Time
	// Done is the number of secrets that the current pass examined, and Total their number when it
	// began.
	Done, Total uint64
	// Rewrapped is the number of versions whose data keys were wrapped again.
	Rewrapped uint64
	// Failed is the number of versions whose data keys do not open, in the current pass.
	Failed uint64
	// Rate is the maximum number of secrets a second.
	Rate uint32
	// Key is the ID of the primary key.
	Key string

	position []byte
	// serial distinguishes the operations since the start of the program.
	serial int
}

// Config holds the dependencies of an [Operation]. KV, Secrets, and Primary are required.
type Config struct {
	KV      kv.Store
	Secrets *secret.Store
	// Primary returns the ID of the primary key, which may change at any time.
	Primary func() string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Report receives errors about stored data, at most one for each run; if nil, they are
	// discarded. They contain no names.
	Report func(ctx context.Context, err error)
	// Record is called in the transactions in which an operation starts and ends, with the caller that
	// starts or cancels it; the author is zero if the operation ends by itself. If nil, nothing is
	// recorded.
	Record func(tx kv.Tx, author changelog.Author, action string, state State) error
	// Logger receives other errors; if nil, they are discarded.
	Logger *slog.Logger
}

// An Operation is the operation of a vault. It is safe for concurrent use.
type Operation struct {
	Config

	wake    chan struct{} // holds one element
	metrics metrics

	changing sync.Mutex // held by changes of the row
	mu       sync.Mutex
	state    State
}

// Open returns the operation as it is stored. [Operation.Run] continues it.
func Open(ctx context.Context, cfg Config) (*Operation, error) {
	o := &Operation{Config: cfg, wake: make(chan struct{}, 1)}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	err := o.KV.View(ctx, func(r kv.Reader) (err error) {
		o.state, err = load(r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open rewrap: %w", err)
	}
	o.metrics = newMetrics(o)
	return o, nil
}

// Collectors returns the metrics.
func (o *Operation) Collectors() []prometheus.Collector { return o.metrics }

// State returns the state of the last operation, and whether there was one.
func (o *Operation) State() (State, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state, o.state.Phase != 0
}

func (o *Operation) set(s State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = s
}

// Start starts the operation, and returns its state. If it is running, Start only returns its state. A
// rate of 0 is [DefaultRate].
func (o *Operation) Start(ctx context.Context, author changelog.Author, rate uint32) (State, error) {
	if rate == 0 {
		rate = DefaultRate
	}
	started, err := o.change(ctx, author, Started, func(s *State) bool {
		if s.Phase == IsRunning {
			return false
		}
		*s = State{Phase: IsRunning, Started: o.Now().UTC(), Rate: rate, Key: o.Primary(), serial: s.serial + 1}
		return true
	})
	if err != nil {
		return State{}, fmt.Errorf("start rewrap: %w", err)
	}
	failpoint.Hit(failpoint.RewrapStarted)
	select {
	case o.wake <- struct{}{}:
	default: // it is about to be examined
	}
	return started, nil
}

// Cancel ends the operation if it is running, and returns its state.
func (o *Operation) Cancel(ctx context.Context, author changelog.Author) (State, error) {
	current, _ := o.State()
	canceled, err := o.end(ctx, author, Canceled, IsCanceled, current.serial)
	if err != nil {
		return State{}, fmt.Errorf("cancel rewrap: %w", err)
	}
	return canceled, nil
}

// end ends an operation if it is running.
func (o *Operation) end(ctx context.Context, author changelog.Author, action string, phase Phase, serial int) (State, error) {
	return o.change(ctx, author, action, func(s *State) bool {
		if s.Phase != IsRunning || s.serial != serial {
			return false
		}
		s.Phase, s.Ended, s.position = phase, o.Now().UTC(), nil
		return true
	})
}

// change stores a change of the state, and records it. The change reports whether there is one.
func (o *Operation) change(ctx context.Context, author changelog.Author, action string, fn func(*State) bool) (State, error) {
	o.changing.Lock()
	defer o.changing.Unlock()
	changed, _ := o.State()
	if !fn(&changed) {
		return changed, nil
	}
	err := o.KV.Update(ctx, func(tx kv.Tx) error {
		if err := save(tx, changed); err != nil || o.Record == nil {
			return err
		}
		return o.Record(tx, author, action, changed)
	})
	if err != nil {
		return State{}, err
	}
	o.set(changed)
	return changed, nil
}

// advance changes the progress of an operation, and stores it if store is set. It reports false if the
// operation is not running any more.
func (o *Operation) advance(ctx context.Context, serial int, store bool, fn func(*State)) (running bool, err error) {
	o.changing.Lock()
	defer o.changing.Unlock()
	s, _ := o.State()
	if s.Phase != IsRunning || s.serial != serial {
		return false, nil
	}
	fn(&s)
	if store {
		if err := o.KV.Update(ctx, func(tx kv.Tx) error { return save(tx, s) }); err != nil {
			return false, fmt.Errorf("save progress: %w", err)
		}
	}
	o.set(s)
	return true, nil
}

// Run runs the operation whenever it is started, and a stored one first, until ctx ends.
func (o *Operation) Run(ctx context.Context) {
	for {
		var failed <-chan time.Time
		if err := o.run(ctx); err != nil {
			if ctx.Err() != nil || errors.Is(err, kv.ErrClosed) {
				o.saveLast(context.WithoutCancel(ctx))
				return
			}
			o.Logger.WarnContext(ctx, "rewrapping data keys failed, trying again", slog.Any("error", err))
			failed = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		case <-failed:
		}
	}
}

// saveLast saves the progress at the end of the program.
func (o *Operation) saveLast(ctx context.Context) {
	s, _ := o.State()
	if _, err := o.advance(ctx, s.serial, true, func(*State) {}); err != nil && !errors.Is(err, kv.ErrClosed) {
		o.Logger.WarnContext(ctx, "saving the progress of rewrapping data keys failed; a part is done again", slog.Any("error", err))
	}
}
