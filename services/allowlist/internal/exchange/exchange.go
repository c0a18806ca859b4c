// Package exchange encrypts and decrypts single messages for endpoints.
//
// Each message reads its endpoint anew, resolves the keys that the endpoint's
// configuration refers to, and for a request the credentials that go with it, runs the
// configuration's pipeline and zeroes what was resolved.
// Nothing of a message is stored. What a message and its answer have in common,
// the versions of the keys, travels with the caller in a sealed token, the
// exchange; see token.go.
//
// The package fails closed: an endpoint that is not in use, a key that cannot be
// resolved, a configuration that cannot be loaded: all refuse the message.
package exchange

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/resolver"
)

// compiled is how many configurations are kept compiled.
const compiled = 1024

// The reasons of the package's own refusals; errors.proto explains them.
const (
	ReasonNotActive     fault.Reason = "ENDPOINT_NOT_ACTIVE"
	ReasonNotConfigured fault.Reason = "ENCRYPTION_NOT_CONFIGURED"
	ReasonInvalid       fault.Reason = "INVALID_EXCHANGE"
)

// A Server encrypts and decrypts. It may be used from many goroutines.
type Server struct {
	endpoints *endpoint.Registry
	vault     *resolver.Vault
	keys      *keyring.Keyring
	now       func() time.Time
	configs   *lru.Cache[life, *payload.Config]
}

// life identifies one state of one endpoint, and so its configuration.
type life struct {
	uid      string
	revision uint64
}

// New returns a server for the endpoints of a registry.
func New(endpoints *endpoint.Registry, vault *resolver.Vault, keys *keyring.Keyring, now func() time.Time) (*Server, error) {
	configs, err := lru.New[life, *payload.Config](compiled)
	if err != nil {
		return nil, fmt.Errorf("prepare configurations: %w", err)
	}
	return &Server{endpoints: endpoints, vault: vault, keys: keys, now: now, configs: configs}, nil
}

// A Message is a body to encrypt or decrypt.
type Message struct {
	Endpoint  endpoint.Name
	Direction payload.Direction
	// Caller is the subject of who asks; an exchange is good for them only.
	Caller string
	Body   []byte
	// Exchange is the token of the message that this one answers, or empty.
	Exchange string
}

// An Encrypted is what to send.
type Encrypted struct {
	payload.Output
	// Query are the endpoint's query parameters.
	Query []payload.Header
	// Exchange goes with the answer, if one is to be expected.
	Exchange string
}

// A Decrypted is what a partner sent, in the clear.
type Decrypted struct {
	Body []byte
	// Exchange goes with the answer, if one is to be made.
	Exchange string
}

// Encrypt encrypts and signs a body as the endpoint's configuration says. The
// headers of the result begin with those of the endpoint itself. A request carries
// the endpoint's credentials; see credentials.go.
func (s *Server) Encrypt(ctx context.Context, m Message) (Encrypted, error) {
	l, err := s.load(ctx, m, opening, (*payload.Pipeline).EncryptReferences)
	if err != nil {
		return Encrypted{}, err
	}
	defer resolver.Zero(l.keys)
	headers, query, err := l.parameters()
	if err != nil {
		return Encrypted{}, err
	}
	message, err := l.withBodyValues(m.Body, func(body []byte) (payload.Output, error) {
		return l.pipeline.Encrypt(payload.Input{Now: s.now(), Random: rand.Reader, Keys: l.payloadKeys(), Body: body})
	})
	if err != nil {
		return Encrypted{}, err
	}
	message.Headers = withSignature(headers, message.Headers)
	// Without a cipher the body is what it was, and so is its type.
	message.ContentType = cmp.Or(message.ContentType, l.endpoint.ContentType)
	e := Encrypted{Output: message, Query: query}
	if m.Direction == payload.Request {
		e.Exchange, err = s.seal(l, m.Caller, opening)
	}
	return e, err
}

// withSignature returns the endpoint's own headers and those of the signature, which
// replace what the endpoint has under the same name.
func withSignature(own, signature []payload.Header) []payload.Header {
	headers := make([]payload.Header, 0, len(own)+len(signature))
	for _, h := range own {
		if !slices.ContainsFunc(signature, func(s payload.Header) bool { return strings.EqualFold(s.Name, h.Name) }) {
			headers = append(headers, h)
		}
	}
	return append(headers, signature...)
}

// Decrypt decrypts a body as the endpoint's configuration says.
func (s *Server) Decrypt(ctx context.Context, m Message) (Decrypted, error) {
	l, err := s.load(ctx, m, sealing, (*payload.Pipeline).DecryptReferences)
	if err != nil {
		return Decrypted{}, err
	}
	defer resolver.Zero(l.keys)
	opened, err := l.pipeline.Decrypt(payload.Input{Now: s.now(), Keys: l.payloadKeys(), Body: m.Body})
	if err != nil {
		return Decrypted{}, err
	}
	d := Decrypted{Body: opened.Body}
	if m.Direction == payload.Request {
		d.Exchange, err = s.seal(l, m.Caller, sealing)
	}
	return d, err
}

// loaded is all that one message needs.
type loaded struct {
	endpoint endpoint.Endpoint
	pipeline *payload.Pipeline
	// keys are the keys of the pipeline, and then the credentials.
	keys        []resolver.Key
	credentials []endpoint.Credential
	// versions are those of the keys that follow the current one, by the uid of their
	// secrets.
	versions map[string]uint32
}

func (l loaded) payloadKeys() payload.Keys {
	keys := make(payload.Keys, len(l.keys)-len(l.credentials))
	for i := range keys {
		keys[i] = []payload.Key{{Value: l.keys[i].Value, Version: l.keys[i].Version}}
	}
	return keys
}

// load reads the endpoint and resolves its keys. A save that came in between may
// have given up the bindings of the state that was read; then it is read again.
func (s *Server) load(ctx context.Context, m Message, answer use, references func(*payload.Pipeline) []payload.Reference) (loaded, error) {
	l, err := s.attempt(ctx, m, answer, references)
	gone, unbound := fault.Is(err, resolver.ReasonSecretNotFound), errors.Is(err, resolver.ErrNotBound)
	if !gone && !unbound {
		return l, err
	}
	var now endpoint.Endpoint
	var failed error
	if gone {
		now, failed = s.endpoints.Lose(ctx, l.endpoint)
	} else {
		now, failed = s.endpoints.Get(ctx, m.Endpoint)
	}
	switch {
	case failed != nil:
		return loaded{}, failed
	case now.UID != l.endpoint.UID || now.Operation != l.endpoint.Operation:
		return s.attempt(ctx, m, answer, references)
	case gone:
		return loaded{}, notActive(now.State)
	}
	return loaded{}, err
}

func (s *Server) attempt(ctx context.Context, m Message, answer use, references func(*payload.Pipeline) []payload.Reference) (loaded, error) {
	e, err := s.endpoints.Get(ctx, m.Endpoint)
	if err != nil {
		return loaded{}, err
	}
	l := loaded{endpoint: e, versions: make(map[string]uint32)}
	if e.State != endpoint.Active {
		return l, notActive(e.State)
	}
	config, err := s.config(e)
	if err != nil {
		return l, err
	}
	pinned, err := s.open(m, e, answer)
	if err != nil {
		return l, err
	}
	l.pipeline = config.Pipeline(m.Direction)
	refs := references(l.pipeline)
	wants := wantsOf(e, refs, pinned)
	if answer == opening && m.Direction == payload.Request {
		l.credentials = e.Credentials()
	}
	if l.keys, err = s.vault.Resolve(ctx, append(wants, credentialWants(e, l.credentials)...)); err != nil {
		return l, err
	}
	for i, ref := range refs {
		// A reference with a version of its own needs no pin, and must not pin others.
		if ref.Version == 0 {
			l.versions[wants[i].UID] = l.keys[i].Version
		}
	}
	return l, nil
}

// wantsOf returns the keys to resolve for references. Where a reference follows
// the current version, one that the exchange pinned goes before.
func wantsOf(e endpoint.Endpoint, references []payload.Reference, pinned map[string]uint32) []resolver.Want {
	wants := make([]resolver.Want, 0, len(references))
	for _, reference := range references {
		want := resolver.Want{Secret: reference.Secret, UID: e.SecretUID(reference.Secret), Version: reference.Version}
		if want.Version == 0 {
			want.Version = pinned[want.UID]
		}
		wants = append(wants, want)
	}
	return wants
}

// config returns the endpoint's configuration, compiled.
func (s *Server) config(e endpoint.Endpoint) (*payload.Config, error) {
	if !e.Encryption.Configured() {
		return nil, fault.New(fault.FailedPrecondition, ReasonNotConfigured, "the endpoint has no encryption")
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
