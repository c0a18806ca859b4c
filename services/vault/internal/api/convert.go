package api

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/keyring"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/publickey"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// maskedValue is shown instead of any value, so that it reveals neither characters nor length.
const maskedValue = "••••••••"

// timeToProto returns nil for the zero time.
func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// periodToProto returns nil for a period of 0.
func periodToProto(period time.Duration) *durationpb.Duration {
	if period == 0 {
		return nil
	}
	return durationpb.New(period)
}

func queryFromProto(workspace string, req *vaultv1.ListSecretsRequest, p secret.Page) (secret.Query, error) {
	order, _, descending := strings.Cut(req.GetOrderBy(), " ")
	q := secret.Query{
		Workspace: workspace, Substring: req.GetQuery(), Label: req.GetLabel(),
		State: stateFromProto(req.GetState()), Usage: usageFromProto(req.GetUsage()),
		ShowDeleted: req.GetShowDeleted(), ByUpdate: order == "update_time", Descending: descending,
		Page: p,
	}
	if due := req.GetRotationDueBefore(); due != nil {
		if due.CheckValid() != nil {
			return secret.Query{}, at("rotation_due_before", errTime)
		}
		before := due.AsTime()
		q.DueBefore = &before
	}
	if expires := req.GetExpiresBefore(); expires != nil {
		if expires.CheckValid() != nil {
			return secret.Query{}, at("expires_before", errTime)
		}
		before := expires.AsTime()
		q.ExpiresBefore = &before
	}
	return q, nil
}

// purposeToProto returns nil for a secret without a purpose.
func purposeToProto(state secret.PurposeState, p secret.Purpose) *vaultv1.KeyPurpose {
	if state == "" {
		return nil
	}
	pb := &vaultv1.KeyPurpose{
		State:  vaultv1.PurposeState(vaultv1.PurposeState_value["PURPOSE_STATE_"+string(state)]),
		Chains: p.Chains, MinCost: p.Cost, Host: p.Host, Conflicting: p.Conflicting, Stated: p.Stated,
	}
	if !p.Sealed.IsZero() {
		pb.SealTime = timestamppb.New(p.Sealed)
	}
	return pb
}

// sealedToProto returns nil for a destroyed value.
func sealedToProto(s keyring.Sealed) *vaultv1.EncryptedValue {
	if len(s.Ciphertext) == 0 {
		return nil
	}
	return &vaultv1.EncryptedValue{Ciphertext: s.Ciphertext, KeyId: s.KeyID, Algorithm: s.Algorithm}
}

// publicToProto returns nil for a value without a public part.
func publicToProto(spki []byte) (*vaultv1.PublicKey, error) {
	if len(spki) == 0 {
		return nil, nil
	}
	key, err := publickey.Parse(spki)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	return &vaultv1.PublicKey{Algorithm: key.Algorithm, Pem: key.PEM, Jwk: key.JWK, Fingerprint: key.Fingerprint}, nil
}

func versionToProto(name secret.Name, v secret.Version) *vaultv1.SecretVersion {
	pb := &vaultv1.SecretVersion{
		Name:    name.Version(v.Number).String(),
		Version: v.Number, State: stateToProto(v.State), Current: v.Current,
		CreateTime: timestamppb.New(v.Created), KeyId: v.Sealed.KeyID,
		UseCount: v.Uses.Used, FailureCount: v.Uses.Failed, WeakReason: v.WeakReason, AllowedHosts: v.AllowedHosts,
	}
	if !v.Uses.Last.IsZero() {
		pb.LastUseTime = timestamppb.New(v.Uses.Last)
	}
	pb.NonceBudget = noncesToProto(v)
	return pb
}

func replacementToProto(r secret.Replacement) *vaultv1.PreviousVersion {
	return &vaultv1.PreviousVersion{Version: r.Version, ReplaceTime: timestamppb.New(r.Time)}
}

func bindingToProto(b secret.Binding) *vaultv1.Binding {
	return &vaultv1.Binding{
		Secret: b.Name.String(), Uid: b.UID, Usage: usageToProto(b.Usage),
		Referrer: b.Referrer, Holder: b.Holder, Host: cmp.Or(b.Host, b.Purpose.Host), Port: uint32(b.Port), OperationId: b.Operation,
		CreateTime: timestamppb.New(b.Created), Versions: b.Versions, Chains: b.Purpose.Chains,
		Issue: b.Issue,
	}
}

func usageFromProto(usage vaultv1.Usage) secret.Usage {
	switch usage {
	case vaultv1.Usage_USAGE_KEY:
		return secret.Key
	case vaultv1.Usage_USAGE_PARAMETER:
		return secret.Parameter
	case vaultv1.Usage_USAGE_CREDENTIAL:
		return secret.Credential
	case vaultv1.Usage_USAGE_EXPOSED_KEY:
		return secret.ExposedKey
	default:
		return ""
	}
}

func usageToProto(usage secret.Usage) vaultv1.Usage {
	switch usage {
	case secret.Key:
		return vaultv1.Usage_USAGE_KEY
	case secret.Parameter:
		return vaultv1.Usage_USAGE_PARAMETER
	case secret.Credential:
		return vaultv1.Usage_USAGE_CREDENTIAL
	case secret.ExposedKey:
		return vaultv1.Usage_USAGE_EXPOSED_KEY
	default:
		return vaultv1.Usage_USAGE_UNSPECIFIED
	}
}

func stateFromProto(state vaultv1.VersionState) secret.State {
	switch state {
	case vaultv1.VersionState_VERSION_STATE_ENABLED:
		return secret.Enabled
	case vaultv1.VersionState_VERSION_STATE_DISABLED:
		return secret.Disabled
	case vaultv1.VersionState_VERSION_STATE_DESTROYED:
		return secret.Destroyed
	default:
		return ""
	}
}

func stateToProto(state secret.State) vaultv1.VersionState {
	switch state {
	case secret.Enabled:
		return vaultv1.VersionState_VERSION_STATE_ENABLED
	case secret.Disabled:
		return vaultv1.VersionState_VERSION_STATE_DISABLED
	case secret.Destroyed:
		return vaultv1.VersionState_VERSION_STATE_DESTROYED
	default:
		return vaultv1.VersionState_VERSION_STATE_UNSPECIFIED
	}
}

// each converts a slice.
func each[A, B any](from []A, convert func(A) B) []B {
	to := make([]B, len(from))
	for i := range from {
		to[i] = convert(from[i])
	}
	return to
}
