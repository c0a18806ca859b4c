// Package allowlist is the service that keeps the registry of endpoints and encrypts messages for
// them. This file is its only entry point.
//
// [New] opens the store, the keys, and the connection to the vault, and starts the background
// tasks. [Allowlist.Register] adds the service to a gRPC server, whose interceptor chain (package
// server) authenticates and authorizes requests.
//
//	server's chain → api: parse, convert ┬→ endpoint: one transaction → pkg/kv
//	                                     │        ├→ vaultclient: bind → the vault
//	                                     │        └→ verify: check     → the partner
//	                                     └→ exchange: one message
//	                                              ├→ vaultclient: resolve → cache, the vault
//	                                              ├→ payload: encrypt, decrypt, verify
//	                                              ├→ nonce: count   → memory, the vault
//	                                              └→ activity: count → the vault, each minute
//
// The allowlist starts and serves requests while the vault is down, and logs that the vault is
// down. It continues to use cached secrets for [VaultConfig.MaxStale]. Requests that need another
// secret, or that arrive later, return VAULT_UNAVAILABLE. The allowlist recovers by itself.
package allowlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/keyadmin"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/maintenance"
	"github.com/keyward/keyward/pkg/page"
	"github.com/keyward/keyward/pkg/replay"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/activity"
	"github.com/keyward/keyward/services/allowlist/internal/api"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/exchange"
	"github.com/keyward/keyward/services/allowlist/internal/nonce"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
	"github.com/keyward/keyward/services/allowlist/internal/verify"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// purpose identifies the allowlist in everything that its keyring creates.
const purpose = "allowlist"

// The maximum sizes of requests: a body, and 1 MiB for the other fields.
const (
	// maxPlaintext is that of a request to encrypt.
	maxPlaintext = 17 << 20
	// MaxMessage is that of a request to decrypt or to verify a signature, which is the largest.
	MaxMessage = exchange.MaxBody + 1<<20
)

// Config is the configuration of an allowlist.
type Config struct {
	// Store is the path of the data file, which the first start creates. Required.
	Store string `yaml:"store"`
	// Keys selects the provider of the key-encryption key.
	Keys kek.Config `yaml:",inline"`
	// Integrity is the reaction to stored data that was changed by something other than the
	// allowlist. Requests that need the data always fail. `stop` also reports the service as
	// NOT_SERVING until it starts again. `alarm` leaves it SERVING. Default `stop`.
	Integrity string `yaml:"integrity"`
	// Vault is the connection to the vault: mutual TLS. All files are PEM.
	Vault VaultConfig `yaml:"vault"`
	// Verification is how the allowlist looks for proofs at partners' hosts.
	Verification VerificationConfig `yaml:"verification"`
	// Backup is when the allowlist backs up its data file by itself.
	Backup maintenance.Schedule `yaml:"backup"`
	// PresetsDir is a folder with presets of your own, one in each file ID.json, which are listed next
	// to the built-in ones; see docs/presets/README.md. It is read at start only, and a bad file stops the
	// start. Empty: only built-in presets.
	PresetsDir string `yaml:"presets_dir"`
}

// Check returns all errors of the configuration. It opens no file.
func (c Config) Check() error {
	var errs []error
	if c.Store == "" {
		errs = append(errs, errors.New("store: must be the path of the data file"))
	}
	return errors.Join(append(errs, c.Keys.Check(), audit.Reaction(c.Integrity).Check(), c.Vault.check(), c.Verification.check(), c.Backup.Check())...)
}

// CheckFiles reports problems with the files that the configuration names. It does not open the
// data file.
func (c Config) CheckFiles(r *filecheck.Report) {
	c.Keys.CheckFiles(r)
	r.DataFile("store", c.Store)
	c.Vault.checkFiles(r)
	c.Backup.CheckFiles(r)
	_, err := c.Verification.open()
	r.Fail(err)
	_, err = preset.Open(c.PresetsDir, time.Now())
	r.Fail(err)
}

// CreateKey creates a key file for the setting key_file. It never overwrites a file.
func CreateKey(path string) error { return kek.CreateFile(path) }

// Compact rewrites the data file of a stopped program without replaced and deleted records, and
// erases the old file; see [boltkv.Compact].
func Compact(_ context.Context, cfg Config) error { return boltkv.Compact(cfg.Store) }

// An Allowlist is a running allowlist.
type Allowlist struct {
	db          *boltkv.DB
	store       kv.Store // db, watched by alarm
	log         *changelog.Log
	conn        *grpc.ClientConn
	self        *identity
	heads       *witness.Witness
	vault       *vaultclient.Vault
	presets     *preset.Library
	api         *api.Server
	admin       *keyadmin.Admin
	backups     *maintenance.Backups
	maintenance *maintenance.Server
	purger      *maintenance.Purger

	alarm     *audit.Alarm
	auditor   *audit.Auditor
	endpoints *endpoint.Registry
	uses      *activity.Meter
	policies  atomic.Pointer[auth.Policies] // nil: not configured, so senders are unknown
	nonces    *nonce.Ledger
	exchanges *exchange.Processor

	stop  context.CancelFunc
	tasks sync.WaitGroup
	close func() error // shut, at most once
}

// New opens the allowlist. The logger receives problems of background tasks. The metrics, which
// may be nil, show how fresh the cached secrets are. Close the allowlist after the server that it
// is registered with has stopped. ctx bounds only the opening.
func New(ctx context.Context, cfg Config, logger *slog.Logger, metrics prometheus.Registerer) (*Allowlist, error) {
	return open(ctx, cfg, logger, surroundings{now: time.Now, metrics: metrics, intervals: endpoint.DefaultIntervals()})
}

// surroundings are the parts that tests replace: the clock, the pace of the background tasks, how
// the store behaves, and a hook between the steps of a save.
type surroundings struct {
	now       func() time.Time
	metrics   prometheus.Registerer
	intervals endpoint.Intervals
	wrap      func(kv.Store) kv.Store // nil: unchanged
	step      func(string) error
	idle      bool // no background tasks
}

func open(ctx context.Context, cfg Config, logger *slog.Logger, around surroundings) (*Allowlist, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("check configuration: %w", err)
	}
	if around.metrics == nil {
		around.metrics = prometheus.NewRegistry() // not exposed
	}
	presets, err := preset.Open(cfg.PresetsDir, around.now())
	if err != nil {
		return nil, err
	}
	store, err := boltkv.Open(cfg.Store, boltkv.Options{})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	keys, err := keyring.Open(ctx, store, cfg.Keys.Providers(), purpose)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if err := keys.Authenticate(store); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	// After the keys, which a start may have to wait for: metrics register once only.
	self, err := newIdentity(ctx, cfg.Vault, logger, around.metrics)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	conn, err := cfg.Vault.dial(self.tls)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the connection to the vault: %w", err), store.Close())
	}
	a := &Allowlist{db: store, conn: conn, self: self, presets: presets, alarm: audit.NewAlarm(purpose, audit.Reaction(cfg.Integrity), logger)}
	a.store = a.alarm.Watch(store)
	if around.wrap != nil {
		a.store = around.wrap(a.store)
	}
	if a.log, err = changelog.New(keys.LogSeeds(), purpose, around.now); err != nil {
		return nil, errors.Join(fmt.Errorf("open change log: %w", err), store.Close(), conn.Close())
	}
	store.Attach(changelog.Name, a.log)
	a.auditor = audit.New(audit.Config{
		Service: purpose, Store: store, Log: a.log, Resources: endpoint.Rows{}, Alarm: a.alarm, Logger: logger,
	})
	if !around.idle {
		if err := a.auditor.Newest(ctx, audit.AtStartLimit); err != nil {
			return nil, errors.Join(fmt.Errorf("compare with the change log: %w", err), store.Close(), conn.Close())
		}
	}
	if err := a.assemble(ctx, cfg, keys, logger, around); err != nil {
		return nil, errors.Join(err, store.Close(), conn.Close())
	}
	return a, nil
}

// assemble builds the allowlist on an open store and starts its tasks.
func (a *Allowlist) assemble(ctx context.Context, cfg Config, keys *keyring.Keyring, logger *slog.Logger, around surroundings) error {
	pages, err := page.NewSealer(keys.Derive("page tokens"), around.now)
	if err != nil {
		return fmt.Errorf("prepare page tokens: %w", err)
	}
	ledger := replay.NewLedger(keys.Derive("request ids"), around.now)
	a.admin = keyadmin.New(keyadmin.Config{
		Service: purpose, Keys: keys, Store: a.db, Log: a.log, Ledger: ledger, Logger: logger, Now: around.now,
	})
	a.purger = maintenance.NewPurger(purpose, a.db, logger)
	a.newBackups(cfg, backup.Source{Service: purpose, Store: a.db, Keys: keys, Log: a.log}, logger, around.now)
	out, err := cfg.Verification.open()
	if err != nil {
		return err
	}
	a.heads, err = witness.New(ctx, witness.Options{
		Vault: vaultv1.NewVaultServiceClient(a.conn), Store: a.store, Log: a.log, Key: cfg.Vault.LogKey,
		Logger: logger, Metrics: around.metrics,
	})
	if err != nil {
		return fmt.Errorf("follow the vault's change log: %w", err)
	}
	vault, err := vaultclient.New(a.conn, vaultclient.Freshness{
		MaxStale: cfg.Vault.maxStale(), Now: around.now, Heads: a.heads, Metrics: around.metrics, Logger: logger,
		// The watch starts after the registry has been created.
		Deleted:   func(secret, uid, reason string) { a.endpoints.SecretDeleted(secret, uid, reason) },
		Restarted: func() { a.endpoints.Restarted() },
		Restored:  func() { a.nonces.Drop() },
	})
	if err != nil {
		return err
	}
	a.uses = newMeter(a.store, vault, around.now)
	a.nonces, err = nonce.New(nonce.Options{
		Reserve: vault.ReserveNonces, Now: around.now, Alone: cfg.Vault.maxStale(), Metrics: around.metrics,
	})
	if err != nil {
		return err
	}
	a.endpoints, err = endpoint.NewRegistry(ctx, endpoint.Options{
		Store: a.store, Log: a.log, Replays: ledger, Vault: vault, Holder: a.self.name, Logger: logger, Now: around.now, Step: around.step,
		Guard: out.guard, Recheck: cfg.Verification.recheck(), Grace: cfg.Verification.grace(),
		Metrics: around.metrics, DropUses: a.uses.Forget, Acknowledged: payload.AcknowledgedUntil, Needs: api.UsesOf, Senders: a.senders,
		PolicyKnown: func() bool { return a.policies.Load() != nil },
		Proofs: verify.NewChecker(verify.Options{
			Key: keys.Derive("verification"), Guard: out.guard, Resolver: out.resolver, Roots: out.roots, Now: around.now,
		}),
	})
	if err != nil {
		return fmt.Errorf("open endpoints: %w", err)
	}
	a.vault = vault
	parts := api.Parts{Heads: a.heads, Vault: vault, Endpoints: a.endpoints, Uses: a.uses, Ledger: ledger, Pages: pages, Now: around.now}
	if err := a.answer(parts, vault, keys, around, cfg.Vault.maxStale()); err != nil {
		return err
	}
	if err := a.measure(around.metrics); err != nil { //nolint:contextcheck // a scrape has no context
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop, a.close = stop, sync.OnceValue(a.shut)
	if around.idle {
		return nil
	}
	a.tasks.Go(func() { a.auditor.Run(background) })
	a.tasks.Go(func() { a.admin.Run(background) })
	a.tasks.Go(func() { a.backups.Run(background) })
	a.tasks.Go(func() { a.purger.Run(background) })
	a.tasks.Go(func() { a.endpoints.Run(background, around.intervals) })
	a.tasks.Go(func() { a.self.follow(background) })
	a.tasks.Go(func() { watch(background, a.conn, logger) })
	a.tasks.Go(func() { vault.Watch(background) })
	a.tasks.Go(func() { a.heads.Run(background) })
	a.tasks.Go(func() { a.count(background, logger) })
	a.tasks.Go(func() { a.exchanges.Run(background, logger) })
	return nil
}

// measure registers the metrics of the disk, and of the tasks that work on the data file.
func (a *Allowlist) measure(metrics prometheus.Registerer) error {
	collectors := slices.Concat(a.db.Collectors(purpose), a.auditor.Collectors(), a.admin.Collectors(), a.backups.Collectors(), a.purger.Collectors())
	for _, c := range append(collectors, a.alarm.Collector(), changelog.Measure(a.store, purpose)) {
		if err := metrics.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// answer completes the parts and creates the components that answer requests.
func (a *Allowlist) answer(parts api.Parts, vault *vaultclient.Vault, keys *keyring.Keyring, around surroundings, keepUnused time.Duration) (err error) {
	if parts.Failures, err = activity.NewFailures(); err != nil {
		return err
	}
	parts.Presets = a.presets
	turns := slowwork.NewQueue(slowwork.Places())
	parts.Tryouts = tryout.New(tryout.Options{
		Endpoints: a.endpoints, Vault: vault, Presets: parts.Presets, Turns: turns, Nonces: a.nonces, Now: around.now,
	})
	a.exchanges, err = exchange.New(exchange.Options{
		Endpoints: a.endpoints, Vault: vault, Keys: keys, Store: a.store, Now: around.now,
		Uses: a.uses, Failures: parts.Failures, Nonces: a.nonces, Turns: turns, Metrics: around.metrics,
		KeepUnused: keepUnused,
	})
	if err != nil {
		return err
	}
	parts.Exchanges = a.exchanges
	a.api = api.New(parts)
	return nil
}

// UsePolicies sets the policies that determine the senders of each endpoint: endpoints that use
// the same key must have the same senders.
func (a *Allowlist) UsePolicies(p *auth.Policies) {
	a.policies.Store(p)
	changed := a.endpoints.SendersChanged()
	p.Notify(changed)
	select {
	case changed <- struct{}{}:
	default:
	}
}

// senders returns the principals that may send for an endpoint.
func (a *Allowlist) senders(name endpoint.Name) []string {
	if p := a.policies.Load(); p != nil {
		return p.Senders(name.Workspace, name.ID)
	}
	return nil
}

// Register adds the allowlist's services to a gRPC server.
func (a *Allowlist) Register(r grpc.ServiceRegistrar) {
	a.api.Register(r)
	allowlistv1.RegisterKeyringServiceServer(r, keyringService{
		Server: keyadmin.NewServer(a.admin, allowlistv1.KeyringService_RotateKeyring_FullMethodName),
	})
	allowlistv1.RegisterMaintenanceServiceServer(r, maintenanceService{Server: a.maintenance})
}

// MaxReceiveBytes returns the maximum request sizes of the methods that take bodies.
func (a *Allowlist) MaxReceiveBytes() map[string]int {
	return map[string]int{
		allowlistv1.AllowlistService_Encrypt_FullMethodName:         maxPlaintext,
		allowlistv1.AllowlistService_Decrypt_FullMethodName:         MaxMessage,
		allowlistv1.AllowlistService_VerifySignature_FullMethodName: MaxMessage,
	}
}

// DiskFull reports whether changes are refused because the disk with the data file is full.
func (a *Allowlist) DiskFull() bool { return a.db.Full() }

// Tampered returns a channel that is closed once the allowlist should not be used any more, because
// something else changed its data.
func (a *Allowlist) Tampered() <-chan struct{} { return a.alarm.Stopped() }

// Verify recomputes the change log from its entries and compares it with its signed head. It takes
// time in proportion to the size of the log.
func (a *Allowlist) Verify(ctx context.Context) error {
	if err := a.store.View(ctx, a.log.Verify); err != nil {
		return fmt.Errorf("verify change log: %w", err)
	}
	return nil
}

// Close stops the background tasks, waits for pending changes, and closes the store and the
// connection to the vault. Further calls have no effect.
func (a *Allowlist) Close() error { return a.close() }

func (a *Allowlist) shut() error {
	a.stop()
	a.tasks.Wait()
	a.nonces.Close()
	var errs []error
	if err := a.countLast(); err != nil {
		errs = append(errs, fmt.Errorf("save uses: %w", err))
	}
	if err := a.store.Close(); err != nil {
		errs = append(errs, fmt.Errorf("close store: %w", err))
	}
	if err := a.conn.Close(); err != nil {
		errs = append(errs, fmt.Errorf("close connection to the vault: %w", err))
	}
	return errors.Join(errs...)
}
