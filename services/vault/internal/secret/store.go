package secret

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/quota"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/pkg/search"
	"github.com/keyward/keyward/services/vault/internal/restore"
	"github.com/keyward/keyward/services/vault/internal/sealing"
)

// Config holds the dependencies of a [Store]. KV, Keys, Log, and Ledger are required.
type Config struct {
	// KV is the underlying store. The change log must be attached to it.
	KV kv.Store
	// Keys seals the values.
	Keys *keyring.Keyring
	// Log is the change log.
	Log *changelog.Log
	// Ledger recognizes repeated requests.
	Ledger *replay.Ledger
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Random is the source of uids and generated values; crypto/rand if nil.
	Random io.Reader
	// Logger receives errors of background work; if nil, they are discarded.
	Logger *slog.Logger
	// Alarm receives mismatches about data that was changed outside of the vault, except those of the
	// transactions of KV; if nil, they are discarded.
	Alarm *audit.Alarm
	// Quota limits what each workspace may use. A field of 0 is no limit.
	Quota Used
	// Reach is the number of changes by which a watcher may lag behind; 100,000 if 0.
	Reach uint64
	// Grace is for how long a deleted secret can be brought back; see [Store.Undelete].
	Grace time.Duration
}

// A Store stores secrets. It is safe for concurrent use. Close it before the underlying store.
type Store struct {
	kv     kv.Store
	keys   *keyring.Keyring
	log    *changelog.Log
	ledger *replay.Ledger
	now    func() time.Time
	random io.Reader
	logger *slog.Logger

	index *search.Index

	sealing *sealing.Keys

	printKey [keyring.RootSize]byte // the key of fingerprints
	printers sync.Pool              // of *printer
	refusals *quota.Limiter         // for equal bytes, by workspace
	checks   *quota.Limiter         // of values, by uid
	grace    time.Duration

	restores *restore.Events
	run      string // identifies this run; see Position
	commits  *commits
	reach    uint64

	compared audit.Compared[comparison]
	alarm    *audit.Alarm

	drawing chan struct{} // holds one element for each private key that is being generated
	garbage chan struct{} // hints that the queue is not empty; holds one element
	deleted chan struct{} // hints that a secret was deleted with a grace; holds one element

	outdated    chan kv.Range // rows by update time to examine; holds one element
	outdatedDue atomic.Uint64 // the number of changes after which to examine all

	shown   shown
	due     due
	pruning chan Name // secrets with versions to destroy
	quotas  quotas

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// A Call describes the request of a change: the caller, the reason, and the identity of the
// request.
type Call struct {
	Author  changelog.Author
	Request replay.Request
	// RequestID is the caller's idempotency key, or empty.
	RequestID string
}

// NewStore returns a store over cfg.KV. It starts the background work: reading all names, so that
// they can be searched quickly, and removing the remains of deletions.
func NewStore(ctx context.Context, cfg Config) (*Store, error) {
	commits := new(commits)
	s := &Store{
		commits: commits, alarm: cfg.Alarm, keys: cfg.Keys, log: cfg.Log, ledger: cfg.Ledger,
		now: cfg.Now, random: cfg.Random, logger: cfg.Logger,
		index:   search.NewIndex(),
		reach:   cmp.Or(cfg.Reach, 100_000),
		drawing: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		garbage: make(chan struct{}, 1), outdated: make(chan kv.Range, 1),
		shown: shown{hint: make(chan struct{}, 1)}, due: newDue(),
		pruning: make(chan Name, hinted),
		grace:   cfg.Grace, deleted: make(chan struct{}, 1),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.alarm == nil {
		s.alarm = audit.NewAlarm("vault", audit.AlarmOnly, slog.New(slog.DiscardHandler))
	}
	s.kv = noticed{cfg.KV, commits}
	s.printKey = s.keys.Derive("fingerprints")
	var err error
	if s.refusals, err = newRefusals(s); err != nil {
		return nil, fmt.Errorf("prepare limits: %w", err)
	}
	if s.checks, err = newChecks(s); err != nil {
		return nil, fmt.Errorf("prepare limits: %w", err)
	}
	if s.restores, err = OpenRestores(ctx, s.kv, s.log, s.now, s.logger); err != nil {
		return nil, err
	}
	if s.run, err = s.newUID(); err != nil {
		return nil, err
	}
	if err := s.kv.View(ctx, s.commits.begin); err != nil {
		return nil, fmt.Errorf("read change log: %w", err)
	}
	if err := s.kv.View(ctx, s.readOutdatedDue); err != nil {
		return nil, fmt.Errorf("read rows by update time: %w", err)
	}
	if s.sealing, err = sealing.Open(ctx, s.kv, s.keys, s.now); err != nil {
		return nil, err
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.quotas.start(ctx, s, cfg.Quota) // before the purge, which uses the quotas
	s.stopped.Go(func() { s.fillIndex(ctx) })
	s.stopped.Go(func() { s.collect(ctx) })
	s.stopped.Go(func() { s.purgeDeleted(ctx) })
	s.stopped.Go(func() { s.collectOutdated(ctx) })
	s.stopped.Go(func() { s.forgetSealingKeys(ctx) })
	s.stopped.Go(func() { s.countShown(ctx) })
	s.stopped.Go(func() { s.keepPruning(ctx) })
	s.stopped.Go(func() { s.keepCounting(ctx) })
	return s, nil
}

// Close stops the background work. It leaves the underlying store open.
func (s *Store) Close() {
	s.stop()
	s.stopped.Wait()
}

// replayed reports whether the call's request was made before. Call it first in a transaction: a
// repeated request must not fail because of its first execution.
func (s *Store) replayed(r kv.Reader, call Call) (uid string, seen bool, err error) {
	resource, seen, err := s.ledger.Lookup(r, call.Request)
	if err != nil || !seen {
		return "", false, err
	}
	_, uid, _ = strings.Cut(resource, "#")
	return uid, true, nil
}

// remember records the call's request, so that a repetition is recognized.
func (s *Store) remember(tx kv.Tx, call Call, sec Secret) error {
	return s.ledger.Record(tx, call.Request, sec.Name.String()+"#"+sec.UID)
}

// newUID generates a uid: 16 random bytes as 26 characters.
func (s *Store) newUID() (string, error) {
	var raw [uidSize]byte
	if _, err := io.ReadFull(s.random, raw[:]); err != nil {
		return "", fmt.Errorf("generate uid: %w", err)
	}
	return textOf(raw[:]), nil
}

// timestamp returns the current time, without the part that does not survive storing.
func (s *Store) timestamp() time.Time { return s.now().UTC().Round(0) }

// seal seals a value for one version of a secret. Call it inside [memory.Do].
func (s *Store) seal(sec Secret, number uint32, drawn material) (Stored, error) {
	sealed, err := s.keys.SealValue(drawn.plain, boundTo(sec, number))
	if err != nil {
		return Stored{}, fmt.Errorf("seal version: %w", err)
	}
	stored := drawn.sealed(sealed, sec.Usage)
	if sec.Usage == Key {
		stored.Prints = s.printsOf(sec, drawn)
	}
	return stored, nil
}

// boundTo returns the associated data of a sealed value.
func boundTo(sec Secret, number uint32) keyring.AD {
	return keyring.AD{
		Purpose: "secret-value", Workspace: sec.Name.Workspace, UID: sec.UID, Version: number, Usage: string(sec.Usage),
	}
}

func scanKeys(r kv.Reader, in kv.Range) ([][]byte, error) {
	var keys [][]byte
	for pair, err := range r.Scan(in) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, pair.Key)
	}
	return keys, nil
}
