package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/resource"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/publickey"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// maskedValue stands for every value: neither characters nor length show.
const maskedValue = "••••••••"

// draftFromProto takes over the value; output-only fields are not looked at.
func draftFromProto(pb *vaultv1.Secret) (secret.Draft, error) {
	hosts, err := hostsFromProto(pb.GetAllowedHosts())
	if err != nil {
		return secret.Draft{}, err
	}
	period, err := periodFromProto(pb.GetRotationPeriod())
	if err != nil {
		return secret.Draft{}, err
	}
	value, err := valueFromProto(pb.GetValue())
	if err != nil {
		return secret.Draft{}, err
	}
	draft := secret.Draft{
		Description: pb.GetDescription(), Labels: pb.GetLabels(),
		Usage: secret.Key, AllowedHosts: hosts, RotationPeriod: period, Value: value,
		Chains: pb.GetPurpose().GetChains(),
	}
	if usage := usageFromProto(pb.GetUsage()); usage != "" {
		draft.Usage = usage
	}
	if draft.Shared = pb.GetShared(); draft.Shared && draft.Usage != secret.Key {
		value.Zero()
		return secret.Draft{}, fault.Field("secret.shared", "must be false unless the usage is KEY")
	}
	return draft, nil
}

// changeFromProto takes over the value, if the mask names it.
func changeFromProto(req *vaultv1.UpdateSecretRequest) (secret.Change, error) {
	pb := req.GetSecret()
	fields, err := resource.MaskedFields(pb, req.GetUpdateMask(), changeable()...)
	if err != nil {
		return secret.Change{}, err
	}
	if req.GetKeepCurrent() && !slices.Contains(fields, secret.FieldValue) {
		return secret.Change{}, fault.Field("keep_current", "must be false unless there is a value")
	}
	change := secret.Change{Etag: pb.GetEtag(), KeepCurrent: req.GetKeepCurrent()}
	for _, field := range fields {
		switch field {
		case secret.FieldDescription:
			description := pb.GetDescription()
			change.Description = &description
		case fieldUsage:
			usage := usageFromProto(pb.GetUsage())
			change.Usage = &usage
		case secret.FieldLabels:
			labels := pb.GetLabels()
			change.Labels = &labels
		case secret.FieldAllowedHosts:
			hosts, err := hostsFromProto(pb.GetAllowedHosts())
			if err != nil {
				return secret.Change{}, err
			}
			change.AllowedHosts = &hosts
		case secret.FieldShared:
			shared := pb.GetShared()
			change.Shared = &shared
		case secret.FieldRotationPeriod:
			period, err := periodFromProto(pb.GetRotationPeriod())
			if err != nil {
				return secret.Change{}, err
			}
			change.RotationPeriod = &period
		case secret.FieldValue:
			if change.Value, err = valueFromProto(pb.GetValue()); err != nil {
				return secret.Change{}, err
			}
		}
	}
	return change, nil
}

// fieldUsage and fieldPurpose may be named in a change: callers send back what they read. An
// update ignores the purpose.
const (
	fieldUsage   = "usage"
	fieldPurpose = "purpose"
)

func changeable() []string {
	return []string{
		fieldUsage, fieldPurpose,
		secret.FieldDescription, secret.FieldLabels, secret.FieldAllowedHosts, secret.FieldShared, secret.FieldRotationPeriod, secret.FieldValue,
	}
}

// periodFromProto returns 0 for a period that is not set. Its bounds are in the contract.
func periodFromProto(pb *durationpb.Duration) (time.Duration, error) {
	if pb.GetNanos() != 0 {
		return 0, fault.Field("secret.rotation_period", "must be whole seconds")
	}
	return pb.AsDuration(), nil
}

// periodToProto leaves unset what nobody has set.
func periodToProto(period time.Duration) *durationpb.Duration {
	if period == 0 {
		return nil
	}
	return durationpb.New(period)
}

func hostsFromProto(texts []string) ([]string, error) {
	var hosts []string
	for i, text := range texts {
		field := fmt.Sprintf("secret.allowed_hosts[%d]", i)
		to, err := destination.Parse(text)
		if err != nil {
			return nil, at(field, err)
		}
		if slices.Contains(hosts, to.String()) {
			return nil, fault.Field(field, "must not be there twice")
		}
		hosts = append(hosts, to.String())
	}
	return hosts, nil
}

func valueFromProto(pb *vaultv1.SecretValue) (value secret.Value, err error) {
	field := "secret.value"
	switch source := pb.GetSource().(type) {
	case *vaultv1.SecretValue_Text:
		field += ".text"
		value, err = secret.NewValue([]byte(source.Text))
	case *vaultv1.SecretValue_Data:
		field += ".data"
		value, err = secret.NewBinary(source.Data)
	case *vaultv1.SecretValue_Generate:
		field += ".generate.kind"
		value, err = secret.NewRandom(kindFromProto(source.Generate.GetKind()))
	case *vaultv1.SecretValue_Sealed:
		value, err = sealedFromProto(source.Sealed)
		if err != nil {
			return secret.Value{}, err
		}
	default:
		return secret.Value{}, fault.Field(field, "must be text, data, generate or sealed")
	}
	if err != nil {
		return secret.Value{}, at(field, err)
	}
	return value.Acknowledged(pb.GetWeakReason()).WithPassword([]byte(pb.GetFilePassword())), nil
}

func kindFromProto(kind vaultv1.Generate_Kind) secret.Kind {
	return map[vaultv1.Generate_Kind]secret.Kind{
		vaultv1.Generate_KIND_AES_128:     secret.AES128,
		vaultv1.Generate_KIND_AES_192:     secret.AES192,
		vaultv1.Generate_KIND_AES_256:     secret.AES256,
		vaultv1.Generate_KIND_HMAC_SHA256: secret.HMACSHA256,
		vaultv1.Generate_KIND_HMAC_SHA512: secret.HMACSHA512,
		vaultv1.Generate_KIND_PASSWORD:    secret.Password,
		vaultv1.Generate_KIND_RSA_2048:    secret.RSA2048,
		vaultv1.Generate_KIND_RSA_3072:    secret.RSA3072,
		vaultv1.Generate_KIND_RSA_4096:    secret.RSA4096,
		vaultv1.Generate_KIND_EC_P256:     secret.ECP256,
		vaultv1.Generate_KIND_EC_P384:     secret.ECP384,
		vaultv1.Generate_KIND_ED25519:     secret.Ed25519,
		vaultv1.Generate_KIND_X25519:      secret.X25519,
	}[kind]
}

func queryFromProto(workspace string, req *vaultv1.ListSecretsRequest, p secret.Page) (secret.Query, error) {
	order, _, descending := strings.Cut(req.GetOrderBy(), " ")
	q := secret.Query{
		Workspace: workspace, Substring: req.GetQuery(), Label: req.GetLabel(),
		State: stateFromProto(req.GetState()), Usage: usageFromProto(req.GetUsage()),
		ByUpdate: order == "update_time", Descending: descending,
		Page: p,
	}
	if due := req.GetRotationDueBefore(); due != nil {
		if due.CheckValid() != nil {
			return secret.Query{}, at("rotation_due_before", errTime)
		}
		before := due.AsTime()
		q.DueBefore = &before
	}
	return q, nil
}

func secretToProto(s secret.Secret) *vaultv1.Secret {
	pb := &vaultv1.Secret{
		Name: s.Name.String(), Uid: s.UID, Description: s.Description, Labels: s.Labels,
		Usage: usageToProto(s.Usage), MaskedValue: maskedValue, AllowedHosts: s.AllowedHosts,
		CurrentVersion: s.Current, LatestVersion: s.Last, State: stateToProto(s.State),
		CreateTime: timestamppb.New(s.Created), UpdateTime: timestamppb.New(s.Updated),
		Etag: s.Etag(), ReferenceCount: s.References,
		RotationPeriod: periodToProto(s.RotationPeriod), Shared: s.Shared,
		ValueFacts: valueFactsToProto(s.Taken),
	}
	if s.RotationPeriod > 0 {
		pb.RotationDueTime = timestamppb.New(s.RotationDue)
	}
	return pb
}

// purposeToProto returns nothing for a secret without a purpose.
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

// sealedToProto returns nothing for a value that is destroyed.
func sealedToProto(s keyring.Sealed) *vaultv1.EncryptedValue {
	if len(s.Ciphertext) == 0 {
		return nil
	}
	return &vaultv1.EncryptedValue{Ciphertext: s.Ciphertext, KeyId: s.KeyID, Algorithm: s.Algorithm}
}

// publicToProto returns nothing for a value without a public part.
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
		CreateTime: timestamppb.New(v.Created), KeyId: v.KeyID,
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
	}
}

func eventToProto(e secret.Event) *vaultv1.SecretChange {
	of := e.Resource
	if e.Action == secret.RequiredSealing || e.Action == secret.NotRequiredSealing {
		of = "" // of the workspace, not of a secret
	}
	return &vaultv1.SecretChange{
		Sequence: e.Sequence, Time: timestamppb.New(e.Time),
		Actor: &vaultv1.Actor{
			Subject: e.Actor.Subject, Roles: e.Actor.Roles,
			Authentication: e.Actor.Authentication, Address: e.Actor.Address,
		},
		Action: actionToProto(e.Action), Secret: of, Uid: e.UID,
		Version: e.Version, ChangedFields: e.Fields,
		OldDescription: e.Detail.OldDescription, NewDescription: e.Detail.NewDescription,
		OldLabels: e.Detail.OldLabels, NewLabels: e.Detail.NewLabels,
		OldAllowedHosts: e.Detail.OldAllowedHosts, NewAllowedHosts: e.Detail.NewAllowedHosts,
		OldRotationPeriod: periodToProto(e.Detail.OldRotationPeriod), NewRotationPeriod: periodToProto(e.Detail.NewRotationPeriod),
		Chains: e.Detail.Chains, OldChains: e.Detail.OldChains,
		OldMinCost: e.Detail.OldCost, NewMinCost: e.Detail.NewCost,
		WeakReason: e.Detail.WeakReason, Referrers: e.Detail.Referrers, Reason: e.Reason, RequestId: e.RequestID,
	}
}

func actionToProto(action string) vaultv1.SecretChange_Action {
	switch action {
	case secret.Created:
		return vaultv1.SecretChange_ACTION_CREATED
	case secret.Updated:
		return vaultv1.SecretChange_ACTION_UPDATED
	case secret.Deleted:
		return vaultv1.SecretChange_ACTION_DELETED
	case secret.ForceDeleted:
		return vaultv1.SecretChange_ACTION_FORCE_DELETED
	case secret.Bound:
		return vaultv1.SecretChange_ACTION_BOUND
	case secret.Unbound:
		return vaultv1.SecretChange_ACTION_UNBOUND
	case secret.RestoredVersion:
		return vaultv1.SecretChange_ACTION_VERSION_RESTORED
	case secret.EnabledVersion:
		return vaultv1.SecretChange_ACTION_VERSION_ENABLED
	case secret.DisabledVersion:
		return vaultv1.SecretChange_ACTION_VERSION_DISABLED
	case secret.DestroyedVersion:
		return vaultv1.SecretChange_ACTION_VERSION_DESTROYED
	case secret.SealedPurpose:
		return vaultv1.SecretChange_ACTION_PURPOSE_SEALED
	case secret.ReplacedPurpose:
		return vaultv1.SecretChange_ACTION_PURPOSE_REPLACED
	case secret.RefusedEqual:
		return vaultv1.SecretChange_ACTION_EQUAL_VALUE_REFUSED
	case secret.RequiredSealing:
		return vaultv1.SecretChange_ACTION_SEALING_REQUIRED
	case secret.NotRequiredSealing:
		return vaultv1.SecretChange_ACTION_SEALING_NOT_REQUIRED
	default:
		return vaultv1.SecretChange_ACTION_UNSPECIFIED
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
	return vaultv1.Usage(vaultv1.Usage_value["USAGE_"+string(usage)])
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
	return vaultv1.VersionState(vaultv1.VersionState_value["VERSION_STATE_"+string(state)])
}

// each converts a slice.
func each[A, B any](from []A, convert func(A) B) []B {
	to := make([]B, len(from))
	for i := range from {
		to[i] = convert(from[i])
	}
	return to
}
