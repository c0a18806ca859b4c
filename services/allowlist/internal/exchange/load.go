package exchange

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// loaded holds everything that one message needs.
type loaded struct {
	endpoint    endpoint.Endpoint
	pipeline    *payload.Pipeline
	references  []payload.Reference
	credentials []endpoint.Credential
	// keys are the keys of the references, each with the versions to try, followed by the
	// credentials.
	keys   [][]vaultclient.Key
	pinned pin
}

// zero overwrites the resolved values.
func (l loaded) zero() {
	vaultclient.Zero(l.keys...)
	if l.pinned.exchange != nil {
		wipe(*l.pinned.exchange)
	}
}

func (l loaded) payloadKeys() payload.Keys {
	keys := make(payload.Keys, len(l.references))
	for i := range keys {
		keys[i] = make([]payload.Key, len(l.keys[i]))
		for j, key := range l.keys[i] {
			keys[i][j] = payload.Key{Value: key.Value, Version: key.Version}
		}
	}
	return keys
}

// refused returns why a current version is not among the keys, or nil if all are.
func (l loaded) refused() error {
	for _, versions := range l.keys {
		if versions[0].Refused != nil {
			return versions[0].Refused
		}
	}
	return nil
}

// versions returns the versions that a response must use, by the uids of their secrets: for a
// reference that follows the current version, the version that protected or decrypted the message,
// or 0 if several did.
func (l loaded) versions(used []payload.UsedKey) map[string]uint32 {
	versions := make(map[string]uint32, len(l.references))
	for _, use := range used {
		ref := l.references[use.Reference]
		uid := l.endpoint.SecretUID(ref.Secret)
		switch before, known := versions[uid]; {
		case ref.Version != 0: // a reference with a version needs no pin, and must not pin others
		case known && before != use.Version:
			versions[uid] = 0
		default:
			versions[uid] = use.Version
		}
	}
	for i, ref := range l.references {
		uid := l.endpoint.SecretUID(ref.Secret)
		if _, known := versions[uid]; !known && ref.Version == 0 {
			versions[uid] = l.keys[i][0].Version
		}
	}
	return versions
}

// attempts is the number of attempts for a message whose endpoint needs repair.
const attempts = 3

// load reads the endpoint and resolves its keys. If they cannot be resolved because the endpoint
// and the vault disagree, it repairs the endpoint and tries again.
func (p *Processor) load(ctx context.Context, m Message, op operation, references func(*payload.Pipeline) []payload.Reference) (l loaded, err error) {
	for range attempts {
		if l, err = p.attempt(ctx, m, op, references); err == nil {
			return l, nil
		}
		again, failed := p.repair(ctx, l.endpoint, err)
		if failed != nil {
			return loaded{}, failed
		}
		if !again {
			break
		}
	}
	return loaded{}, err
}

// repair reports whether keys of an endpoint that could not be resolved may be resolved now. A
// concurrent save may have given up the bindings of the state that was read. A vault that was
// restored from a backup may lack bindings, which are created again, or secrets and versions that
// the endpoint needs: then the endpoint is switched off.
func (p *Processor) repair(ctx context.Context, e endpoint.Endpoint, err error) (again bool, failed error) {
	var now endpoint.Endpoint
	unbound := errors.Is(err, vaultclient.ErrNotBound)
	switch {
	case fault.Is(err, vaultclient.ReasonSecretNotFound):
		now, failed = p.endpoints.Lose(ctx, e)
	case unbound:
		now, failed = p.endpoints.Rebind(ctx, e)
	case fault.Is(err, vaultclient.ReasonVersionNotFound):
		now, failed = p.endpoints.LosePins(ctx, e)
	default:
		return false, err
	}
	switch {
	case failed != nil && unbound && !fault.Is(failed, endpoint.ReasonNotFound):
		return false, errors.Join(err, failed) // the log shows why it is not bound
	case failed != nil:
		return false, failed
	case now.UID != e.UID || now.Operation != e.Operation:
		return true, nil
	case now.Lost:
		return false, notActive(now.State)
	case unbound:
		return true, nil
	}
	return false, err
}

// attempt reads the endpoint and resolves its keys. With an error, it returns the data that it had
// loaded, which needs no zeroing.
func (p *Processor) attempt(ctx context.Context, m Message, op operation, references func(*payload.Pipeline) []payload.Reference) (l loaded, err error) {
	if l.endpoint, err = p.endpoints.Get(ctx, m.Endpoint); err != nil {
		return l, err
	}
	if l.endpoint.State != endpoint.Active {
		return l, notActive(l.endpoint.State)
	}
	config, err := p.config(l.endpoint)
	if err != nil {
		return l, err
	}
	l.pipeline = config.Pipeline(m.Direction)
	l.references = references(l.pipeline)
	if op == sealing && m.Direction == payload.Request {
		l.credentials = l.endpoint.Credentials()
	}
	if l.pinned, err = p.open(m, l.endpoint, op); err != nil {
		return l, err
	}
	if l.keys, err = p.vault.ResolveAccepted(ctx, append(l.wants(config, op == opening), l.credentialWants()...)); err != nil {
		l.zero()
	}
	return l, err
}

// wants returns the keys to resolve for the references of an outgoing or incoming message. For a
// reference that follows the current version, a version that the exchange pinned takes precedence.
func (l loaded) wants(config *payload.Config, incoming bool) []vaultclient.Want {
	wants := make([]vaultclient.Want, 0, len(l.references)+len(l.credentials))
	for _, reference := range l.references {
		want := vaultclient.Want{
			Secret: reference.Secret, UID: l.endpoint.SecretUID(reference.Secret), Version: reference.Version,
			VersionUID: l.endpoint.VersionUID(reference.Secret, reference.Version),
			Usage:      l.usageOf(reference), Incoming: incoming, Purpose: reference.Purpose.Digest, Seal: true,
		}
		if want.Version == 0 {
			want.Version = l.pinned.versions[want.UID]
		}
		if reference.Previous { // has no effect on a reference with a version
			want.Grace = config.Grace()
		}
		wants = append(wants, want)
	}
	return wants
}

// usageOf returns the usage of a reference's secret.
func (l loaded) usageOf(ref payload.Reference) vaultclient.Usage {
	switch ref.Usage {
	case payload.ParameterUsage:
		return vaultclient.UsageParameter
	case payload.ExposedKeyUsage:
		if l.endpoint.Exposes(ref.Secret) {
			return vaultclient.UsageExposedKey
		}
	}
	return vaultclient.UsageKey
}

// config returns the endpoint's configuration, compiled.
func (p *Processor) config(e endpoint.Endpoint) (*payload.Config, error) {
	if !e.Encryption.Configured() {
		return nil, fault.New(fault.FailedPrecondition, ReasonNotConfigured, "the endpoint has no configuration to encrypt or sign messages")
	}
	key := revision{uid: e.UID, revision: e.Revision}
	if config, ok := p.configs.Get(key); ok {
		return config, nil
	}
	config, err := payload.Load(e.Encryption.Stored)
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	p.configs.Add(key, config)
	return config, nil
}

func notActive(state endpoint.State) error {
	return fault.New(fault.FailedPrecondition, ReasonNotActive, "the endpoint is not in use").
		With("state", string(state))
}
