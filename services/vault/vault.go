// Package vault is the service that stores secrets. This file is its only entry point.
//
// [New] opens the store and the keys, and [Vault.Register] adds the service to a gRPC server,
// whose interceptors (package server) authenticate and authorize callers. Internally, package api
// implements the gRPC methods, and package secret implements the rules.
//
//	server's interceptors → api: parse, convert → secret: one transaction → pkg/kv
package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/audit"
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
	"github.com/keyward/keyward/pkg/transit"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/api"
	"github.com/keyward/keyward/services/vault/internal/rewrap"
	"github.com/keyward/keyward/services/vault/internal/secret"
	"github.com/keyward/keyward/services/vault/internal/witness"
)

// purpose identifies the vault in everything that its keyring seals.
const purpose = "vault"

// Config is the operator's configuration of a vault.
type Config struct {
	// Store is the path of the data file, which the first start creates. Required.
	Store string `yaml:"store"`
	// Keys selects the provider of the key-encryption key.
	Keys kek.Config `yaml:",inline"`
	// Integrity is the reaction to stored data that was changed by something other than the
	// vault. Requests that need the data always fail. `stop` also reports the service as
	// NOT_SERVING until it starts again. `alarm` leaves it SERVING. Default `stop`.
	Integrity string `yaml:"integrity"`
	// WorkspaceQuota limits what each workspace may use. Default: no limits.
	WorkspaceQuota Quota `yaml:"workspace_quota"`
	// DeleteGrace is for how long UndeleteSecret brings a deleted secret back, at most 2160h (90 days).
	// Its name stays taken for that time, and its values stay stored. A change of the setting does
	// not apply to secrets that are deleted already. Default 0: a deletion is permanent.
	DeleteGrace time.Duration `yaml:"delete_grace"`
	// Backup is when the vault backs up its data file by itself.
	Backup maintenance.Schedule `yaml:"backup"`
}

// Quota is what a workspace may use. Changes that would exceed it fail with QUOTA_EXCEEDED; what is
// stored already stays.
type Quota struct {
	// Secrets is the maximum number of secrets. Default 0, no limit.
	Secrets int64 `yaml:"secrets"`
	// Versions is the maximum number of versions that are not destroyed, of all secrets together.
	// Default 0, no limit.
	Versions int64 `yaml:"versions"`
	// Bytes is the maximum size of the encrypted values of these versions. Default 0, no limit.
	Bytes int64 `yaml:"bytes"`
}

// check returns the errors of the limits.
func (q Quota) check() []error {
	var errs []error
	for name, limit := range map[string]int64{"secrets": q.Secrets, "versions": q.Versions, "bytes": q.Bytes} {
		if limit < 0 {
			errs = append(errs, fmt.Errorf("workspace_quota.%s: must be at least 0", name))
		}
	}
	return errs
}

// maxDeleteGrace is the maximum of [Config.DeleteGrace].
const maxDeleteGrace = 90 * 24 * time.Hour

// Check returns all errors of the configuration, without opening a file.
func (c Config) Check() error {
	var errs []error
	if c.Store == "" {
		errs = append(errs, errors.New("store: must be the path of the data file"))
	}
	if c.DeleteGrace < 0 || c.DeleteGrace > maxDeleteGrace {
		errs = append(errs, errors.New("delete_grace: must be 0 to 2160h"))
	}
	errs = append(errs, c.WorkspaceQuota.check()...)
	return errors.Join(append(errs, c.Keys.Check(), audit.Reaction(c.Integrity).Check(), c.Backup.Check())...)
}

// CheckFiles reports problems with the files that the configuration names. It does not open the
// data file.
func (c Config) CheckFiles(r *filecheck.Report) {
	c.Keys.CheckFiles(r)
	r.DataFile("store", c.Store)
	c.Backup.CheckFiles(r)
}

// CreateKey creates a new key file for the setting key_file. It never overwrites a file.
func CreateKey(path string) error { return kek.CreateFile(path) }

// Compact rewrites the data file of a stopped program without replaced and deleted data, and
// erases the old file; see [boltkv.Compact].
func Compact(_ context.Context, cfg Config) error { return boltkv.Compact(cfg.Store) }

// A Vault is a running vault.
type Vault struct {
	db          *boltkv.DB
	store       kv.Store // db, watched by alarm
	log         *changelog.Log
	secrets     *secret.Store
	heads       *witness.Heads
	api         *api.Server
	admin       *keyadmin.Admin
	rewraps     *rewrap.Operation
	backups     *maintenance.Backups
	maintenance *maintenance.Server
	purger      *maintenance.Purger
	alarm       *audit.Alarm
	auditor     *audit.Auditor

	stop  context.CancelFunc
	tasks sync.WaitGroup
}

// New opens the vault, compares the newest changes with the change log, and starts to compare
// everything in the background. The logger receives errors of background work. Close the vault after
// the server with which it is registered has stopped.
func New(ctx context.Context, cfg Config, logger *slog.Logger) (*Vault, error) {
	v, err := open(ctx, cfg, logger)
	if err != nil {
		return nil, err
	}
	if err := v.auditor.Newest(ctx, audit.AtStartLimit); err != nil {
		return nil, errors.Join(fmt.Errorf("compare with the change log: %w", err), v.Close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stop = stop
	v.tasks.Go(func() { v.auditor.Run(background) })
	v.tasks.Go(func() { v.admin.Run(background) })
	v.tasks.Go(func() { v.rewraps.Run(background) })
	v.tasks.Go(func() { v.backups.Run(background) })
	v.tasks.Go(func() { v.purger.Run(background) })
	return v, nil
}

// open opens the vault without the comparison with the change log.
func open(ctx context.Context, cfg Config, logger *slog.Logger) (*Vault, error) {
	store, keys, err := openStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	v := &Vault{db: store, alarm: audit.NewAlarm(purpose, audit.Reaction(cfg.Integrity), logger), stop: func() {}}
	v.store = v.alarm.Watch(store)
	if err := v.assemble(ctx, cfg, keys, logger); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return v, nil
}

// openStore opens the data file and the keys.
func openStore(ctx context.Context, cfg Config) (*boltkv.DB, *keyring.Keyring, error) {
	if err := cfg.Check(); err != nil {
		return nil, nil, fmt.Errorf("check configuration: %w", err)
	}
	store, err := boltkv.Open(cfg.Store, boltkv.Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("open store: %w", err)
	}
	keys, err := keyring.Open(ctx, store, cfg.Keys.Providers(), purpose)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	if err := keys.Authenticate(store); err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, keys, nil
}

// assemble completes the vault over an open store.
func (v *Vault) assemble(ctx context.Context, cfg Config, keys *keyring.Keyring, logger *slog.Logger) error {
	log, err := changelog.New(keys.LogSeeds(), purpose, time.Now)
	if err != nil {
		return fmt.Errorf("open change log: %w", err)
	}
	v.db.Attach(changelog.Name, log)
	pages, err := page.NewSealer(keys.Derive("page tokens"), time.Now)
	if err != nil {
		return fmt.Errorf("prepare page tokens: %w", err)
	}
	v.auditor = audit.New(audit.Config{
		Service: purpose, Store: v.db, Log: log, Resources: secret.Rows{}, Alarm: v.alarm, Logger: logger,
	})
	heads, err := witness.Open(ctx, v.store, log, logger)
	if err != nil {
		return err
	}
	ledger := replay.NewLedger(keys.Derive("request ids"), time.Now)
	secrets, err := secret.NewStore(ctx, secret.Config{
		KV: v.store, Keys: keys, Log: log, Ledger: ledger, Logger: logger, Alarm: v.alarm,
		Quota: secret.Used(cfg.WorkspaceQuota), Grace: cfg.DeleteGrace,
	})
	if err != nil {
		return fmt.Errorf("open secrets: %w", err)
	}
	recipients, err := transit.NewSealer(time.Now)
	if err != nil {
		return err
	}
	v.rewraps, err = rewrap.Open(ctx, rewrap.Config{
		KV: v.store, Secrets: secrets, Primary: keys.KeyID, Record: v.recordRewrap, Logger: logger,
		Report: func(ctx context.Context, err error) { _ = v.alarm.Report(ctx, audit.InBackground, err) },
	})
	if err != nil {
		return err
	}
	v.admin = keyadmin.New(keyadmin.Config{
		Service: purpose, Keys: keys, Store: v.db, Log: log, Ledger: ledger,
		Values: values{secrets, v.rewraps}, Logger: logger, Now: time.Now,
	})
	v.purger = maintenance.NewPurger(purpose, v.db, logger)
	v.newBackups(cfg, backup.Source{Service: purpose, Store: v.db, Keys: keys, Log: log}, logger)
	v.log, v.secrets, v.heads = log, secrets, heads
	v.api = api.New(secrets, heads, ledger, pages, recipients)
	return nil
}

// Register adds the vault's services to a gRPC server.
func (v *Vault) Register(r grpc.ServiceRegistrar) {
	v.api.Register(r)
	vaultv1.RegisterKeyringServiceServer(r, keyringService{
		Server: keyadmin.NewServer(v.admin, vaultv1.KeyringService_RotateKeyring_FullMethodName),
	})
	vaultv1.RegisterMaintenanceServiceServer(r, maintenanceService{Server: v.maintenance, Restores: api.NewRestores(v.secrets.Restores())})
}

// Measure registers the metrics of the vault.
func (v *Vault) Measure(metrics prometheus.Registerer) error {
	collectors := slices.Concat(v.db.Collectors(purpose), v.auditor.Collectors(), v.admin.Collectors(), v.rewraps.Collectors(), v.backups.Collectors(), v.purger.Collectors(), v.secrets.Collectors())
	for _, c := range append(collectors, v.alarm.Collector(), v.heads.Collector(), v.secrets.Restores().Collector(), changelog.Measure(v.store, purpose)) {
		if err := metrics.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// DiskFull reports whether changes are refused because the disk with the data file is full.
func (v *Vault) DiskFull() bool { return v.db.Full() }

// Tampered returns a channel that is closed once the vault should not be used any more, because
// something else changed its data.
func (v *Vault) Tampered() <-chan struct{} { return v.alarm.Stopped() }

// LogKey returns the public key of the change log of a stopped vault, in the form that verifies its
// checkpoints.
func LogKey(ctx context.Context, cfg Config) (key string, err error) {
	if _, err := os.Stat(cfg.Store); err != nil {
		return "", fmt.Errorf("open store: %w", err) // and do not create one
	}
	v, err := open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	return v.log.VerifierKey(), v.Close()
}

// Verify recomputes the change log from its entries and compares it with its signed head. Its
// duration is proportional to the length of the log.
func (v *Vault) Verify(ctx context.Context) error {
	if err := v.store.View(ctx, v.log.Verify); err != nil {
		return fmt.Errorf("verify change log: %w", err)
	}
	return nil
}

// Close waits for changes in progress and closes the store.
func (v *Vault) Close() error {
	v.stop()
	v.tasks.Wait()
	v.secrets.Close()
	if err := v.store.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}
