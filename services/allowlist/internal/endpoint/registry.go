package endpoint

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/search"
	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
	"github.com/keyward/keyward/services/allowlist/internal/verify"
)

// SaveBound is the maximum time of a save from its intent to its commit. An older intent is
// treated as the remains of a crash.
const SaveBound = 5 * time.Second

// Options are the dependencies and settings of a registry. All except Step are required.
type Options struct {
	Store   kv.Store
	Log     *changelog.Log
	Replays *replay.Ledger
	Vault   *vaultclient.Vault
	// Holder is the identity of this allowlist in the vault. Bindings of other holders are not
	// touched.
	Holder string
	Logger *slog.Logger
	Now    func() time.Time
	// Guard resolves hosts to the addresses that callers may connect to.
	Guard *dialguard.Guard
	// Proofs creates challenges and checks proofs.
	Proofs *verify.Checker
	// Recheck is the time between two checks of a proof. Grace is the time for which an endpoint
	// without its proof stays in use.
	Recheck, Grace time.Duration
	// Metrics registers the metrics.
	Metrics prometheus.Registerer
	// Acknowledged returns the end times of the acknowledgements of unsafe choices in a stored
	// configuration.
	Acknowledged func(stored []byte) []time.Time
	// DropUses deletes the recorded uses of a deleted endpoint, by its uid. It is called again if a
	// crash interrupted it.
	DropUses func(ctx context.Context, uid string) error
	// Needs returns the needs of a stored configuration.
	Needs func(stored []byte) ([]Need, error)
	// Senders returns the senders of an endpoint. If it is nil, all endpoints have the same senders.
	Senders func(Name) []string
	// PolicyKnown reports whether Senders uses a loaded policy. It is required with Senders.
	PolicyKnown func() bool
	// Step, if not nil, is called between the steps of a save and of an unbinding. An error from it
	// ends them at once, as if the process had crashed; tests use it to crash at any step.
	Step func(step string) error
}

// A Registry stores endpoints. It is safe for concurrent use.
type Registry struct {
	kv        kv.Store
	log       *changelog.Log
	replays   *replay.Ledger
	vault     *vaultclient.Vault
	holder    string
	logger    *slog.Logger
	now       func() time.Time
	hook      func(step string) error
	index     *search.Index
	matches   *matcher
	compared  audit.Compared[compared]
	guard     *dialguard.Guard
	proofs    *verify.Checker
	recheck   time.Duration
	grace     time.Duration
	pace      *pace
	kick      chan struct{} // holds one element while bindings wait to be given up
	tombstone *deletedSecrets
	// restarted holds one element while a comparison is due because the vault was restarted.
	restarted chan struct{}
	legacy    *legacy
	degraded  *degraded
	warned    time.Time // the day of the last warning about acknowledgements; only the sweep uses it

	dropUses func(ctx context.Context, uid string) error
	needsOf  func(stored []byte) ([]Need, error)
	mixed    prometheus.Gauge
	sharing  *sharing
	senders  func(Name) []string
	differs  *differing

	policyKnown func() bool

	reconciling sync.Mutex // held during a comparison
}

// NewRegistry returns the registry in a store. No save can be in progress yet, so every existing
// intent is treated as the remains of a crash.
func NewRegistry(ctx context.Context, o Options) (*Registry, error) {
	r := &Registry{
		kv: o.Store, log: o.Log, replays: o.Replays, vault: o.Vault, holder: o.Holder, logger: o.Logger,
		now: o.Now, hook: o.Step, index: search.NewIndex(), matches: newMatcher(), guard: o.Guard,
		proofs: o.Proofs, recheck: o.Recheck, grace: o.Grace, pace: newPace(VerifyEvery), kick: make(chan struct{}, 1),
		tombstone: newDeletedSecrets(), legacy: &legacy{of: o.Acknowledged, ends: make(map[Name][]time.Time)}, dropUses: o.DropUses,
		needsOf: o.Needs, mixed: newMixed(), sharing: newSharing(), senders: o.Senders, differs: newDiffering(), degraded: newDegraded(),
		restarted: make(chan struct{}, 1), policyKnown: o.PolicyKnown,
	}
	if err := r.showAcknowledged(o.Metrics); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	for _, gauge := range []prometheus.Gauge{r.mixed, r.differs.gauge, r.degraded.gauge} {
		if err := o.Metrics.Register(gauge); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	if err := r.fillIndexes(ctx); err != nil {
		return nil, fmt.Errorf("fill indexes: %w", err)
	}
	if err := r.sweep(ctx, func(intent) bool { return true }); err != nil {
		return nil, fmt.Errorf("sweep after start: %w", err)
	}
	return r, nil
}

// Call holds the properties of a request in addition to the change itself.
type Call struct {
	// Author goes into the change log.
	Author changelog.Author
	// Request makes the change idempotent; the zero Request does not.
	Request replay.Request
	// Places holds the fields of the request that refer to each secret, so that a refusal of the
	// vault can name the field.
	Places Places
	// Wrong, if not nil, holds the violations that were found in the request. Then nothing is
	// changed, and the call fails with these violations and those of the secrets.
	Wrong error
	// SuperAdmin says that the author may acknowledge settings that break the promise that a key
	// cannot be read.
	SuperAdmin bool
}

// Get returns an endpoint, or ENDPOINT_NOT_FOUND.
func (r *Registry) Get(ctx context.Context, name Name) (Endpoint, error) {
	var e Endpoint
	err := r.kv.View(ctx, func(reader kv.Reader) (err error) {
		e, err = r.read(reader, name)
		return err
	})
	return e, err
}

// Create registers an endpoint. It starts PENDING. It fails with ENDPOINT_EXISTS
// if the name is taken.
func (r *Registry) Create(ctx context.Context, name Name, s Settings, call Call) (Endpoint, error) {
	uid := newID()
	return r.save(ctx, name, ActionCreated, call, func(old *Endpoint) (Endpoint, error) {
		if old != nil {
			return Endpoint{}, exists()
		}
		return Endpoint{Name: name, UID: uid, Settings: s, State: Pending}, nil
	})
}

// Update changes an endpoint. A change without effect is not recorded.
func (r *Registry) Update(ctx context.Context, name Name, c Change, call Call) (Endpoint, error) {
	return r.save(ctx, name, ActionUpdated, call, existing(c.Etag, func(e Endpoint) (Endpoint, error) {
		next := c.apply(e)
		if len(next.Labels) > maxLabels {
			return Endpoint{}, fault.Field("endpoint.labels", "must not become more than 64")
		}
		return next, nil
	}))
}

// Approve records that the author vouches for the endpoint. It has no effect on an endpoint that
// is already verified.
func (r *Registry) Approve(ctx context.Context, name Name, etag string, call Call) (Endpoint, error) {
	return r.save(ctx, name, ActionApproved, call, existing(etag, func(e Endpoint) (Endpoint, error) {
		if e.Verification.Done() {
			return e, nil
		}
		e.Verification = Verification{Method: ByApproval, Actor: call.Author.Actor.Subject, Time: r.now().UTC()}
		if e.State == Pending {
			e.StateReason = "verified"
		}
		return e, nil
	}))
}

// Deactivate switches an endpoint off. It has no effect on an endpoint that is not active.
func (r *Registry) Deactivate(ctx context.Context, name Name, etag string, call Call) (Endpoint, error) {
	return r.save(ctx, name, ActionDeactivated, call, existing(etag, func(e Endpoint) (Endpoint, error) {
		if e.State == Active {
			e.State, e.StateReason = Inactive, "switched off by hand"
		}
		return e, nil
	}))
}

// Delete removes an endpoint and queues its bindings to be given up, in one
// transaction.
func (r *Registry) Delete(ctx context.Context, name Name, etag string, call Call) error {
	defer r.announce(ctx, name)()
	return r.kv.Update(ctx, func(tx kv.Tx) error {
		if _, seen, err := r.replays.Lookup(tx, call.Request); err != nil || seen {
			return err
		}
		old, err := r.read(tx, name)
		if err != nil {
			return err
		}
		if err := checkEtag(etag, old.Revision); err != nil {
			return err
		}
		return r.remove(tx, old, call)
	})
}

func (r *Registry) remove(tx kv.Tx, old Endpoint, call Call) error {
	if err := r.announcedOnly(old.Name); err != nil {
		return err
	}
	if err := tx.Delete(endpointKey(old.Name)); err != nil {
		return fmt.Errorf("delete endpoint: %w", err)
	}
	if err := tx.Delete(updateKey(old.Name, old.Updated)); err != nil {
		return fmt.Errorf("delete endpoint: %w", err)
	}
	if err := r.release(tx, &old, ""); err != nil {
		return err
	}
	if err := unschedule(tx, old.Name); err != nil {
		return err
	}
	if err := r.queueCleanup(tx, old.UID, usesCleanup{Due: r.now()}); err != nil {
		return err
	}
	tombstone := Endpoint{Name: old.Name, UID: old.UID, Updated: after(r.now(), old.Updated)}
	change, err := entry(ActionDeleted, old, tombstone, call.Author)
	if err != nil {
		return err
	}
	if err := r.log.Append(tx, change, changelog.Row{}); err != nil {
		return err
	}
	return r.replays.Record(tx, call.Request, old.UID)
}

// An edit turns the current state of an endpoint, or nil if it does not exist, into the next. It
// may run more than once.
type edit func(old *Endpoint) (Endpoint, error)

// existing returns an edit of an endpoint that must exist, with the revision that the caller saw.
func existing(etag string, change func(Endpoint) (Endpoint, error)) edit {
	return func(old *Endpoint) (Endpoint, error) {
		if old == nil {
			return Endpoint{}, notFound()
		}
		if err := checkEtag(etag, old.Revision); err != nil {
			return Endpoint{}, err
		}
		return change(*old)
	}
}

// commit writes the next state of an endpoint with everything that belongs to it. If nothing
// changed, it writes only the record of the request.
func (r *Registry) commit(tx kv.Tx, action string, old *Endpoint, e Endpoint, call Call) (Endpoint, error) {
	before := Endpoint{}
	if old != nil {
		before = *old
		if fields, _ := difference(before, e); len(fields) == 0 {
			return before, r.replays.Record(tx, call.Request, e.UID)
		}
	}
	e.Revision, e.Updated = before.Revision+1, after(r.now(), before.Updated)
	if old == nil {
		if err := audit.Absent(tx, e.Name.String()); err != nil {
			return Endpoint{}, err
		}
		e.Revision, e.Created = resource.FirstRevision(e.UID), e.Updated
	}
	if err := r.release(tx, old, e.Operation); err != nil {
		return Endpoint{}, err
	}
	if err := r.reschedule(tx, before, e); err != nil {
		return Endpoint{}, err
	}
	change, err := entry(action, before, e, call.Author)
	if err != nil {
		return Endpoint{}, err
	}
	if err := r.write(tx, old, &e, change); err != nil {
		return Endpoint{}, err
	}
	if err := addCheck(tx, &e); err != nil {
		return Endpoint{}, err
	}
	return e, r.replays.Record(tx, call.Request, e.UID)
}

// after returns now, or the next instant after earlier if the clock did not advance: the times of
// one endpoint only grow.
func after(now, earlier time.Time) time.Time {
	now = now.UTC().Round(0)
	if !now.After(earlier) {
		return earlier.Add(1)
	}
	return now
}

// newID generates an ID for an incarnation or an operation: 26 characters, 130 random bits.
func newID() string { return strings.ToLower(rand.Text()) }

func (r *Registry) step(name string) error {
	if r.hook == nil {
		return nil
	}
	if err := r.hook(name); err != nil {
		return &stopped{err}
	}
	return nil
}

// stopped is the error of a step that a test failed.
type stopped struct{ error }
