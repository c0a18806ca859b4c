// Package exchange encrypts, decrypts and verifies single messages for endpoints.
//
// Each message reads its endpoint anew, resolves the keys that the endpoint's
// configuration refers to, and for a request the credentials that go with it, runs the
// configuration's pipeline and zeroes what was resolved.
// Nothing of a message is stored, but for a MAC of an answer that must be the only one; see
// spent.go. What a message and its answer have in common,
// the versions of the keys and where need be the key itself, travels with the caller
// in a sealed token, the exchange; see token.go.
//
// The package fails closed: an endpoint that is not in use, a key that cannot be
// resolved, a configuration that cannot be loaded: all refuse the message.
//
// # Rotation
//
// What goes out is encrypted with the current version. What comes in opens with the
// version that the exchange names; without one also with those that were current
// before, within the grace of the configuration and where a wrong key is told from a
// right one; these open also while the current version is disabled or destroyed, which
// nothing goes out with. What opened it, the answer uses.
package exchange

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/nonce"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
	"github.com/keyward/keyward/services/allowlist/internal/resolver"
	"github.com/keyward/keyward/services/allowlist/internal/usage"
)

// compiled is how many configurations are kept compiled.
const compiled = 1024

// The reasons of the package's own refusals; errors.proto explains them.
const (
	ReasonNotActive     fault.Reason = "ENDPOINT_NOT_ACTIVE"
	ReasonNotConfigured fault.Reason = "ENCRYPTION_NOT_CONFIGURED"
	ReasonInvalid       fault.Reason = "INVALID_EXCHANGE"
)

// Options are what a server works with. All are required.
type Options struct {
	Endpoints *endpoint.Registry
	Vault     *resolver.Vault
	Keys      *keyring.Keyring
	// Store remembers what was answered.
	Store kv.Store
	Now   func() time.Time
	// Uses counts how keys are used, and Failures remembers what did not open.
	Uses     *usage.Meter
	Failures *usage.Failures
	// Nonces counts the values that keys encrypt.
	Nonces *nonce.Ledger
	// Turns is where messages wait whose keys are slow to derive.
	Turns *slowwork.Queue
	// KeepUnused is how long unused derived keys are kept.
	KeepUnused time.Duration
	Metrics    prometheus.Registerer
}

// A Server encrypts and decrypts. It may be used from many goroutines.
type Server struct {
	endpoints *endpoint.Registry
	vault     *resolver.Vault
	tokens    tokens
	now       func() time.Time
	uses      *usage.Meter
	failures  *usage.Failures
	stages    *prometheus.CounterVec
	configs   *lru.Cache[life, *payload.Config]
	spent     *spent
	nonces    *nonce.Ledger
	turns     *slowwork.Queue
	// keepUnused is how long unused derived keys are kept.
	keepUnused time.Duration
}

// life identifies one state of one endpoint, and so its configuration.
type life struct {
	uid      string
	revision uint64
}

// New returns a server for the endpoints of a registry.
func New(o Options) (*Server, error) {
	configs, err := lru.New[life, *payload.Config](compiled)
	if err != nil {
		return nil, fmt.Errorf("prepare configurations: %w", err)
	}
	sealed, err := newTokens(o.Keys, o.Now)
	if err != nil {
		return nil, fmt.Errorf("prepare exchanges: %w", err)
	}
	s := &Server{
		endpoints: o.Endpoints, vault: o.Vault, tokens: sealed, now: o.Now, uses: o.Uses, failures: o.Failures,
		stages: newStages(), configs: configs, nonces: o.Nonces, turns: o.Turns, keepUnused: o.KeepUnused,
		spent: &spent{kv: o.Store, key: o.Keys.Derive("spent exchanges"), now: o.Now},
	}
	if err := o.Metrics.Register(s.stages); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return s, nil
}

// Run removes what no longer needs to be remembered, until the context ends.
func (s *Server) Run(ctx context.Context, logger *slog.Logger) { s.spent.run(ctx, logger) }

// A Message is a body to encrypt, decrypt or verify.
type Message struct {
	Endpoint  endpoint.Name
	Direction payload.Direction
	// Caller is the subject of who asks; an exchange is good for them only.
	Caller string
	// Request is the id of the request, as in the log.
	Request string
	Body    []byte
	// Headers are those that came with the body.
	Headers payload.Headers
	// Context is what the caller says of the message beside.
	Context payload.Context
	// Exchange is the token of the message that this one answers, or empty.
	Exchange string
}

// An Encrypted is what to send.
type Encrypted struct {
	Body        []byte
	Headers     []payload.Header
	ContentType string
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

// A Verified is what a good signature says.
type Verified struct {
	// ID is the message's id, or empty, and Time that of the signature, or zero.
	ID   string
	Time time.Time
}

// Encrypt encrypts and signs a body as the endpoint's configuration says. The
// headers of the result begin with those of the endpoint itself. A request carries
// the endpoint's credentials; see credentials.go.
func (s *Server) Encrypt(ctx context.Context, m Message) (Encrypted, error) {
	l, err := s.load(ctx, m, opening, (*payload.Pipeline).EncryptReferences)
	if err != nil {
		return Encrypted{}, err
	}
	defer l.zero()
	headers, query, err := l.parameters()
	if err != nil {
		return Encrypted{}, err
	}
	in := s.input(ctx, m, l)
	if in.Context.ID == "" && l.pipeline.Signs() {
		in.Context.ID = NewMessageID()
	}
	sent, err := l.withBodyValues(m.Body, func(body []byte) (payload.Output, error) {
		in.Body = body
		return s.encrypt(ctx, l, in)
	})
	if err != nil {
		return Encrypted{}, s.refused(l, m, err)
	}
	defer wipe(sent.Exchange)
	s.used(l, sent.Used, false)
	e := Encrypted{
		Body: sent.Body, Headers: withOwn(headers, sent.Headers), Query: query,
		// Without a cipher the body is what it was, and so is its type.
		ContentType: cmp.Or(sent.ContentType, l.endpoint.ContentType),
	}
	if m.Direction == payload.Request {
		e.Exchange, err = s.seal(l, m.Caller, opening, sent)
	}
	return e, err
}

// encrypt encrypts a message. What the question has fixed key and IV of is noted as its one
// answer before it leaves.
func (s *Server) encrypt(ctx context.Context, l loaded, in payload.Input) (payload.Output, error) {
	sent, err := l.pipeline.Encrypt(in)
	if err != nil || !l.pipeline.AnswersOnce() || in.Exchange == nil {
		return sent, err
	}
	err = s.spent.note(ctx, *in.Exchange, answer{
		endpoint: l.endpoint.UID, revision: l.endpoint.Revision, body: in.Body, unique: !l.pipeline.Repeats(),
	})
	if err != nil {
		wipe(sent.Exchange)
		return payload.Output{}, err
	}
	return sent, nil
}

// NewMessageID draws the id of a message that comes without one.
func NewMessageID() string { return "msg_" + strings.ToLower(rand.Text()) }

// withOwn returns the endpoint's own headers and those that were made, which replace
// what the endpoint has under the same name.
func withOwn(own, made []payload.Header) []payload.Header {
	headers := make([]payload.Header, 0, len(own)+len(made))
	for _, h := range own {
		if !slices.ContainsFunc(made, func(s payload.Header) bool { return strings.EqualFold(s.Name, h.Name) }) {
			headers = append(headers, h)
		}
	}
	return append(headers, made...)
}

// Decrypt decrypts a body as the endpoint's configuration says, and verifies its
// signature where the configuration signs.
func (s *Server) Decrypt(ctx context.Context, m Message) (Decrypted, error) {
	l, err := s.load(ctx, m, sealing, (*payload.Pipeline).DecryptReferences)
	if err != nil {
		return Decrypted{}, err
	}
	defer l.zero()
	opened, err := l.pipeline.Decrypt(s.input(ctx, m, l))
	if err != nil {
		return Decrypted{}, s.failed(l, m, err)
	}
	defer wipe(opened.Exchange)
	s.used(l, opened.Used, true)
	d := Decrypted{Body: opened.Body}
	if m.Direction == payload.Request {
		d.Exchange, err = s.seal(l, m.Caller, sealing, opened)
	}
	return d, err
}

// Verify verifies the signature of a message as the endpoint's configuration says. What
// that does not sign does not verify.
func (s *Server) Verify(ctx context.Context, m Message) (Verified, error) {
	l, err := s.load(ctx, m, sealing, (*payload.Pipeline).VerifyReferences)
	if err != nil {
		return Verified{}, err
	}
	defer l.zero()
	verified, err := l.pipeline.Verify(s.input(ctx, m, l))
	if err != nil {
		return Verified{}, s.failed(l, m, err)
	}
	wipe(verified.Exchange)
	s.used(l, verified.Used, true)
	return Verified{ID: verified.ID, Time: verified.Time}, nil
}

// input returns what a pipeline needs to know of a message.
func (s *Server) input(ctx context.Context, m Message, l loaded) payload.Input {
	return payload.Input{
		Now: s.now(), Random: rand.Reader, Keys: l.payloadKeys(), Body: m.Body, Headers: m.Headers,
		Context: ContextOf(l.endpoint, m.Context), ContentType: cmp.Or(m.Headers["content-type"], l.endpoint.ContentType),
		JSON: payload.IsJSON(l.endpoint.ContentType), KeepUnused: s.keepUnused,
		Exchange: l.pinned.exchange, Turn: s.turns.For(ctx, slowwork.Share{Workspace: m.Endpoint.Workspace, Endpoint: m.Endpoint.ID}),
		Nonces: s.nonces.For(ctx, l.references, uids(l.endpoint.References)),
	}
}

// uids returns [endpoint.Endpoint.SecretUID] of an endpoint with such references. It keeps
// nothing else of the endpoint, which is large.
func uids(references []endpoint.Reference) func(secret string) string {
	return func(secret string) string { return endpoint.Endpoint{References: references}.SecretUID(secret) }
}

// ContextOf returns what is known of a message: what the caller says of it, or else the
// endpoint.
func ContextOf(e endpoint.Endpoint, c payload.Context) payload.Context {
	if c.Method == "" && len(e.Methods) == 1 {
		c.Method = e.Methods[0]
	}
	if path, below := e.URL.Path(); c.Path == "" && !below {
		c.Path = path
	}
	c.Host = cmp.Or(c.Host, e.URL.Host())
	return c
}

// refused returns the refusal of a message whose exchange does not hold what it needs
// as that of any other exchange that is not right.
func refused(err error) error {
	if errors.Is(err, payload.ErrExchange) {
		return invalid()
	}
	return err
}

// wipe zeroes what the answer to a message needs of it.
func wipe(e payload.Exchange) {
	clear(e.Key)
	clear(e.IV)
}
