// Package vaultclient is the allowlist's way to the vault: it binds secrets, gives
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
//
// # Rotation
//
// What a partner sent before it heard of a new key opens with the one before. The vault
// tells which versions were current and when they were replaced; [Vault.ResolveAccepted]
// returns those that a [Want] still welcomes, next to the current one, or for what came in
// without it while it is disabled or destroyed.
package vaultclient

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/client/cache"
	"github.com/keyward/keyward/pkg/keyform"
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
	now    func() time.Time
}

// Freshness is how long resolved secrets are kept in memory.
type Freshness struct {
	// MaxStale is how long the vault may be silent until what is kept is no longer
	// served. Zero: nothing is kept.
	MaxStale time.Duration
	// Now tells the time; time.Now if nil.
	Now func() time.Time
	// Deleted, if not nil, is called with the name and the uid of each secret that the
	// vault says is gone, while [Vault.Watch] runs and something is kept. It must not block.
	Deleted func(secret, uid string)
	// Restarted, if not nil, is called when the vault was started again. It may have been restored
	// from a backup. It must not block.
	Restarted func()
	// Metrics registers what there is to see; nil: nobody looks.
	Metrics prometheus.Registerer
	// Logger hears when the vault tells of no changes.
	Logger *slog.Logger
}

// New returns the vault at the other end of a connection. Resolved secrets are kept in
// memory while [Vault.Watch] runs.
func New(conn grpc.ClientConnInterface, f Freshness) (*Vault, error) {
	if f.Now == nil {
		f.Now = time.Now
	}
	client := vaultv1.NewVaultServiceClient(conn)
	kept, err := cache.New(client, cache.Config{
		MaxStale: f.MaxStale, Now: f.Now, Deleted: f.Deleted, Restarted: f.Restarted, Metrics: f.Metrics, Logger: f.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("keep secrets in memory: %w", err)
	}
	return &Vault{client: client, cache: kept, now: f.Now}, nil
}

// Watch keeps what is kept right, until ctx ends. Without it, or while it does not
// reach the vault for too long, each secret is resolved anew.
func (v *Vault) Watch(ctx context.Context) { v.cache.Run(ctx) }

// A Usage is what a secret is used for. A key, unless something else is said.
type Usage int

// The usages.
const (
	// UsageKey is key material.
	UsageKey Usage = iota
	// UsageParameter is a parameter that may become visible, such as a static IV.
	UsageParameter
	// UsageCredential is a value that is sent as it is, to a host.
	UsageCredential
	// UsageExposedKey is key material that what is sent gives away.
	UsageExposedKey
)

func (u Usage) toProto() vaultv1.Usage {
	switch u {
	case UsageKey:
		return vaultv1.Usage_USAGE_KEY
	case UsageParameter:
		return vaultv1.Usage_USAGE_PARAMETER
	case UsageCredential:
		return vaultv1.Usage_USAGE_CREDENTIAL
	case UsageExposedKey:
		return vaultv1.Usage_USAGE_EXPOSED_KEY
	default:
		return vaultv1.Usage_USAGE_UNSPECIFIED
	}
}

// String returns the usage as the contract names it.
func (u Usage) String() string { return usageName(u.toProto()) }

// A BindRequest is what a secret is bound for.
type BindRequest struct {
	// Secret is the resource name of the secret.
	Secret string
	// Version is the version that is meant, or 0 for the current one.
	Version uint32
	Usage   Usage
	// Host is where a credential is sent, a DNS name or an IP address without brackets, or that
	// of the endpoint which uses a KEY.
	Host string
	// Port is the port that a credential is sent to.
	Port uint16
	// Chains are what a KEY is used for, and Cost is the least work of derivations among
	// them. Conflicting says that a super admin acknowledged that one may open another.
	Chains      []string
	Cost        uint64
	Conflicting bool
	// KeyBytes are the lengths that a KEY may have which is the key of a cipher as it is; none:
	// it is not.
	KeyBytes []int
	// Referrer is the resource name of what refers to the secret.
	Referrer string
	// Operation names the save that needs the binding.
	Operation string
}

// A Binding is a grant of the vault to resolve a secret.
type Binding struct {
	// Secret is the resource name of the secret.
	Secret string
	// UID identifies the secret that was bound: its name may have another by now.
	UID string
	// Referrer is the resource name of what refers to the secret.
	Referrer string
	// Operation names the save that made the binding.
	Operation string
	// Holder is the workload that the binding is of, as the vault knows it.
	Holder string
	// Port is the port that a credential is sent to. 0: none is, or the vault does not know.
	Port uint16
	// Shared is whether a KEY may serve several hosts and senders. [Vault.Bind] sets it.
	Shared bool
	// VersionUID tells the version that was named from others with its number. [Vault.Bind] sets
	// it.
	VersionUID string
	// Facts are what the vault tells of the version that is meant. [Vault.Bind] sets them.
	Facts Facts
}

// Facts are what the vault tells of a key without telling the key. The zero Facts tell
// nothing.
type Facts struct {
	// Kind is what the value is. Text and bytes hold no key pair.
	Kind keyform.Kind
	// Bytes is the length of a symmetric key. 0: not told.
	Bytes int
	// Algorithm is the kind and size of an asymmetric key, such as `RSA-2048`, `EC-P256`,
	// `Ed25519` or `X25519`. Empty: it is none that is known.
	Algorithm string
	// Private is whether the asymmetric key is a private one.
	Private bool
	// Fingerprint is the SHA-256 of its SubjectPublicKeyInfo in lower-case hexadecimal.
	Fingerprint string
	// Problem is why a value that looks like a key pair is none, as a sentence.
	Problem string
	// Forms are the ways to read the value as a symmetric key of a usual length. Like LineEnd,
	// they are told only for KeyBytes.
	Forms []keyform.Form
	// LineEnd is whether the value without its final line end would be such a key.
	LineEnd bool
}

// Bind binds a secret for a use. The vault refuses a use that the secret is not for, a
// host or port that a credential may not be sent to, a KEY that serves another purpose or
// another host, and a version
// that is not there or cannot be resolved. To bind
// once more under the operation tells the facts of another version.
func (v *Vault) Bind(ctx context.Context, req BindRequest) (Binding, error) {
	resp, err := v.bind(ctx, req, false)
	if err != nil {
		return Binding{}, err
	}
	if req.Usage == UsageCredential {
		v.cache.Forget(req.Secret) // what is cached may have the hosts from before a report
	}
	return bindingOf(resp), nil
}

// Probe returns what [Vault.Bind] would, without a binding.
func (v *Vault) Probe(ctx context.Context, req BindRequest) (Binding, error) {
	resp, err := v.bind(ctx, req, true)
	if err != nil {
		return Binding{}, err
	}
	if resp.GetBinding() != nil { // a vault that does not know of probes has bound
		if err := v.Unbind(ctx, req.Secret, req.Operation); err != nil {
			return Binding{}, err
		}
	}
	return bindingOf(resp), nil
}

func (v *Vault) bind(ctx context.Context, req BindRequest, probe bool) (*vaultv1.BindSecretResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	var keyBytes []uint32
	for _, n := range req.KeyBytes {
		keyBytes = append(keyBytes, uint32(n))
	}
	resp, err := v.client.BindSecret(ctx, &vaultv1.BindSecretRequest{
		Name: req.Secret, Version: req.Version, Usage: req.Usage.toProto(), Host: req.Host, Port: uint32(req.Port),
		Chains: req.Chains, Cost: req.Cost, Conflicting: req.Conflicting, KeyBytes: keyBytes,
		Referrer: req.Referrer, OperationId: req.Operation, ValidateOnly: probe,
	})
	if err != nil {
		return nil, translate(ctx, "bind", err)
	}
	return resp, nil
}

// bindingOf returns what the vault tells of a binding.
func bindingOf(resp *vaultv1.BindSecretResponse) Binding {
	b, facts := bindingFromProto(resp.GetBinding()), resp.GetFacts()
	b.Shared, b.VersionUID = resp.GetShared(), resp.GetVersionUid()
	b.Facts = Facts{
		Kind: keyform.Kind(facts.GetKind()), Bytes: int(facts.GetBytes()), Algorithm: facts.GetAlgorithm(),
		Private: facts.GetPrivateKey(), Fingerprint: facts.GetFingerprint(), Problem: facts.GetProblem(), LineEnd: facts.GetLineEnd(),
	}
	for _, form := range facts.GetForms() {
		if decoding, known := decodingOf(form.GetDecoding()); known {
			b.Facts.Forms = append(b.Facts.Forms, keyform.Form{Decoding: decoding, Bytes: int(form.GetBytes())})
		}
	}
	return b
}

// decodingOf returns the decoding of a name.
func decodingOf(name string) (keyform.Decoding, bool) {
	for d := keyform.Raw; d <= keyform.PEM; d++ {
		if d.String() == name {
			return d, true
		}
	}
	return keyform.Raw, false
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

// Workspaces returns the workspaces that this allowlist may resolve secrets of, as
// `workspaces/{workspace}`. A vault of an earlier release tells none.
func (v *Vault) Workspaces(ctx context.Context) ([]string, error) {
	var all []string
	req := &vaultv1.ListWorkspacesRequest{PageSize: bindingPage}
	for {
		resp, err := v.workspaces(ctx, req)
		if status.Code(err) == codes.Unimplemented {
			return nil, nil
		}
		if err != nil {
			return nil, translate(ctx, "list workspaces", err)
		}
		for _, w := range resp.GetWorkspaces() {
			all = append(all, w.GetName())
		}
		if req.PageToken = resp.GetNextPageToken(); req.GetPageToken() == "" {
			return all, nil
		}
	}
}

func (v *Vault) workspaces(ctx context.Context, req *vaultv1.ListWorkspacesRequest) (*vaultv1.ListWorkspacesResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	return v.client.ListWorkspaces(ctx, req)
}

// Bindings returns all bindings to the secrets of a workspace, `workspaces/{workspace}`,
// whoever holds them.
func (v *Vault) Bindings(ctx context.Context, workspace string) ([]Binding, error) {
	return v.BindingsOf(ctx, workspace+"/secrets/-")
}

// BindingsOf is [Vault.Bindings] for one secret, which must exist.
func (v *Vault) BindingsOf(ctx context.Context, secret string) ([]Binding, error) {
	var all []Binding
	req := &vaultv1.ListSecretBindingsRequest{Parent: secret, PageSize: bindingPage}
	for {
		resp, err := v.bindings(ctx, req)
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
	return Binding{
		Secret: b.GetSecret(), UID: b.GetUid(), Referrer: b.GetReferrer(), Operation: b.GetOperationId(), Holder: b.GetHolder(),
		Port: uint16(b.GetPort()),
	}
}
