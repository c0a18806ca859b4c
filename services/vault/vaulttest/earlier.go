package vaulttest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/services/vault"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// These functions change the data file of a stopped vault to that of a vault that was upgraded
// from an earlier release.

// ForgetPurposes removes the purposes of keys and of their bindings.
func ForgetPurposes(t testing.TB, cfg vault.Config) {
	t.Helper()
	convert(t, cfg, secret.Conversion{
		Secret:  func(s *secret.Secret) { s.Purpose, s.Shared, s.Public = nil, false, false },
		Version: func(v *secret.Version) { v.Prints = nil },
		Binding: func(b *secret.Binding) { b.Purpose = secret.Purpose{} },
	})
}

// ForgetPorts removes the ports of hosts and of bindings.
func ForgetPorts(t testing.TB, cfg vault.Config) {
	t.Helper()
	bare := func(hosts []string) []string {
		return slices.DeleteFunc(slices.Clone(hosts), func(host string) bool { return strings.Contains(host, ":") })
	}
	convert(t, cfg, secret.Conversion{
		Secret:  func(s *secret.Secret) { s.AllowedHosts, s.Ports = bare(s.AllowedHosts), false },
		Version: func(v *secret.Version) { v.AllowedHosts, v.Ports = bare(v.AllowedHosts), false },
		Binding: func(b *secret.Binding) { b.Port = 0 },
	})
}

// CopyBinding adds the bindings of one secret under an operation to another secret, and returns the
// uid of the other.
func CopyBinding(t testing.TB, cfg vault.Config, operation, from, to string) (uid string) {
	t.Helper()
	open(t, cfg, func(s *secret.Store) {
		bindings, _, err := s.Bindings(t.Context(), name(from), secret.Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		bindings = slices.DeleteFunc(bindings, func(b secret.Binding) bool { return !strings.Contains(b.Operation, operation) })
		if err := s.Convert(t.Context(), name(to), secret.Conversion{Add: bindings}); err != nil {
			t.Fatal(err)
		}
		sec, _, err := s.Get(t.Context(), name(to))
		if err != nil {
			t.Fatal(err)
		}
		uid = sec.UID
	})
	return uid
}

func name(id string) secret.Name {
	return secret.Name{Workspace: strings.TrimPrefix(Workspace, "workspaces/"), ID: id}
}

// convert changes all secrets.
func convert(t testing.TB, cfg vault.Config, c secret.Conversion) {
	t.Helper()
	open(t, cfg, func(s *secret.Store) {
		query := secret.Query{Workspace: name("").Workspace, Page: secret.Page{Limit: 100}}
		names, _, err := secret.List(t.Context(), s, query, func(sec *secret.Secret) secret.Name { return sec.Name })
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := s.Convert(t.Context(), name, c); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// open opens the secrets of a stopped vault as the vault does.
func open(t testing.TB, cfg vault.Config, use func(*secret.Store)) {
	t.Helper()
	key, err := kek.File(cfg.Keys.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	db, err := boltkv.Open(cfg.Store, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	keys, err := keyring.Open(t.Context(), db, keyring.Local(cfg.Keys.URI(), key), "vault")
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Authenticate(db); err != nil {
		t.Fatal(err)
	}
	log, err := changelog.New(keys.LogSeeds(), "vault", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	db.Attach(changelog.Name, log)
	s, err := secret.NewStore(t.Context(), secret.Config{
		KV: db, Keys: keys, Log: log, Ledger: replay.NewLedger(keys.Derive("request ids"), time.Now),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	use(s)
}
