// Package keyadmin manages the keyring of a running service, and answers its KeyringService.
//
// # Rotation
//
// [Admin.Rotate] stores a key, a root, and the succession of log keys in one transaction with its
// entry in the change log, and then uses them. The rest follows in the background ([Admin.Run]): each
// row that depends on an earlier root is authenticated again, and then the earlier roots are erased. A
// restart continues that, because the keyring states the roots.
//
// A key of the keyset is erased only on request ([Admin.Destroy]), and only if nothing depends on it.
// The service knows its dependents ([Values]).
//
// # The change log
//
// Each change has an entry about the resource `workspaces/-/{service}/keyring`. Its uid is the ID of
// the key, if it is about one.
package keyadmin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/pkg/resource"
)

// ReasonProvider is the reason for a provider of the key-encryption key that fails.
const ReasonProvider fault.Reason = "KEYRING_PROVIDER_UNAVAILABLE"

// The actions of the entries.
const (
	Rotated          = "keyring_rotated"
	EnabledKey       = "keyring_key_enabled"
	DisabledKey      = "keyring_key_disabled"
	DestroyedKey     = "keyring_key_destroyed"
	ReplacedProvider = "keyring_provider_replaced"
	RetiredRoots     = "keyring_roots_retired"
)

// A Store is the store of the service.
type Store interface {
	kv.Store
	keyring.Authenticated
	// Reauthenticate examines at most limit rows after a key, and writes those again that depend on
	// another generation than new rows. It returns the key after which to continue, or nil at the end,
	// and the number of rows that it wrote. Rows of updates that began earlier are among those that it
	// examines. After an error that wraps [kv.ErrCorrupt], the other rows were examined.
	Reauthenticate(ctx context.Context, after []byte, limit int) (next []byte, written int, err error)
}

// Values are the values that depend on the keys of a keyset.
type Values interface {
	// Rotated is called after another key became the primary one.
	Rotated(ctx context.Context) error
	// DependOn counts what depends on each key. It counts everything, so it takes time. Nothing new
	// depends on a key that is not primary before the call.
	DependOn(ctx context.Context) (map[string]uint64, error)
	// Counted returns recent numbers, and whether there are any.
	Counted() (map[string]uint64, bool)
	// Rewrap starts to make all values depend on the primary key, at most rate secrets a second, and
	// returns the run. A rate of 0 is the default. If a run is in progress, it returns that one.
	Rewrap(ctx context.Context, author changelog.Author, rate uint32) (Rewrap, error)
	// CancelRewrap ends a run in progress, and returns the last one.
	CancelRewrap(ctx context.Context, author changelog.Author) (Rewrap, error)
	// RewrapState returns the last run, which is zero before the first one.
	RewrapState() Rewrap
}

// A Rewrap is the state of a run over all values.
type Rewrap struct {
	State                          RewrapState
	Started, Ended                 time.Time
	Done, Total, Rewrapped, Failed uint64
	Rate                           uint32
}

// A RewrapState is how a run over all values is doing.
type RewrapState int

// The states of a run.
const (
	RewrapRunning RewrapState = iota + 1
	RewrapDone
	RewrapCanceled
	RewrapFailed
)

// Config holds the dependencies of an [Admin]. All are required, except Values.
type Config struct {
	// Service is `vault` or `allowlist`.
	Service string
	Keys    *keyring.Keyring
	// Store is the store that was given to Keys. It has the change log attached.
	Store  Store
	Log    *changelog.Log
	Ledger *replay.Ledger
	// Values is nil for a service without values.
	Values Values
	Logger *slog.Logger
	Now    func() time.Time
}

// An Admin manages a keyring. It is safe for concurrent use.
type Admin struct {
	Config

	metrics  metrics
	changing sync.Mutex    // held by changes of keys, each with what must follow it
	wake     chan struct{} // hints that there are earlier roots; holds one element
}

// New returns the admin of a keyring. [Admin.Run] starts its background work.
func New(cfg Config) *Admin {
	return &Admin{Config: cfg, metrics: newMetrics(cfg.Service), wake: make(chan struct{}, 1)}
}

// A Call describes the request of a change.
type Call struct {
	Author  changelog.Author
	Request replay.Request
}

// A Keyring describes the keys and what depends on them.
type Keyring struct {
	keyring.Info

	// Versions is the number of versions that depend on each key. It is nil before they are counted.
	Versions map[string]uint64
	Counted  bool
	LogKey   string
	// Rewrap is zero before the first run.
	Rewrap Rewrap
}

// Keyring returns the keys and what depends on them.
func (a *Admin) Keyring() Keyring {
	shown := Keyring{Info: a.Keys.Info(), LogKey: a.Log.VerifierKey(), Counted: true}
	if a.Values != nil {
		shown.Versions, shown.Counted = a.Values.Counted()
		shown.Rewrap = a.Values.RewrapState()
	}
	return shown
}

// errSeen ends the transaction of a repeated request.
var errSeen = errors.New("the request was made before")

// Rotate adds a key and a root, and uses them. It fails with KEYRING_FULL and
// KEYRING_PROVIDER_UNAVAILABLE. A repeated request changes nothing.
func (a *Admin) Rotate(ctx context.Context, call Call) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	var seen bool
	err := a.Store.View(ctx, func(r kv.Reader) (err error) {
		_, seen, err = a.Ledger.Lookup(r, call.Request)
		return err
	})
	if err != nil || seen {
		return err
	}
	err = a.Keys.Rotate(ctx, func(tx kv.Tx, next [keyring.RootSize]byte) error {
		if _, seen, err := a.Ledger.Lookup(tx, call.Request); err != nil || seen {
			return errors.Join(err, errSeen)
		}
		if err := a.Log.Succeed(tx, next); err != nil {
			return err
		}
		if err := a.record(call.Author, Rotated, "")(tx); err != nil {
			return err
		}
		return a.Ledger.Record(tx, call.Request, a.resource())
	})
	if errors.Is(err, errSeen) {
		return nil
	}
	if err != nil {
		return a.providerFault(ctx, err)
	}
	failpoint.Hit(failpoint.RotationStored)
	// The stored keys are used even if the caller is gone.
	return a.follow(context.WithoutCancel(ctx))
}

// follow uses the keys as they are stored.
func (a *Admin) follow(ctx context.Context) error {
	if err := a.Log.Use(a.Keys.LogSeeds()); err != nil {
		return fmt.Errorf("use the new key of the change log: %w", err)
	}
	failpoint.Hit(failpoint.RotationSigned)
	if err := a.Keys.Authenticate(a.Store); err != nil {
		return fmt.Errorf("use the new root: %w", err)
	}
	failpoint.Hit(failpoint.RotationAuthenticated)
	a.hint()
	if a.Values == nil {
		return nil
	}
	if err := a.Values.Rotated(ctx); err != nil {
		return fmt.Errorf("use the new key: %w", err)
	}
	return nil
}

// Enable lets a disabled key open again. It fails with KEY_NOT_FOUND, KEY_DESTROYED, and
// KEYRING_PROVIDER_UNAVAILABLE.
func (a *Admin) Enable(ctx context.Context, author changelog.Author, id string) error {
	return a.change(ctx, func() error {
		_, err := a.Keys.Enable(ctx, id, a.record(author, EnabledKey, id))
		return err
	})
}

// Disable prevents a key from opening until it is enabled again. It fails with KEY_NOT_FOUND,
// KEY_DESTROYED, KEYRING_PROVIDER_UNAVAILABLE, and with KEY_IN_USE for the primary key.
func (a *Admin) Disable(ctx context.Context, author changelog.Author, id string) error {
	return a.change(ctx, func() error {
		_, err := a.Keys.Disable(ctx, id, a.record(author, DisabledKey, id))
		return err
	})
}

// Destroy erases a key. It fails with KEY_NOT_FOUND, KEYRING_PROVIDER_UNAVAILABLE, and with KEY_IN_USE
// for the primary key, and while anything depends on the key.
func (a *Admin) Destroy(ctx context.Context, author changelog.Author, id string) error {
	return a.change(ctx, func() error {
		// A key that is not primary now never is again, so the count stays valid.
		if a.Values != nil && id != a.Keys.KeyID() {
			versions, err := a.Values.DependOn(ctx)
			if err != nil {
				return fmt.Errorf("count what depends on the key: %w", err)
			}
			if versions[id] > 0 {
				return keyring.InUse(versions[id])
			}
		}
		failpoint.Hit(failpoint.DestructionCounted)
		_, err := a.Keys.Destroy(ctx, id, a.record(author, DestroyedKey, id))
		return err
	})
}

// ReplaceProvider wraps the keyring by a configured provider, or by the present one if uri is empty.
// The key of the provider is read again. It fails with KEYRING_PROVIDER_UNAVAILABLE.
func (a *Admin) ReplaceProvider(ctx context.Context, author changelog.Author, uri string) error {
	return a.change(ctx, func() error {
		if uri == "" {
			uri = a.Keys.Info().Provider
		}
		return a.Keys.Wrap(ctx, uri, a.record(author, ReplacedProvider, ""))
	})
}

// RecordRewrap writes the entry about a run over all values that starts or ends. The author is zero
// for a run that ends by itself.
func (a *Admin) RecordRewrap(tx kv.Tx, author changelog.Author, action string) error {
	if author.Actor.Subject == "" {
		author = changelog.System(a.Service)
	}
	return a.record(author, "keyring_"+action, "")(tx)
}

func (a *Admin) change(ctx context.Context, do func() error) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	return a.providerFault(ctx, do())
}

// providerFault returns KEYRING_PROVIDER_UNAVAILABLE for the error of a provider, unless the caller's
// own deadline ended the call.
func (a *Admin) providerFault(ctx context.Context, err error) error {
	if !errors.Is(err, keyring.ErrProvider) || ctx.Err() != nil {
		return err
	}
	return fault.New(fault.Unavailable, ReasonProvider, "the provider of the key-encryption key cannot be reached, or refuses; nothing was changed").
		With("provider", a.Keys.Info().Provider).Retry(10 * time.Second).Because(err)
}

// record returns what writes the entry of a change. The key is that which the change is about, or
// empty.
func (a *Admin) record(author changelog.Author, action, key string) keyring.Also {
	return func(tx kv.Tx) error {
		return a.Log.Append(tx, changelog.Entry{
			Actor: author.Actor, Action: action, Scope: resource.Everywhere, Resource: a.resource(), UID: key,
			Reason: author.Reason, RequestID: author.RequestID,
		})
	}
}

func (a *Admin) resource() string { return resource.Everywhere + "/" + a.Service + "/keyring" }

// hint wakes the background work.
func (a *Admin) hint() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}
