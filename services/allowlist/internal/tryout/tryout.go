// Package tryout tests configurations: what they do to a sample, and what is wrong with a
// configuration whose messages fail to decrypt. Nothing is sent, and endpoints need not be in
// use.
//
// With throwaway keys, the package shows everything, for drafts and for saved configurations.
// The endpoint's own keys are used only with the saved configuration and a reason, and only
// after the use is in the change log and counted against the quota of each KEY. Then the package
// shows nothing that would reveal the keys.
//
// Before an endpoint is switched on, its keys make a round trip, which reveals only why it fails
// ([Tester.RoundTrip]).
//
// # Layout
//
// The files of this package contain the calls (try.go, diagnose.go, roundtrip.go, keycheck.go),
// the dry run of one message (dryrun*.go), the generated keys (throwaway*.go), and the generated
// bodies (sample.go). Two packages below it do not know about endpoints and the vault:
//
//	tryout ┬→ diagnosis   finds the variant of a profile that decrypts a message
//	       └→ snippet     writes programs that decrypt a message
//
// Package diagnosis is separate because it makes its own guarantee about what an answer reveals,
// and because the variants are as much code as the rest of this package.
package tryout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/exchange"
	"github.com/keyward/keyward/services/allowlist/internal/nonce"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// A Tester tests configurations. It is safe for concurrent use.
type Tester struct {
	endpoints *endpoint.Registry
	vault     *vaultclient.Vault
	presets   *preset.Library
	turns     *slowwork.Queue
	nonces    *nonce.Ledger
	now       func() time.Time
}

// Options are the dependencies of a Tester. All are required.
type Options struct {
	Endpoints *endpoint.Registry
	Vault     *vaultclient.Vault
	Presets   *preset.Library
	// Turns is the queue of slow messages.
	Turns *slowwork.Queue
	// Nonces counts the values that live keys encrypt.
	Nonces *nonce.Ledger
	Now    func() time.Time
}

// New returns a Tester for the endpoints of a registry.
func New(o Options) *Tester {
	return &Tester{endpoints: o.Endpoints, vault: o.Vault, presets: o.Presets, turns: o.Turns, nonces: o.Nonces, now: o.Now}
}

// saved returns an endpoint with its configuration.
func (tr *Tester) saved(ctx context.Context, name endpoint.Name) (endpoint.Endpoint, *payload.Config, error) {
	e, err := tr.endpoints.Get(ctx, name)
	if err != nil {
		return e, nil, err
	}
	if !e.Encryption.Configured() {
		return e, nil, notConfigured()
	}
	config, err := payload.Load(e.Encryption.Stored)
	if err != nil {
		return e, nil, fmt.Errorf("load configuration: %w", err)
	}
	return e, config, nil
}

func notConfigured() error {
	return fault.New(fault.FailedPrecondition, exchange.ReasonNotConfigured, "the endpoint has no configuration to encrypt or sign messages")
}

// draft compiles an unsaved configuration.
func (tr *Tester) draft(pb *allowlistv1.Encryption, workspace string) (*payload.Config, error) {
	draft, err := tr.presets.Parse(pb, workspace, tr.now())
	return draft.Config(), err
}

// resolve returns the keys of an endpoint for references, with their current purposes in the
// vault. The caller zeroes the keys.
func (tr *Tester) resolve(ctx context.Context, e endpoint.Endpoint, config *payload.Config, refs []payload.Reference) ([][]vaultclient.Key, error) {
	wants := make([]vaultclient.Want, len(refs))
	for i, ref := range refs {
		wants[i] = vaultclient.Want{
			Secret: ref.Secret, UID: e.SecretUID(ref.Secret), Version: ref.Version, VersionUID: e.VersionUID(ref.Secret, ref.Version),
			Purpose: ref.Purpose.Digest, Fresh: true,
		}
		switch {
		case ref.Usage == payload.ParameterUsage:
			wants[i].Usage = vaultclient.UsageParameter
		case ref.Usage == payload.ExposedKeyUsage && e.Exposes(ref.Secret):
			wants[i].Usage = vaultclient.UsageExposedKey
		}
		if ref.Previous {
			wants[i].Grace = config.Grace()
		}
	}
	keys, err := tr.vault.ResolveAccepted(ctx, wants)
	if errors.Is(err, vaultclient.ErrNotBound) { // the vault may have been restored from a backup
		if now, failed := tr.endpoints.Rebind(ctx, e); failed == nil && !now.Lost && now.Operation == e.Operation {
			keys, err = tr.vault.ResolveAccepted(ctx, wants)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("resolve keys: %w", err)
	}
	return keys, nil
}

// liveKeys returns a function that resolves keys of an endpoint, and one that zeroes all
// resolved keys.
func (tr *Tester) liveKeys(ctx context.Context, e endpoint.Endpoint, config *payload.Config) (resolve func([]payload.Reference) (payload.Keys, error), zero func()) {
	var resolved [][]vaultclient.Key
	return func(refs []payload.Reference) (payload.Keys, error) {
		found, err := tr.resolve(ctx, e, config, refs)
		if err != nil {
			return nil, err
		}
		resolved = append(resolved, found...)
		return payloadKeys(found), nil
	}, func() { vaultclient.Zero(resolved...) }
}

// payloadKeys converts the resolved keys of several references for package payload.
func payloadKeys(found [][]vaultclient.Key) payload.Keys {
	keys := make(payload.Keys, len(found))
	for i, versions := range found {
		keys[i] = versionsOf(versions)
	}
	return keys
}

// versionsOf converts the resolved keys of one reference for package payload.
func versionsOf(keys []vaultclient.Key) []payload.Key {
	versions := make([]payload.Key, len(keys))
	for i, key := range keys {
		versions[i] = payload.Key{Value: key.Value, Version: key.Version}
	}
	return versions
}

// keysOf returns the uids of the KEYs that references of an endpoint resolve to, without
// duplicates. All versions of a secret are one KEY.
func keysOf(e endpoint.Endpoint, refs ...[]payload.Reference) []string {
	var uids []string
	for _, ref := range slices.Concat(refs...) {
		if uid := cmp.Or(e.SecretUID(ref.Secret), ref.Secret); ref.Usage != payload.ParameterUsage && !slices.Contains(uids, uid) {
			uids = append(uids, uid)
		}
	}
	return uids
}
