package exchange

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/resolver"
)

// loaded is all that one message needs.
type loaded struct {
	endpoint    endpoint.Endpoint
	pipeline    *payload.Pipeline
	references  []payload.Reference
	credentials []endpoint.Credential
	// keys are those of the references, each with the versions to try, and then the
	// credentials.
	keys   [][]resolver.Key
	pinned pin
}

// zero overwrites what was resolved.
func (l loaded) zero() {
	resolver.Zero(l.keys...)
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

// versions returns the versions that an answer is to use, by the uids of their secrets:
// where a reference follows the current version, the one that protected the message or
// opened it, or 0 where several did.
func (l loaded) versions(used []payload.UsedKey) map[string]uint32 {
	versions := make(map[string]uint32, len(l.references))
	for _, use := range used {
		ref := l.references[use.Reference]
		uid := l.endpoint.SecretUID(ref.Secret)
		switch before, known := versions[uid]; {
		case ref.Version != 0: // a version of its own needs no pin, and must not pin others
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

// attempts is how often a message begins again because its endpoint had to be repaired.
const attempts = 3

// load reads the endpoint and resolves its keys. Where they cannot be resolved because the
// endpoint and the vault do not agree, it repairs that and begins again.
func (s *Server) load(ctx context.Context, m Message, answer use, references func(*payload.Pipeline) []payload.Reference) (l loaded, err error) {
	for range attempts {
		if l, err = s.attempt(ctx, m, answer, references); err == nil {
			return l, nil
		}
		again, failed := s.repair(ctx, l.endpoint, err)
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
// save that came in between may have given up the bindings of the state that was read. A
// vault that was restored from a backup may lack bindings, which are made again, or secrets
// and versions that the endpoint needs: then the endpoint is switched off.
func (s *Server) repair(ctx context.Context, e endpoint.Endpoint, err error) (again bool, failed error) {
	var now endpoint.Endpoint
	unbound := errors.Is(err, resolver.ErrNotBound)
	switch {
	case fault.Is(err, resolver.ReasonSecretNotFound):
		now, failed = s.endpoints.Lose(ctx, e)
	case unbound:
		now, failed = s.endpoints.Rebind(ctx, e)
	case fault.Is(err, resolver.ReasonVersionNotFound):
		now, failed = s.endpoints.LosePins(ctx, e)
	default:
		return false, err
	}
	switch {
	case failed != nil && unbound && !fault.Is(failed, endpoint.ReasonNotFound):
		return false, errors.Join(err, failed) // why it is not bound is for the log
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

// attempt reads the endpoint and resolves its keys. With an error, it returns what it
// found before that, and nothing that needs to be zeroed.
func (s *Server) attempt(ctx context.Context, m Message, answer use, references func(*payload.Pipeline) []payload.Reference) (l loaded, err error) {
	if l.endpoint, err = s.endpoints.Get(ctx, m.Endpoint); err != nil {
		return l, err
	}
	if l.endpoint.State != endpoint.Active {
		return l, notActive(l.endpoint.State)
	}
	config, err := s.config(l.endpoint)
	if err != nil {
		return l, err
	}
	l.pipeline = config.Pipeline(m.Direction)
	l.references = references(l.pipeline)
	if answer == opening && m.Direction == payload.Request {
		l.credentials = l.endpoint.Credentials()
	}
	if l.pinned, err = s.open(m, l.endpoint, answer); err != nil {
		return l, err
	}
	if l.keys, err = s.vault.ResolveLive(ctx, append(l.wants(config, answer == sealing), l.credentialWants()...)); err != nil {
		l.zero()
	}
	return l, err
}

// wants returns the keys to resolve for the references of what goes out or came in. Where
// one follows the current version, a version that the exchange pinned goes before.
func (l loaded) wants(config *payload.Config, incoming bool) []resolver.Want {
	wants := make([]resolver.Want, 0, len(l.references)+len(l.credentials))
	for _, reference := range l.references {
		want := resolver.Want{
			Secret: reference.Secret, UID: l.endpoint.SecretUID(reference.Secret), Version: reference.Version,
			VersionUID: l.endpoint.VersionUID(reference.Secret, reference.Version),
			Usage:      l.usageOf(reference), Incoming: incoming, Purpose: reference.Purpose.Digest, Seal: true,
		}
		if want.Version == 0 {
			want.Version = l.pinned.versions[want.UID]
		}
		if reference.Previous { // without effect where there is a version
			want.Grace = config.Grace()
		}
		wants = append(wants, want)
	}
	return wants
}

// usageOf returns the usage of a reference's secret.
func (l loaded) usageOf(ref payload.Reference) resolver.Usage {
	switch ref.Usage {
	case payload.ParameterUsage:
		return resolver.UsageParameter
	case payload.ExposedKeyUsage:
		if l.endpoint.Exposes(ref.Secret) {
			return resolver.UsageExposedKey
		}
	}
	return resolver.UsageKey
}

// config returns the endpoint's configuration, compiled.
func (s *Server) config(e endpoint.Endpoint) (*payload.Config, error) {
	if !e.Encryption.Configured() {
		return nil, fault.New(fault.FailedPrecondition, ReasonNotConfigured, "the endpoint has no configuration to encrypt or sign messages")
	}
	key := life{uid: e.UID, revision: e.Revision}
	if config, ok := s.configs.Get(key); ok {
		return config, nil
	}
	config, err := payload.Load(e.Encryption.Stored)
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	s.configs.Add(key, config)
	return config, nil
}

func notActive(state endpoint.State) error {
	return fault.New(fault.FailedPrecondition, ReasonNotActive, "the endpoint is not in use").
		With("state", string(state))
}
