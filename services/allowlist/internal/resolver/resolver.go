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
// Resolved secrets are kept in memory (cache.go) while the vault says, over a stream
// (watch.go), what becomes outdated: a rotation is in use at once, and what was
// resolved once goes on for a while without the vault.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

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
	cache  *cache // nil: each secret is resolved anew
}

// New returns the vault at the other end of a connection.
func New(conn grpc.ClientConnInterface) *Vault {
	return &Vault{client: vaultv1.NewVaultServiceClient(conn)}
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
}

// NewCached is New for a vault of which resolved secrets are kept in memory while
// [Vault.Watch] runs.
func NewCached(conn grpc.ClientConnInterface, f Freshness) (*Vault, error) {
	v := New(conn)
	if f.MaxStale == 0 {
		return v, nil
	}
	m, err := newMetrics(f.Metrics, f.Now)
	if err != nil {
		return nil, fmt.Errorf("register metrics of kept secrets: %w", err)
	}
	if v.cache, err = newCache(f.MaxStale, f.Now, m); err != nil {
		return nil, fmt.Errorf("prepare keeping secrets: %w", err)
	}
	return v, nil
}

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
	if v.cache != nil {
		v.cache.forget(secret) // it may have been the last grant
	}
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
		if a, ok := v.kept(want); ok {
			keys[i], failures[i] = want.take(a)
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

// kept returns the answer to a want that is in memory.
func (v *Vault) kept(want Want) (answer, bool) {
	if v.cache == nil {
		return answer{}, false
	}
	return v.cache.get(want.subject())
}

func (v *Vault) resolve(ctx context.Context, want Want) (Key, error) {
	var a answer
	var err error
	if v.cache == nil {
		a, err = v.ask(ctx, want.subject())
	} else {
		a, err = v.cache.fetch(ctx, want.subject(), v.ask)
	}
	if err != nil {
		return Key{}, err
	}
	return want.take(a)
}

// ask asks the vault.
func (v *Vault) ask(ctx context.Context, about subject) (answer, error) {
	resp, err := v.client.ResolveSecret(ctx, &vaultv1.ResolveSecretRequest{
		Name: about.secret, Uid: about.uid, Version: about.version,
	})
	if err != nil {
		return answer{}, translate(ctx, "resolve", err)
	}
	a := answer{
		value: sensitive.New(resp.GetValue()), version: resp.GetVersion(),
		usage: resp.GetUsage(), hosts: resp.GetAllowedHosts(), at: positionFromProto(resp.GetPosition()),
	}
	if a.version == 0 || about.version != 0 && a.version != about.version {
		a.value.Zero()
		return answer{}, errors.New("the vault answers with another version than was asked for")
	}
	return a, nil
}

// subject returns what the vault is asked about.
func (w Want) subject() subject { return subject{secret: w.Secret, uid: w.UID, version: w.Version} }

// take makes a key of an answer, or zeroes it.
func (w Want) take(a answer) (Key, error) {
	if err := w.check(a.usage, a.hosts); err != nil {
		a.value.Zero()
		return Key{}, err
	}
	return Key{Value: a.value, Version: a.version}, nil
}

// Zero overwrites keys.
func Zero(keys []Key) {
	for _, key := range keys {
		key.Value.Zero()
	}
}
