// Package witness follows the head of the vault's change log, and reports the allowlist's own.
//
// A vault whose data file was put back to an earlier state is consistent in itself: it has old
// values, enables disabled versions, and reserves nonces a second time. The allowlist notices it,
// because it keeps the last head of the vault's log in its own store. Each new head must extend that
// one, by a consistency proof. If it does not, the allowlist uses nothing from this vault
// (VAULT_ROLLED_BACK) until a super admin confirms a restore ([Witness.Accept]), or until the log
// extends the head again. An unreachable vault is not judged.
//
// # On the path of a request
//
// A data file is replaced only between two runs of the vault. So an answer of the vault is used only
// if the head was verified in the run of the answer ([Witness.Admit]). This compares two strings in
// memory, and calls the vault once per run. [Witness.Run] verifies each later head, at most once a
// second. The epoch says less: it lasts across restarts, and a data file that was replaced unnoticed
// keeps it.
//
// # A restore
//
// A confirmed restore is reported to the vault with the head that it lacks, so that the vault begins
// an epoch and holds what could hurt endpoints; see [Witness.Accept]. The head stays in the store
// until the vault has it.
//
// # The other direction
//
// Each verification also reports the allowlist's own head, for the vault to keep. Neither of the two
// notices that both data files were put back to the same moment.
package witness

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// ReasonRolledBack is the reason for everything that needs a vault whose log does not extend the
// last verified head.
const ReasonRolledBack fault.Reason = "VAULT_ROLLED_BACK"

const (
	// pace is the shortest time between two verifications of [Witness.Run].
	pace = time.Second
	// callBound is the time limit of one verification.
	callBound = 5 * time.Second
	// retryAfter is how long callers should wait: a person has to act.
	retryAfter = 30 * time.Second
	// vaultLog is the name of the vault's log in the store.
	vaultLog = "vault"
	// ownLog is the label of the allowlist's log in metrics.
	ownLog = "allowlist"
)

// Options are the parts of a [Witness]. All except Key are required.
type Options struct {
	Vault vaultv1.VaultServiceClient
	// Store is the allowlist's own store, to which Log is attached.
	Store kv.Store
	Log   *changelog.Log
	// Key is the verifier key of the vault's log, or one before it. If it is empty, the witness keeps the
	// first key that it sees.
	Key     string
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// A Witness follows the vault's log. It is safe for concurrent use.
type Witness struct {
	vault  vaultv1.VaultServiceClient
	kv     kv.Store
	log    *changelog.Log
	kept   changelog.Witness
	pin    string
	logger *slog.Logger
	gauge  prometheus.Gauge
	sizes  *prometheus.GaugeVec // of the witnessed heads, by the service whose log it is

	refused atomic.Bool
	// runs are the runs in which the head was last verified; nil before that, and while it is refused.
	runs atomic.Pointer[runs]
	// heard is the newest head that the watch stated; nil without a watch.
	heard atomic.Pointer[claimed]
	kick  chan struct{} // holds one element while a new run waits to be verified

	// turn holds one element while a verification runs. The fields below belong to it.
	turn chan struct{}
	// verified is the last verified head, and former the key before that of the head.
	verified changelog.SignedHead
	former   string
	// successions are those that the vault last returned with a head.
	successions []string
	// reported is the own head that the vault has, and size is its size as the vault knows it.
	reported string
	size     uint64
	// lost are the heads that were given up, and that the vault does not know yet, oldest first.
	lost []*stored.LostHead
	// unsupported is whether the vault returns no head, mismatched whether it refuses the own one, and
	// untold whether it refuses a lost one. The log says each once.
	unsupported, mismatched, untold bool
}

// claimed is a head that the watch stated.
type claimed struct{ run, checkpoint string }

// New returns a witness that continues from the head in the store.
func New(ctx context.Context, o Options) (*Witness, error) {
	w := &Witness{
		vault: o.Vault, kv: o.Store, log: o.Log, kept: changelog.NewWitness(vaultLog, o.Key), pin: o.Key, logger: o.Logger,
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "keyward_vault_rolled_back",
			Help: "1 while the change log of the vault does not extend the last head that the allowlist verified, 0 otherwise.",
		}),
		sizes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "keyward_log_witnessed_size",
			Help: "Entries of a change log up to the last head that the other service verified.",
		}, []string{"service"}),
		kick: make(chan struct{}, 1), turn: make(chan struct{}, 1),
	}
	for _, c := range []prometheus.Collector{w.gauge, w.sizes} {
		if err := o.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	w.sizes.WithLabelValues(ownLog).Set(0) // until the vault confirms a head
	seen, err := w.seen(ctx)
	if err != nil {
		return nil, err
	}
	w.show(ctx, seen) // also logs a refusal that a restart has not ended
	w.lost, err = w.readLost(ctx)
	return w, err
}

// Refusal returns VAULT_ROLLED_BACK while the vault's log does not extend the last verified head.
func (w *Witness) Refusal() error {
	if w.refused.Load() {
		return rolledBack()
	}
	return nil
}

// Admit fails unless the head of the vault's log was verified in the run of an answer. It verifies the
// head if this is the first answer of the run. Without a run, which early releases of the vault do
// not state, Admit is [Witness.Refusal].
func (w *Witness) Admit(ctx context.Context, run string) error {
	if err := w.Refusal(); err != nil || run == "" || w.current(run) {
		return err
	}
	return w.exclusively(ctx, func(ctx context.Context) error {
		if w.current(run) { // verified for another caller meanwhile
			return w.Refusal()
		}
		return w.verify(ctx, run)
	})
}

// Begin returns the run in which the head is verified, for [Witness.Confirm]. It is empty if the vault
// states none.
func (w *Witness) Begin(ctx context.Context) (run string, err error) {
	if err := w.Refusal(); err != nil {
		return "", err
	}
	if w.runs.Load() == nil {
		err = w.exclusively(ctx, func(ctx context.Context) error { return w.verify(ctx, "") })
	}
	if verified := w.runs.Load(); err == nil && verified != nil {
		run = verified.now.id
	}
	return run, err
}

// Confirm verifies the current head of the vault's log. It fails if the run is not the one from
// [Witness.Begin], because answers in between may then be those of another data file.
func (w *Witness) Confirm(ctx context.Context, began string) error {
	return w.exclusively(ctx, func(ctx context.Context) error { return w.verify(ctx, began) })
}

// Heard receives a head that the watch states. It does not block.
func (w *Witness) Heard(run, checkpoint string) {
	w.heard.Store(&claimed{run, checkpoint})
	if w.current(run) {
		return
	}
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// Run verifies heads and reports the own head until ctx ends: at once in a new run, and otherwise
// once a second after a change.
func (w *Witness) Run(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		// A vault that cannot be reached is not judged, and everything else is logged when it changes.
		_ = w.exclusively(ctx, w.follow)
		select {
		case <-tick.C:
		case <-w.kick:
		case <-ctx.Done():
			return
		}
	}
}

// follow verifies the head that the watch stated, if it is new, and reports the own one and those that
// were given up. Without a watch, and in a new run, it verifies the current head.
func (w *Witness) follow(ctx context.Context) error {
	if err := w.followHeard(ctx); err != nil {
		return err
	}
	return w.reportLost(ctx)
}

func (w *Witness) followHeard(ctx context.Context) error {
	heard := w.heard.Load()
	if heard == nil || !w.current(heard.run) || w.refused.Load() {
		return w.verify(ctx, "")
	}
	if w.old(heard.checkpoint) {
		return w.report(ctx)
	}
	if _, err := changelog.OpenCheckpoint(heard.checkpoint, w.verified.Key); err != nil {
		// The key of the log may have been replaced. GetCheckpoint returns the successions.
		if err := w.verify(ctx, ""); err != nil || !w.current(heard.run) || w.old(heard.checkpoint) {
			return err
		}
	}
	if err := w.judge(ctx, w.claim(changelog.SignedHead{Key: w.verified.Key, Checkpoint: heard.checkpoint})); err != nil {
		return err
	}
	w.grow()
	return w.report(ctx)
}

// old reports whether a head of the current run is the verified one or an older one, which was on its
// way when that one was verified. A data file is not replaced within a run.
func (w *Witness) old(checkpoint string) bool {
	if checkpoint == w.verified.Checkpoint {
		return true
	}
	last, err := changelog.OpenCheckpoint(w.verified.Checkpoint, w.verified.Key)
	if err != nil {
		return false
	}
	head, err := changelog.OpenCheckpoint(checkpoint, w.verified.Key)
	if err != nil {
		// The key before the present one may have signed the same head.
		head, err = changelog.OpenCheckpoint(checkpoint, w.former)
	}
	return err == nil && (head.Size < last.Size || head == last)
}

// claim returns a head with the successions that the vault last returned.
func (w *Witness) claim(head changelog.SignedHead) changelog.Claim {
	return changelog.Claim{SignedHead: head, Successions: w.successions}
}

// Accept makes the current head of the vault's log the verified one, because a person confirmed that
// the vault was restored. It returns the old and the new head, which are the same if the log extends
// the old one. The vault is then informed that its log lacks the old one. If that fails, the head is
// accepted nevertheless, and [Witness.Run] informs the vault later.
func (w *Witness) Accept(ctx context.Context, author changelog.Author) (before, after changelog.Seen, err error) {
	err = w.exclusively(ctx, func(ctx context.Context) error {
		err := w.verify(ctx, "")
		if err != nil && !fault.Is(err, ReasonRolledBack) {
			return err
		}
		var failed error
		if before, failed = w.seen(ctx); failed != nil || before.Refused == nil {
			after = before
			return failed
		}
		if before, after, err = w.accept(ctx, w.claim(*before.Refused), author); err != nil {
			return err
		}
		w.show(ctx, after)
		// Neither can undo the acceptance, and both are repeated.
		if err := w.verify(ctx, ""); err == nil {
			_ = w.reportLost(ctx)
		}
		return nil
	})
	return before, after, err
}

// accept stores an accepted head, and the one that it replaces as lost.
func (w *Witness) accept(ctx context.Context, claim changelog.Claim, author changelog.Author) (before, after changelog.Seen, err error) {
	var lost []*stored.LostHead
	err = w.kv.Update(ctx, func(tx kv.Tx) error {
		successions, err := w.kept.Successions(tx)
		if err != nil {
			return err
		}
		if before, after, err = w.kept.Accept(tx, w.log, claim, author); err != nil {
			return rolledBack().Because(fmt.Errorf("accept head: %w", err))
		}
		lost, err = addLost(tx, &stored.LostHead{Checkpoint: before.Verified.Checkpoint, Successions: successions})
		return err
	})
	if err == nil {
		w.lost = lost
	}
	return before, after, err
}

// Checkpoint returns the signed head of the allowlist's log, and the successions of its keys.
func (w *Witness) Checkpoint(ctx context.Context) (own changelog.Claim, err error) {
	err = w.kv.View(ctx, func(r kv.Reader) error {
		own, err = w.log.Checkpoint(r)
		return err
	})
	return own, err
}

// Prove returns the consistency proof between two sizes of the allowlist's log.
func (w *Witness) Prove(ctx context.Context, from, to uint64) (proof tlog.TreeProof, err error) {
	err = w.kv.View(ctx, func(r kv.Reader) error {
		proof, err = changelog.Prove(r, from, to)
		return err
	})
	return proof, err
}

// exclusively runs one verification at a time.
func (w *Witness) exclusively(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.turn }()
	return fn(ctx)
}

func (w *Witness) seen(ctx context.Context) (seen changelog.Seen, err error) {
	err = w.kv.View(ctx, func(r kv.Reader) error {
		seen, err = w.kept.Seen(r)
		return err
	})
	return seen, err
}

// show follows the stored state, and logs its changes.
func (w *Witness) show(ctx context.Context, seen changelog.Seen) {
	before := w.refused.Load()
	w.set(seen)
	switch refused := seen.Refused != nil; {
	case refused && !before:
		w.logger.ErrorContext(ctx, "the change log of the vault does not extend the last head that the allowlist verified: its data file was rolled back or replaced; its keys are refused until a super admin confirms a restore",
			slog.Uint64("last_size", seen.Size()))
	case !refused && before:
		w.logger.WarnContext(ctx, "the change log of the vault extends the last verified head again, or its head was accepted; its keys are used", slog.Uint64("last_size", seen.Size()))
	}
}

func (w *Witness) set(seen changelog.Seen) {
	w.verified, w.former = seen.Verified, seen.Former
	w.sizes.WithLabelValues(vaultLog).Set(float64(seen.Size()))
	refused := seen.Refused != nil
	if w.refused.Store(refused); refused {
		w.runs.Store(nil) // heads and answers of it are no longer good
		w.gauge.Set(1)
	} else {
		w.gauge.Set(0)
	}
}

func rolledBack() *fault.Error {
	return fault.New(fault.Unavailable, ReasonRolledBack,
		"the vault was rolled back or replaced, so its keys are refused; a super admin must confirm a restore with AcceptVaultCheckpoint").
		Retry(retryAfter)
}
