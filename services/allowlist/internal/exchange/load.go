package exchange

import (
	"context"
	"errors"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// loaded holds everything that one message needs.
type loaded struct {
	*prepared
	*route
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

// versions returns the versions that a response must use: for a reference that follows the current
// version, the version that protected or decrypted the message, or 0 if several did.
func (l loaded) versions(used []payload.UsedKey) pinned {
	versions := make(pinned, 0, len(l.references))
	for _, use := range used {
		uid := l.wants[use.Reference].UID
		switch i := versions.find(uid); {
		case l.references[use.Reference].Version != 0: // a reference with a version needs no pin, and must not pin others
		case i < 0:
			versions = append(versions, pinnedVersion{uid, use.Version})
		case versions[i].version != use.Version:
			versions[i].version = 0
		}
	}
	for i, ref := range l.references {
		if uid := l.wants[i].UID; ref.Version == 0 && versions.find(uid) < 0 {
			versions = append(versions, pinnedVersion{uid, l.keys[i][0].Version})
		}
	}
	return versions
}

// attempts is the number of attempts for a message whose endpoint needs repair.
const attempts = 3

// load reads the endpoint and resolves its keys. If they cannot be resolved because the endpoint
// and the vault disagree, it repairs the endpoint and tries again.
func (p *Processor) load(ctx context.Context, m Message, how method) (l loaded, err error) {
	for range attempts {
		if l, err = p.attempt(ctx, m, how); err == nil {
			return l, nil
		}
		if l.prepared == nil {
			break // there is no endpoint to repair
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
		now, failed = p.endpoints.Lose(ctx, e, vaultclient.DeleteReason(err))
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
func (p *Processor) attempt(ctx context.Context, m Message, how method) (l loaded, err error) {
	if l.prepared, err = p.prepared.Get(ctx, m.Endpoint); err != nil {
		return l, err
	}
	if l.endpoint.State != endpoint.Active {
		return l, notActive(l.endpoint.State)
	}
	if l.route = l.routes[how][m.Direction]; l.route == nil {
		return l, fault.New(fault.FailedPrecondition, ReasonNotConfigured, "the endpoint has no configuration to encrypt or sign messages")
	}
	if l.pinned, err = p.open(m, l.endpoint.UID, how.operation()); err != nil {
		return l, err
	}
	if l.keys, err = p.vault.ResolveAccepted(ctx, l.wantsWith(l.pinned.versions)); err != nil {
		l.zero()
	}
	return l, err
}

func notActive(state endpoint.State) error {
	return fault.New(fault.FailedPrecondition, ReasonNotActive, "the endpoint is not in use").
		With("state", string(state))
}
