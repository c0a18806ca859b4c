package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/client/seal"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

var (
	// ErrSealingKey is in the error chain of a call whose value could not be sealed because no key of
	// the vault is pinned.
	ErrSealingKey = errors.New("client: no sealing key of the vault is pinned; ask the operator of the vault for its keys, and pin the newest")
	// ErrNoSealing is in the error chain of a call whose value could not be sealed because the
	// vault's release does not support sealed values.
	ErrNoSealing = errors.New("client: the vault does not support sealed values; set Unsealed to send values unsealed")
)

// keysLast is the time for which the keys of a vault are cached.
const keysLast = time.Hour

// A sealer seals the values of requests.
type sealer struct {
	off  bool
	pins []seal.Key // empty: any key is trusted

	mu    sync.Mutex
	known offer
}

// An offer is a response of GetSealing.
type offer struct {
	key  seal.Key
	time time.Time // by the vault's clock
	at   time.Time // by the local clock; zero if there is no offer
}

// now returns the time by the vault's clock.
func (o offer) now() time.Time { return o.time.Add(time.Since(o.at)) }

func newSealer(cfg Config) (*sealer, error) {
	s := &sealer{off: cfg.Unsealed}
	for i, text := range cfg.SealingKeys {
		key, err := seal.ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("sealing_keys[%d]: %w", i, err)
		}
		s.pins = append(s.pins, key)
	}
	return s, nil
}

// unary seals the value of a request that has one. It runs before retries, so that they send the
// same bytes.
func (s *sealer) unary(ctx context.Context, method string, req, res any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	v, ok := valueOf(req)
	if s.off || !ok {
		return invoke(ctx, method, req, res, conn, opts...)
	}
	ask := func(in *vaultv1.GetSealingRequest) (*vaultv1.GetSealingResponse, error) {
		out := new(vaultv1.GetSealingResponse)
		return out, invoke(ctx, vaultv1.VaultService_GetSealing_FullMethodName, in, out, conn, opts...)
	}
	for first := true; ; first = false {
		to, cached, err := s.offer(v.secret, ask)
		if err != nil {
			return err
		}
		sealed, err := v.sealed(to)
		if err != nil {
			return err
		}
		if err = invoke(ctx, method, sealed, res, conn, opts...); !first || !cached || !outdated(err) {
			return err
		}
		s.forget(to)
	}
}

// offer returns a key to seal to, and whether it was cached.
func (s *sealer) offer(secret string, ask func(*vaultv1.GetSealingRequest) (*vaultv1.GetSealingResponse, error)) (to offer, cached bool, err error) {
	s.mu.Lock()
	to = s.known
	s.mu.Unlock()
	if !to.at.IsZero() && time.Since(to.at) < keysLast {
		return to, true, nil
	}
	workspace, _, _ := strings.Cut(secret, "/secrets/")
	res, err := ask(&vaultv1.GetSealingRequest{Name: workspace + "/sealing"})
	if e := (*Error)(nil); errors.As(Describe(err), &e) && e.Code == codes.Unimplemented {
		return offer{}, false, fmt.Errorf("%w (%v)", ErrNoSealing, e) //nolint:errorlint // describeUnary would return e alone
	}
	if err != nil {
		return offer{}, false, err
	}
	to = offer{time: res.GetSealing().GetTime().AsTime(), at: time.Now()}
	if to.key, err = s.choose(res.GetSealing().GetKeys()); err != nil {
		return offer{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = to
	return to, false, nil
}

// choose returns the newest key that is trusted.
func (s *sealer) choose(offered []*vaultv1.SealingKey) (seal.Key, error) {
	for _, pb := range offered {
		key, err := seal.NewKey(pb.GetPublicKey())
		if err != nil {
			return seal.Key{}, fmt.Errorf("client: read sealing key: %w", err)
		}
		trusted := func(pin seal.Key) bool { return pin.String() == key.String() }
		if len(s.pins) == 0 || slices.ContainsFunc(s.pins, trusted) {
			return key, nil
		}
	}
	return seal.Key{}, ErrSealingKey
}

// forget drops an offer, unless it has been replaced.
func (s *sealer) forget(o offer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known.at.Equal(o.at) {
		s.known = offer{}
	}
}

// outdated reports whether a call failed because the vault no longer has the cached key, or
// because its clock was set.
func outdated(err error) bool {
	e := (*Error)(nil)
	if !errors.As(Describe(err), &e) || !HasReason(e, vaultv1.ErrorReason_ERROR_REASON_SEALED_VALUE_REFUSED) {
		return false
	}
	return slices.ContainsFunc(e.Violations, func(v Violation) bool {
		return strings.HasSuffix(v.Field, ".key_id") || strings.HasSuffix(v.Field, ".seal_time")
	})
}

// A carried is a value in a request.
type carried struct {
	secret, requestID string
	value             *vaultv1.SecretValue
	// with returns a copy of the request with another value.
	with func(*vaultv1.SecretValue) proto.Message
}

// valueOf returns the value of a request, if it has one that is neither sealed nor generated. The
// vault refuses empty values.
func valueOf(req any) (carried, bool) {
	var c carried
	switch r := req.(type) {
	case *vaultv1.CreateSecretRequest:
		c = carried{secret: r.GetParent() + "/secrets/" + r.GetSecretId(), requestID: r.GetRequestId(), value: r.GetSecret().GetValue()}
		c.with = func(value *vaultv1.SecretValue) proto.Message {
			other := copied(r)
			other.Secret = withValue(r.GetSecret(), value)
			return other
		}
	case *vaultv1.UpdateSecretRequest:
		c = carried{secret: r.GetSecret().GetName(), requestID: r.GetRequestId(), value: r.GetSecret().GetValue()}
		c.with = func(value *vaultv1.SecretValue) proto.Message {
			other := copied(r)
			other.Secret = withValue(r.GetSecret(), value)
			return other
		}
	case *vaultv1.CheckSecretValueRequest:
		c = carried{secret: r.GetName(), requestID: r.GetRequestId(), value: r.GetValue()}
		c.with = func(value *vaultv1.SecretValue) proto.Message {
			other := copied(r)
			other.Value = value
			return other
		}
	}
	return c, c.value.GetText() != "" || len(c.value.GetData()) > 0
}

// sealed returns the request with its value sealed.
func (c carried) sealed(to offer) (proto.Message, error) {
	_, text := c.value.GetSource().(*vaultv1.SecretValue_Text)
	plain := c.value.GetData()
	if text {
		plain = []byte(c.value.GetText())
		defer clear(plain)
	}
	sealed, err := to.key.Seal(plain, seal.Place{Secret: c.secret, RequestID: c.requestID, Time: to.now(), Text: text})
	if err != nil {
		return nil, err
	}
	value := copied(c.value)
	value.Source = &vaultv1.SecretValue_Sealed{Sealed: sealed}
	return c.with(value), nil
}

func withValue(secret *vaultv1.Secret, value *vaultv1.SecretValue) *vaultv1.Secret {
	other := copied(secret)
	other.Value = value
	return other
}

// copied is [shallow] for messages of a static type.
func copied[M proto.Message](m M) M { return shallow(m.ProtoReflect()).Interface().(M) }
