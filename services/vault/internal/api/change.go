package api

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// draftFromProto takes ownership of the value. It ignores output-only fields.
func draftFromProto(workspace string, pb *vaultv1.Secret) (secret.Draft, error) {
	hosts, err := hostsFromProto(pb.GetAllowedHosts())
	if err != nil {
		return secret.Draft{}, err
	}
	period, err := periodFromProto(pb.GetRotationPeriod())
	if err != nil {
		return secret.Draft{}, err
	}
	expiry, err := expiryFromProto(pb.GetExpireTime(), pb.GetTtl())
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
		KeepVersions: pb.GetKeepVersions(), Expiry: expiry,
		Chains: pb.GetPurpose().GetChains(),
	}
	if usage := usageFromProto(pb.GetUsage()); usage != "" {
		draft.Usage = usage
	}
	if draft.IssuedBy = pb.GetIssuedBy(); draft.IssuedBy != "" {
		if in, _, ok := resource.Cut(draft.IssuedBy, "endpoints"); !ok || in != workspace {
			value.Zero()
			return secret.Draft{}, fault.Field("secret.issued_by", "must be an endpoint of the workspace: workspaces/{workspace}/endpoints/{endpoint}")
		}
	}
	if draft.Shared = pb.GetShared(); draft.Shared && draft.Usage != secret.Key {
		value.Zero()
		return secret.Draft{}, fault.Field("secret.shared", "must be false unless the usage is KEY")
	}
	return draft, nil
}

// changeFromProto takes ownership of the value, if the mask names it.
func changeFromProto(req *vaultv1.UpdateSecretRequest) (secret.Change, error) {
	pb := req.GetSecret()
	fields, err := resource.MaskedFields(pb, req.GetUpdateMask(), changeable()...)
	if err != nil {
		return secret.Change{}, err
	}
	if req.GetKeepCurrent() && !slices.Contains(fields, secret.FieldValue) {
		return secret.Change{}, fault.Field("keep_current", "must be false without a value")
	}
	change := secret.Change{Etag: pb.GetEtag(), KeepCurrent: req.GetKeepCurrent()}
	if change.Expiry, err = maskedExpiry(pb, fields); err != nil {
		return secret.Change{}, err
	}
	for _, field := range fields {
		switch field {
		case secret.FieldDescription:
			description := pb.GetDescription()
			change.Description = &description
		case fieldUsage:
			usage := usageFromProto(pb.GetUsage())
			change.Usage = &usage
		case secret.FieldIssuedBy:
			issuedBy := pb.GetIssuedBy()
			change.IssuedBy = &issuedBy
		case secret.FieldLabels:
			labels := pb.GetLabels()
			change.Labels, change.LabelKeys = &labels, resource.MaskedKeys(req.GetUpdateMask(), secret.FieldLabels)
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
		case secret.FieldKeepVersions:
			keep := pb.GetKeepVersions()
			change.KeepVersions = &keep
		case secret.FieldValue:
			if change.Value, err = valueFromProto(pb.GetValue()); err != nil {
				return secret.Change{}, err
			}
		}
	}
	return change, nil
}

// fieldUsage and fieldPurpose may be named in a mask, because callers send back what they read. An
// update ignores the purpose. fieldTTL is another way to state the expire_time.
const (
	fieldUsage   = "usage"
	fieldPurpose = "purpose"
	fieldTTL     = "ttl"
)

func changeable() []string {
	return []string{
		fieldUsage, fieldPurpose, secret.FieldIssuedBy,
		secret.FieldDescription, secret.FieldLabels, secret.FieldAllowedHosts, secret.FieldShared, secret.FieldRotationPeriod, secret.FieldValue,
		secret.FieldKeepVersions, secret.FieldExpireTime, fieldTTL,
	}
}

// periodFromProto returns 0 for an unset period. Its bounds are in the contract.
func periodFromProto(pb *durationpb.Duration) (time.Duration, error) {
	if pb.GetNanos() != 0 {
		return 0, fault.Field("secret.rotation_period", "must be whole seconds")
	}
	return pb.AsDuration(), nil
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
			return nil, fault.Field(field, "must not be repeated")
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
		return secret.Value{}, fault.Field(field, "must be text, data, generate, or sealed")
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
