// Package exchange encrypts, decrypts, and verifies single messages for endpoints.
//
// For each message, it reads the endpoint, resolves the keys of the endpoint's configuration and,
// for a request, the credentials that go with it, runs the pipeline of the configuration, and
// zeroes the resolved values. No part of a message is stored, except for a MAC of a response that
// must be the only one; see spent.go. The state that a message and its response share, which is
// the versions of the keys and, if needed, the key itself, travels with the caller in a sealed
// token, the exchange; see token.go.
//
// The package fails closed. It refuses the message if the endpoint is not in use, if a key cannot
// be resolved, or if the configuration cannot be loaded.
//
// # Rotation
//
// Outgoing messages are encrypted with the current version. Incoming messages are decrypted with
// the version that the exchange names. Without an exchange, versions that were current earlier are
// tried too, within the grace period of the configuration and if a wrong key can be distinguished
// from the right one. These decrypt even while the current version is disabled or destroyed;
// outgoing messages fail then. The response uses the version that decrypted the message.
package exchange

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/activity"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/nonce"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// The reasons of the package's errors; errors.proto explains them.
const (
	ReasonNotActive     fault.Reason = "ENDPOINT_NOT_ACTIVE"
	ReasonNotConfigured fault.Reason = "ENCRYPTION_NOT_CONFIGURED"
	ReasonInvalid       fault.Reason = "INVALID_EXCHANGE"
)

// Options are the dependencies and settings of a processor. All are required.
type Options struct {
	Endpoints *endpoint.Registry
	Vault     *vaultclient.Vault
	Keys      *keyring.Keyring
	// Store records which exchanges were answered.
	Store kv.Store
	Now   func() time.Time
	// Uses counts the uses of keys. Failures remembers messages that failed to decrypt or verify.
	Uses     *activity.Meter
	Failures *activity.Failures
	// Nonces counts the values that are encrypted with each key.
	Nonces *nonce.Ledger
	// Turns is the queue for messages whose keys are slow to derive.
	Turns *slowwork.Queue
	// KeepUnused is the time for which unused derived keys are cached.
	KeepUnused time.Duration
	Metrics    prometheus.Registerer
}

// A Processor encrypts, decrypts, and verifies messages. It is safe for concurrent use.
type Processor struct {
	endpoints *endpoint.Registry
	vault     *vaultclient.Vault
	tokens    tokens
	now       func() time.Time
	uses      *activity.Meter
	failures  *activity.Failures
	stages    *prometheus.CounterVec
	prepared  *endpoint.Derived[*prepared]
	spent     *spent
	nonces    *nonce.Ledger
	turns     *slowwork.Queue
	// keepUnused is the time for which unused derived keys are cached.
	keepUnused time.Duration
}

// New returns a processor for the endpoints of a registry.
func New(o Options) (*Processor, error) {
	endpoints, err := endpoint.NewDerived(o.Endpoints, maxPrepared, prepare)
	if err != nil {
		return nil, fmt.Errorf("prepare endpoints: %w", err)
	}
	sealed, err := newTokens(o.Keys, o.Now)
	if err != nil {
		return nil, fmt.Errorf("prepare exchanges: %w", err)
	}
	p := &Processor{
		endpoints: o.Endpoints, vault: o.Vault, tokens: sealed, now: o.Now, uses: o.Uses, failures: o.Failures,
		stages: newStages(), prepared: endpoints, nonces: o.Nonces, turns: o.Turns, keepUnused: o.KeepUnused,
		spent: &spent{kv: o.Store, key: o.Keys.Derive("spent exchanges"), now: o.Now},
	}
	if err := o.Metrics.Register(p.stages); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return p, nil
}

// Run removes expired records of answered exchanges until the context ends.
func (p *Processor) Run(ctx context.Context, logger *slog.Logger) { p.spent.run(ctx, logger) }

// A Message is a body to encrypt, decrypt, or verify.
type Message struct {
	Endpoint  endpoint.Name
	Direction payload.Direction
	// Caller is the subject of the caller. An exchange is valid only for the same caller.
	Caller string
	// Request is the ID of the request in the log.
	Request string
	Body    []byte
	// Headers are the headers that came with the body.
	Headers payload.Headers
	// Context is the caller's additional information about the message.
	Context payload.Context
	// Exchange is the token of the message that this one responds to, or empty.
	Exchange string
}

// An Encrypted is a message to send.
type Encrypted struct {
	Body        []byte
	Headers     []payload.Header
	ContentType string
	// Query are the endpoint's query parameters.
	Query []payload.Header
	// Exchange is the token for the response, if one is expected.
	Exchange string
}

// A Decrypted is a decrypted message of a partner.
type Decrypted struct {
	Body []byte
	// Exchange is the token for the response, if one must be created.
	Exchange string
}

// A Verified is the data of a valid signature.
type Verified struct {
	// ID is the message's ID, or empty. Time is the time of the signature, or zero.
	ID   string
	Time time.Time
}

// MaxBody is the maximum length of an encrypted body: a body of 16 MiB, encrypted and in hexadecimal,
// with 4 MiB around it.
const MaxBody = 36 << 20

// Encrypt encrypts and signs a body according to the endpoint's configuration. The headers of the
// result begin with those of the endpoint itself. A request carries the endpoint's credentials;
// see credentials.go.
func (p *Processor) Encrypt(ctx context.Context, m Message) (Encrypted, error) {
	l, err := p.load(ctx, m, encrypting)
	if err != nil {
		return Encrypted{}, err
	}
	defer l.zero()
	headers, err := l.parameters(l.carried.headers)
	if err != nil {
		return Encrypted{}, err
	}
	query, err := l.parameters(l.carried.query)
	if err != nil {
		return Encrypted{}, err
	}
	sent, err := p.encrypt(ctx, l, m)
	if err != nil {
		return Encrypted{}, p.refused(l, m, err)
	}
	defer wipe(sent.Exchange)
	p.used(l, sent.Used, false)
	if len(sent.Body) > MaxBody {
		return Encrypted{}, fault.New(fault.ResourceExhausted, fault.MessageTooLarge, "the encrypted body would exceed the maximum size for Decrypt").
			With("limit_bytes", strconv.Itoa(MaxBody))
	}
	e := Encrypted{
		Body: sent.Body, Headers: withOwn(headers, sent.Headers), Query: withOwn(query, sent.Query),
		// Without a cipher, the body and its content type do not change.
		ContentType: cmp.Or(sent.ContentType, l.endpoint.ContentType),
	}
	if m.Direction == payload.Request {
		e.Exchange, err = p.seal(l, m.Caller, sealing, sent)
	}
	return e, err
}

// encrypt encrypts a message with the values that its body carries. It overwrites the body that it
// makes, unless that is the result.
func (p *Processor) encrypt(ctx context.Context, l loaded, m Message) (payload.Output, error) {
	in := p.input(ctx, m, l)
	if in.Context.ID == "" && l.pipeline.Signs() {
		in.Context.ID = NewMessageID()
	}
	var err error
	if in.Body, err = l.insert(m.Body); err != nil {
		return payload.Output{}, err
	}
	sent, err := p.answerOnce(ctx, l, in)
	if len(l.carried.values) > 0 && (err != nil || len(sent.Body) == 0 || &sent.Body[0] != &in.Body[0]) {
		clear(in.Body)
	}
	return sent, err
}

// answerOnce encrypts a message. A response whose key and IV the request fixed is recorded as the
// only response before it is returned.
func (p *Processor) answerOnce(ctx context.Context, l loaded, in payload.Input) (payload.Output, error) {
	sent, err := l.pipeline.Encrypt(in)
	if err != nil || !l.pipeline.AnswersOnce() || in.Exchange == nil {
		return sent, err
	}
	err = p.spent.note(ctx, *in.Exchange, answer{
		endpoint: l.endpoint.UID, revision: l.endpoint.Revision, body: in.Body, unique: !l.pipeline.Repeats(),
	})
	if err != nil {
		wipe(sent.Exchange)
		return payload.Output{}, err
	}
	return sent, nil
}

// NewMessageID generates the ID of a message that has none.
func NewMessageID() string { return "msg_" + strings.ToLower(rand.Text()) }

// withOwn returns the endpoint's own headers or query parameters and those of the signature, which
// replace own ones with the same name.
func withOwn(own, made []payload.Header) []payload.Header {
	if len(own) == 0 {
		return made
	}
	headers := make([]payload.Header, 0, len(own)+len(made))
	for _, h := range own {
		if !slices.ContainsFunc(made, func(s payload.Header) bool { return strings.EqualFold(s.Name, h.Name) }) {
			headers = append(headers, h)
		}
	}
	return append(headers, made...)
}

// Decrypt decrypts a body according to the endpoint's configuration, and verifies its signature if
// the configuration requires one. The values that the partner issues in a response become versions of
// their secrets, and the body does not have them; see issue.go.
func (p *Processor) Decrypt(ctx context.Context, m Message) (Decrypted, error) {
	l, err := p.load(ctx, m, decrypting)
	if err != nil {
		return Decrypted{}, err
	}
	defer l.zero()
	opened, err := l.pipeline.Decrypt(p.input(ctx, m, l))
	if err != nil {
		return Decrypted{}, p.failed(l, m, err)
	}
	defer wipe(opened.Exchange)
	p.used(l, opened.Used, true)
	d := Decrypted{Body: opened.Body}
	if l.issuing != nil {
		d.Body, err = p.issue(ctx, l, m, opened.Body)
	}
	if m.Direction == payload.Request {
		d.Exchange, err = p.seal(l, m.Caller, opening, opened)
	}
	return d, err
}

// Verify verifies the signature of a message according to the endpoint's configuration. It fails
// if the configuration has no signature.
func (p *Processor) Verify(ctx context.Context, m Message) (Verified, error) {
	l, err := p.load(ctx, m, verifying)
	if err != nil {
		return Verified{}, err
	}
	defer l.zero()
	verified, err := l.pipeline.Verify(p.input(ctx, m, l))
	if err != nil {
		return Verified{}, p.failed(l, m, err)
	}
	wipe(verified.Exchange)
	p.used(l, verified.Used, true)
	return Verified{ID: verified.ID, Time: verified.Time}, nil
}

// input returns the input of a pipeline for a message.
func (p *Processor) input(ctx context.Context, m Message, l loaded) payload.Input {
	return payload.Input{
		Now: p.now(), Random: rand.Reader, Keys: l.payloadKeys(), Body: m.Body, Headers: m.Headers,
		Context: completed(m.Context, l.context), ContentType: cmp.Or(m.Headers["content-type"], l.endpoint.ContentType),
		JSON: l.json, KeepUnused: p.keepUnused,
		Exchange: l.pinned.exchange, Turn: p.turns.For(ctx, slowwork.Share{Workspace: m.Endpoint.Workspace, Endpoint: m.Endpoint.ID}),
		Nonces: func(use payload.UsedKey, bits, values int) error {
			want := &l.wants[use.Reference]
			return p.nonces.Take(ctx, nonce.Key{Secret: want.Secret, UID: want.UID, Version: use.Version}, bits, values)
		},
	}
}

// ContextOf returns the context of a message: the values of the caller, or else those of the
// endpoint.
func ContextOf(e endpoint.Endpoint, c payload.Context) payload.Context {
	return completed(c, contextOf(e))
}

// contextOf returns the context that an endpoint determines.
func contextOf(e endpoint.Endpoint) payload.Context {
	c := payload.Context{Host: e.URL.Host()}
	if len(e.Methods) == 1 {
		c.Method = e.Methods[0]
	}
	if path, below := e.URL.Path(); !below {
		c.Path = path
	}
	return c
}

// completed returns a context with the missing values from another one.
func completed(c, from payload.Context) payload.Context {
	c.Method, c.Path, c.Host = cmp.Or(c.Method, from.Method), cmp.Or(c.Path, from.Path), cmp.Or(c.Host, from.Host)
	return c
}

// refused makes the error for an exchange that lacks needed data the same as for any other invalid
// exchange.
func refused(err error) error {
	if errors.Is(err, payload.ErrExchange) {
		return invalid()
	}
	return err
}

// wipe zeroes the key and the IV that an exchange holds for the response.
func wipe(e payload.Exchange) {
	clear(e.Key)
	clear(e.IV)
}
