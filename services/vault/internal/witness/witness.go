// Package witness keeps the last head of the change log of each resolver, and publishes the vault's
// own.
//
// A resolver whose data file was rolled back has forgotten bindings, used nonces, and endpoints
// that were switched off. It cannot notice that itself, because the older file is consistent. So
// each resolver reports its head once a second while it changes, with a proof that it extends the
// last reported one ([Heads.Report]). If it does not, the vault refuses to serve the resolver
// ([Heads.Admit]) until a super admin confirms a restore ([Heads.Accept]).
//
// The judgment survives restarts: it is stored with the head (package changelog).
package witness

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// ReasonMismatch is the reason for a resolver whose log does not extend its last head.
const ReasonMismatch fault.Reason = "WITNESS_MISMATCH"

// Heads keeps the heads. It is safe for concurrent use.
type Heads struct {
	kv     kv.Store
	log    *changelog.Log
	logger *slog.Logger

	changing sync.Mutex // held while a head and refused change together
	refused  atomic.Pointer[map[string]bool]
	gauge    prometheus.Gauge
}

// Open returns the heads in a store, to which the vault's log is attached.
func Open(ctx context.Context, store kv.Store, log *changelog.Log, logger *slog.Logger) (*Heads, error) {
	h := &Heads{kv: store, log: log, logger: logger, gauge: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "keyward_resolvers_rolled_back",
		Help: "Resolvers that are refused because their change log does not extend the last head that the vault saw.",
	})}
	refused := make(map[string]bool)
	err := store.View(ctx, func(r kv.Reader) error {
		all, err := changelog.Witnessed(r)
		for resolver, seen := range all {
			if seen.Refused != nil {
				refused[resolver] = true
				h.logRefusal(ctx, seen)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read heads of resolvers: %w", err)
	}
	h.show(refused)
	return h, nil
}

// Collector returns the metrics.
func (h *Heads) Collector() prometheus.Collector { return h.gauge }

// Admit fails with WITNESS_MISMATCH for a resolver whose last reported head was refused.
func (h *Heads) Admit(resolver string) error {
	if (*h.refused.Load())[resolver] {
		return mismatch()
	}
	return nil
}

// A Report is the head of a resolver's log, with the proof that it extends the last one. The key of the
// first report is kept. Successions lead from it to another one.
type Report struct {
	changelog.Claim
	// OldSize is the size at which the proof starts.
	OldSize uint64
	Proof   tlog.TreeProof
}

// Report judges and stores a reported head. It returns the size of the last verified head, and
// whether that is the reported one. If the proof does not start at the last one, Report judges
// nothing: the report is late, or the resolver does not know the size yet. A head that does not
// extend the last one is WITNESS_MISMATCH.
func (h *Heads) Report(ctx context.Context, resolver string, report Report) (size uint64, witnessed bool, err error) {
	if _, err := changelog.OpenCheckpoint(report.Checkpoint, report.Key); err != nil {
		return 0, false, fault.Field("checkpoint", "must be a checkpoint that verifier_key verifies").Because(err)
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	witness, judged := changelog.NewWitness(resolver, ""), false
	var seen changelog.Seen
	err = h.kv.Update(ctx, func(tx kv.Tx) error {
		seen, err = witness.Seen(tx)
		if judged = err == nil && seen.Size() == report.OldSize; judged {
			seen, err = witness.Extend(tx, report.Claim, report.Proof)
		}
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("witness head: %w", err)
	}
	if !judged {
		return seen.Size(), false, nil
	}
	h.set(ctx, resolver, seen)
	if seen.Refused != nil {
		return 0, false, mismatch()
	}
	return seen.Size(), true, nil
}

// Accept makes the refused head of a resolver its last verified one, and returns the old and the
// new head. It changes nothing if no head is refused.
func (h *Heads) Accept(ctx context.Context, resolver string, author changelog.Author) (before, after changelog.Seen, err error) {
	h.changing.Lock()
	defer h.changing.Unlock()
	witness := changelog.NewWitness(resolver, "")
	err = h.kv.Update(ctx, func(tx kv.Tx) error {
		before, err = witness.Seen(tx)
		after = before
		switch {
		case err != nil:
			return err
		case before == changelog.Seen{}:
			return fault.Field("resolver", "must be a resolver that has reported a checkpoint")
		case before.Refused == nil:
			return nil
		}
		before, after, err = witness.Accept(tx, h.log, changelog.Claim{SignedHead: *before.Refused}, author)
		return err
	})
	if err != nil {
		return before, after, err
	}
	h.set(ctx, resolver, after)
	return before, after, nil
}

// Checkpoint returns the signed head of the vault's log in the present epoch, and the successions of its
// keys.
func (h *Heads) Checkpoint(ctx context.Context) (own changelog.Claim, err error) {
	err = h.kv.View(ctx, func(r kv.Reader) error {
		own, err = restore.Checkpoint(r, h.log)
		return err
	})
	return own, err
}

// Prove returns the consistency proof between two sizes of the vault's log.
func (h *Heads) Prove(ctx context.Context, from, to uint64) (proof tlog.TreeProof, err error) {
	err = h.kv.View(ctx, func(r kv.Reader) error {
		proof, err = changelog.Prove(r, from, to)
		return err
	})
	return proof, err
}

// set follows the stored state of a resolver, and logs its changes.
func (h *Heads) set(ctx context.Context, resolver string, seen changelog.Seen) {
	before := *h.refused.Load()
	if before[resolver] == (seen.Refused != nil) {
		return
	}
	refused := maps.Clone(before)
	if delete(refused, resolver); seen.Refused != nil {
		refused[resolver] = true
		h.logRefusal(ctx, seen)
	} else {
		h.logger.WarnContext(ctx, "the change log of a resolver extends its last head again; it is served", slog.Uint64("last_size", seen.Size()))
	}
	h.show(refused)
}

func (h *Heads) logRefusal(ctx context.Context, seen changelog.Seen) {
	h.logger.ErrorContext(ctx, "the change log of a resolver does not extend the last head that the vault saw: its data file was rolled back or replaced; it is refused until a super admin confirms a restore",
		slog.Uint64("last_size", seen.Size()))
}

func (h *Heads) show(refused map[string]bool) {
	h.refused.Store(&refused)
	h.gauge.Set(float64(len(refused)))
}

func mismatch() error {
	return fault.New(fault.FailedPrecondition, ReasonMismatch,
		"the change log of this resolver does not extend the last head that the vault saw; a super admin must confirm a restore with AcceptResolverCheckpoint")
}
