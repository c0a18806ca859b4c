// Package cases has the calls that the benchmark measures, and the secrets and endpoints that they
// need.
package cases

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/bench/internal/rows"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// ValueSize is the size of the value of a secret in bytes.
const ValueSize = 256

const (
	// fillers is the number of callers that fill a store.
	fillers = 256
	// maxBound is the number of secrets that can be resolved.
	maxBound = 1000
	// maxActive is the number of endpoints that are active, in addition to the one for messages.
	maxActive = 1000
)

// A World is a site with content.
type World struct {
	site               *site.Site
	secrets, endpoints int
	bound              []rows.Secret // the secrets that can be resolved
	created            atomic.Uint64 // by the case CreateSecret

	Owner, Sender, Resolver site.Caller
	admin                   site.Caller
}

// New returns the world of a site that has, or will have, some secrets and endpoints.
func New(s *site.Site, secrets, endpoints int) (w *World, err error) {
	w = &World{site: s, secrets: secrets, endpoints: endpoints}
	// IDs of a store that is used again must not repeat.
	w.created.Store(uint64(time.Now().UnixNano()))
	var errs [4]error
	w.Owner, errs[0] = s.Owner()
	w.admin, errs[1] = s.Admin()
	w.Sender, errs[2] = s.Sender()
	w.Resolver, errs[3] = s.Resolver()
	return w, errors.Join(errs[:]...)
}

// secretID returns the ID of the n-th secret. IDs are not in the order of creation.
func secretID(n int) string { return "payments-" + rows.Text(uint64(n), 13) }

func secretName(id string) string { return site.Workspace + "/secrets/" + id }

func endpointName(id string) string { return site.Workspace + "/endpoints/" + id }

// newValue returns a random value.
func newValue() *vaultv1.SecretValue {
	value := make([]byte, ValueSize)
	rand.Read(value)
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: value}}
}

func createRequest(id string) *vaultv1.CreateSecretRequest {
	return &vaultv1.CreateSecretRequest{Parent: site.Workspace, SecretId: id, Secret: &vaultv1.Secret{Value: newValue()}}
}

// dial connects to a program several times, which spreads the work of the client.
func (w *World) dial(name string, caller site.Caller) (conn *grpc.ClientConn, err error) {
	return site.Dial(w.site.Address(name), caller.TLS, caller.Token)
}

// each calls do for the numbers from 0 to n with many callers at the same time.
func each(ctx context.Context, n int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(fillers, n) {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// FillVault creates the secrets. The vault runs.
func (w *World) FillVault(ctx context.Context) error {
	conn, err := w.dial(site.Vault, w.Owner)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := vaultv1.NewVaultServiceClient(conn)
	err = each(ctx, w.secrets, func(ctx context.Context, i int) error {
		_, err := client.CreateSecret(ctx, createRequest(secretID(i)))
		return err
	})
	if err != nil {
		return fmt.Errorf("create secrets: %w", err)
	}
	return nil
}

// FillAllowlist creates the endpoints. Both services run.
func (w *World) FillAllowlist(ctx context.Context) error {
	conn, err := w.dial(site.Allowlist, w.Owner)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	owner := allowlistv1.NewAllowlistServiceClient(conn)
	err = each(ctx, w.endpoints, func(ctx context.Context, i int) error {
		_, err := owner.CreateEndpoint(ctx, &allowlistv1.CreateEndpointRequest{
			Parent: site.Workspace, EndpointId: endpointID(i), Endpoint: &allowlistv1.Endpoint{Methods: []string{"POST"}, Url: endpointURL(i)},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("create endpoints: %w", err)
	}
	if err := w.createMessages(ctx, owner); err != nil {
		return err
	}
	active := []string{messages}
	for i := range w.active() {
		active = append(active, endpointID(w.spread(i)))
	}
	return w.activate(ctx, owner, active)
}

func endpointID(n int) string { return fmt.Sprint("e", n) }

func endpointURL(n int) string { return fmt.Sprintf("https://host-%d.example/v1/%d/orders", n%1000, n) }

// active returns the number of endpoints that are active.
func (w *World) active() int { return min(w.endpoints, maxActive) }

// spread returns the number of the i-th active endpoint.
func (w *World) spread(i int) int { return i * (w.endpoints / w.active()) }

// messages is the endpoint that encrypts.
const messages = "messages"

// createMessages creates the endpoint that encrypts, and its key.
func (w *World) createMessages(ctx context.Context, owner allowlistv1.AllowlistServiceClient) error {
	conn, err := w.dial(site.Vault, w.Owner)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = vaultv1.NewVaultServiceClient(conn).CreateSecret(ctx, &vaultv1.CreateSecretRequest{
		Parent: site.Workspace, SecretId: messages, Secret: &vaultv1.Secret{Value: &vaultv1.SecretValue{
			Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: vaultv1.Generate_KIND_AES_256}},
		}},
	})
	if err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	_, err = owner.CreateEndpoint(ctx, &allowlistv1.CreateEndpointRequest{
		Parent: site.Workspace, EndpointId: messages, Endpoint: &allowlistv1.Endpoint{
			Methods: []string{"POST"}, Url: "https://api.partner.example/v1/messages",
			Encryption: &allowlistv1.Encryption{Request: &allowlistv1.Profile{Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
				Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM,
				Key:       &allowlistv1.Cipher_SharedKey{SharedKey: &allowlistv1.SharedKey{Keys: []*allowlistv1.SecretRef{{Name: secretName(messages)}}}},
			}}}},
		},
	})
	if err != nil {
		return fmt.Errorf("create endpoint: %w", err)
	}
	return nil
}

// activate approves and activates endpoints.
func (w *World) activate(ctx context.Context, owner allowlistv1.AllowlistServiceClient, ids []string) error {
	conn, err := w.dial(site.Allowlist, w.admin)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	admin := allowlistv1.NewAllowlistServiceClient(conn)
	err = each(ctx, len(ids), func(ctx context.Context, i int) error {
		name := endpointName(ids[i])
		if _, err := admin.ApproveEndpoint(ctx, &allowlistv1.ApproveEndpointRequest{Name: name}); err != nil {
			return err
		}
		_, err := owner.ActivateEndpoint(ctx, &allowlistv1.ActivateEndpointRequest{Name: name})
		return err
	})
	if err != nil {
		return fmt.Errorf("activate endpoints: %w", err)
	}
	return nil
}

// chain is what the resolved keys are used for.
const chain = "raw > HMAC-SHA256(of=message)"

// Bind binds some secrets and resolves them for the first time, which seals their purpose. Doing so
// again changes nothing.
func (w *World) Bind(ctx context.Context) error {
	conn, err := w.dial(site.Vault, w.Resolver)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := vaultv1.NewVaultServiceClient(conn)
	w.bound = make([]rows.Secret, min(w.secrets, maxBound))
	err = each(ctx, len(w.bound), func(ctx context.Context, i int) error {
		id := secretID(i * (w.secrets / len(w.bound)))
		got, err := client.BindSecret(ctx, &vaultv1.BindSecretRequest{
			Name: secretName(id), Usage: vaultv1.Usage_USAGE_KEY, Referrer: endpointName(messages),
			OperationId: "bench", Host: "api.partner.example", Chains: []string{chain},
		})
		if err != nil {
			return err
		}
		w.bound[i] = rows.Secret{ID: id, UID: got.GetBinding().GetUid()}
		_, err = client.ResolveSecret(ctx, resolveRequest(w.bound[i]))
		return err
	})
	if err != nil {
		return fmt.Errorf("bind secrets: %w", err)
	}
	return nil
}

// resolveRequest seals the purpose, as the allowlist does when it needs a key for messages.
func resolveRequest(s rows.Secret) *vaultv1.ResolveSecretRequest {
	purpose := sha256.Sum256([]byte(chain))
	return &vaultv1.ResolveSecretRequest{Name: secretName(s.ID), Uid: s.UID, Purpose: purpose[:], Seal: true}
}

// burst is the number of changes at the same time from which [World.Learn] learns.
const burst = 64

// Learn returns the rows that the vault writes for a create and an update of a secret. The vault
// is stopped, before and after.
func (w *World) Learn(ctx context.Context, path string) (writes rows.Writes, err error) {
	empty, err := rows.Read(path)
	if err != nil {
		return writes, err
	}
	changed := make([]rows.Secret, burst)
	created, err := w.changes(ctx, path, func(client vaultv1.VaultServiceClient) error {
		return each(ctx, burst, func(ctx context.Context, i int) error {
			id := w.newID()
			got, err := client.CreateSecret(ctx, createRequest(id))
			changed[i] = rows.Secret{ID: id, UID: got.GetSecret().GetUid()}
			return err
		})
	})
	if err != nil {
		return writes, err
	}
	writes.Create = rows.Learn(empty, created, changed, burst)
	// Each secret is updated twice, so that the number of its version differs.
	const updates = 2
	updated, err := w.changes(ctx, path, func(client vaultv1.VaultServiceClient) error {
		return each(ctx, burst, func(ctx context.Context, i int) error {
			for range updates {
				if _, err := client.UpdateSecret(ctx, updateRequest(changed[i].ID)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return writes, err
	}
	writes.Update = rows.Learn(created, updated, changed, updates*burst)
	return writes, nil
}

// changes starts the vault, makes changes, stops it, and reads its store.
func (w *World) changes(ctx context.Context, path string, change func(vaultv1.VaultServiceClient) error) (rows.Snapshot, error) {
	if _, err := w.site.Start(ctx, site.Vault); err != nil {
		return nil, err
	}
	conn, err := w.dial(site.Vault, w.Owner)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := change(vaultv1.NewVaultServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("change secrets: %w", err)
	}
	if err := w.site.Stop(site.Vault); err != nil {
		return nil, err
	}
	return rows.Read(path)
}

// newID returns an ID that no secret has.
func (w *World) newID() string { return "payments-" + rows.Text(w.created.Add(1), 13) }

func updateRequest(id string) *vaultv1.UpdateSecretRequest {
	return &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secretName(id), Value: newValue()}}
}
