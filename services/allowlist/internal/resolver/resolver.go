// Package resolver is the allowlist's way to the vault: it binds secrets, gives
// bindings up, and resolves what is bound, over gRPC and with the allowlist's own identity.
//
// It is the only place of the allowlist that looks at gRPC status codes. What the
// vault refuses comes back as a fault of the allowlist's own contract, in its own
// words and without a name; what points at a wrong set-up, such as a role that is
// missing from the vault's policy, is opaque, so that callers learn nothing and
// the log all.
//
// # Freshness
//
// Resolved secrets are kept in memory (package cache of the Go client) while the vault
// says what becomes outdated: a rotation is in use at once, and what was resolved once
// goes on for a while without the vault.
package resolver

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/client/cache"
	"github.com/keyward/keyward/pkg/sensitive"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// callBound is how long one call to the vault may take.
const callBound = 5 * time.Second

// bindingPage is how many bindings are asked for at once.
const bindingPage = 1000

// A Vault is the vault as the allowlist sees it. It may be used from many goroutines.
type Vault struct {
	client vaultv1.VaultServiceClient
	cache  *cache.Cache
}

// Freshness is how long resolved secrets are kept in memory.
type Freshness struct {
	// MaxStale is how long the vault may be silent until what is kept is no longer
	// served. Zero: nothing is kept.
	MaxStale time.Duration
	// Now tells the time.
	Now func() time.Time
	// Metrics registers what there is to see; nil: nobody looks.
	Metrics prometheus.Registerer
	// Logger hears when the vault tells of no changes.
	Logger *slog.Logger
}

// New returns the vault at the other end of a connection. Resolved secrets are kept in
// memory while [Vault.Watch] runs.
func New(conn grpc.ClientConnInterface, f Freshness) (*Vault, error) {
	client := vaultv1.NewVaultServiceClient(conn)
	kept, err := cache.New(client, cache.Config{MaxStale: f.MaxStale, Now: f.Now, Metrics: f.Metrics, Logger: f.Logger})
	if err != nil {
		return nil, fmt.Errorf("keep secrets in memory: %w", err)
	}
	return &Vault{client: client, cache: kept}, nil
}

// Watch keeps what is kept right, until ctx ends. Without it, or while it does not
// reach the vault for too long, each secret is resolved anew.
func (v *Vault) Watch(ctx context.Context) { v.cache.Run(ctx) }

// A Use is what a secret is bound for.
type Use struct {
	// Secret is the resource name of the secret.
	Secret string
	// Host is where a credential is sent, as [Want] has it. Empty: it is a key.
	Host string
	// Referrer is the resource name of what refers to the secret.
	Referrer string
	// Operation names the save that needs the binding.
	Operation string
}

// A Binding is a grant of the vault to resolve a secret.
type Binding struct {
	// UID identifies the secret that was bound: its name may have another by now.
	UID string
	// Referrer is the resource name of what refers to the secret.
	Referrer string
	// Operation names the save that made the binding.
	Operation string
	// Holder is the workload that the binding is of, as the vault knows it.
	Holder string
}

// Bind binds a secret for a use. The vault refuses a use that the secret is not for,
// and a host that a credential may not be sent to.
func (v *Vault) Bind(ctx context.Context, use Use) (Binding, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	resp, err := v.client.BindSecret(ctx, &vaultv1.BindSecretRequest{
		Name: use.Secret, Usage: usageFor(use.Host), Host: use.Host, Referrer: use.Referrer, OperationId: use.Operation,
	})
	if err != nil {
		return Binding{}, translate(ctx, "bind", err)
	}
	return bindingFromProto(resp.GetBinding()), nil
}

// Unbind gives up what was bound under an operation. For a secret that is gone
// there is nothing to give up.
func (v *Vault) Unbind(ctx context.Context, secret, operation string) error {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	_, err := v.client.UnbindSecret(ctx, &vaultv1.UnbindSecretRequest{Name: secret, OperationId: operation})
	v.cache.Forget(secret) // it may have been the last grant
	if err == nil || reasonOf(err) == string(ReasonSecretNotFound) {
		return nil
	}
	return translate(ctx, "unbind", err)
}

// Bindings returns all bindings to a secret, whoever holds them; none for a secret
// that is gone.
func (v *Vault) Bindings(ctx context.Context, secret string) ([]Binding, error) {
	var all []Binding
	req := &vaultv1.ListSecretBindingsRequest{Parent: secret, PageSize: bindingPage}
	for {
		resp, err := v.bindings(ctx, req)
		if reasonOf(err) == string(ReasonSecretNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, translate(ctx, "list bindings", err)
		}
		for _, b := range resp.GetBindings() {
			all = append(all, bindingFromProto(b))
		}
		if req.PageToken = resp.GetNextPageToken(); req.GetPageToken() == "" {
			return all, nil
		}
	}
}

func (v *Vault) bindings(ctx context.Context, req *vaultv1.ListSecretBindingsRequest) (*vaultv1.ListSecretBindingsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	return v.client.ListSecretBindings(ctx, req)
}

func bindingFromProto(b *vaultv1.Binding) Binding {
	return Binding{UID: b.GetUid(), Referrer: b.GetReferrer(), Operation: b.GetOperationId(), Holder: b.GetHolder()}
}

// A Want is a secret to resolve.
type Want struct {
	// Secret and UID are as they were bound.
	Secret, UID string
	// Version is the version, or 0 for the current one.
	Version uint32
	// Host is where a credential is sent: a DNS name or an IP address without
	// brackets or port. Empty: the secret is used as a key.
	Host string
}

// check fails unless a secret of the usage, with the hosts that it may be sent to,
// may be used so. The vault has checked it when it bound; the allowlist checks it
// again, with every use.
func (w Want) check(usage vaultv1.Usage, hosts []string) error {
	if usage != usageFor(w.Host) {
		return usageNotAllowed(usageName(usage))
	}
	if w.Host != "" && !slices.Contains(hosts, w.Host) {
		return hostNotAllowed()
	}
	return nil
}

// usageFor returns what a secret must be for to be sent to a host, or for no host.
func usageFor(host string) vaultv1.Usage {
	if host == "" {
		return vaultv1.Usage_USAGE_KEY
	}
	return vaultv1.Usage_USAGE_CREDENTIAL
}

// A Key is a resolved secret. Who gets it zeroes it after use.
type Key struct {
	Value sensitive.Bytes
	// Version is the version that Value belongs to.
	Version uint32
}

// Resolve returns the keys for wants, in their order. Those that are not in memory
// are asked for at the same time. If one fails, all do, and what did come is zeroed.
func (v *Vault) Resolve(ctx context.Context, wants []Want) ([]Key, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	keys := make([]Key, len(wants))
	failures := make([]error, len(wants))
	var calls sync.WaitGroup
	for i, want := range wants {
		if kept, ok := v.cache.Kept(want.ref()); ok {
			keys[i], failures[i] = want.take(kept)
			continue
		}
		calls.Go(func() { keys[i], failures[i] = v.resolve(ctx, want) })
	}
	calls.Wait()
	for _, err := range failures {
		if err != nil {
			Zero(keys)
			return nil, err
		}
	}
	return keys, nil
}

func (v *Vault) resolve(ctx context.Context, want Want) (Key, error) {
	got, err := v.cache.Resolve(ctx, want.ref())
	if err != nil {
		return Key{}, translate(ctx, "resolve", err)
	}
	return want.take(got)
}

// ref returns what the vault is asked about.
func (w Want) ref() cache.Ref { return cache.Ref{Secret: w.Secret, UID: w.UID, Version: w.Version} }

// take makes a key of an answer, or zeroes it.
func (w Want) take(got cache.Value) (Key, error) {
	if err := w.check(got.Usage, got.AllowedHosts); err != nil {
		got.Plain.Zero()
		return Key{}, err
	}
	return Key{Value: got.Plain, Version: got.Version}, nil
}

// Zero overwrites keys.
func Zero(keys []Key) {
	for _, key := range keys {
		key.Value.Zero()
	}
}
