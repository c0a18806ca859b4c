package api

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

func eventToProto(e secret.Event) *vaultv1.SecretChange {
	of := e.Resource
	if _, err := secret.ParseName(of); err != nil {
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
		OldKeepVersions: e.Detail.OldKeepVersions, NewKeepVersions: e.Detail.NewKeepVersions,
		OldExpireTime: timeToProto(e.Detail.OldExpires), NewExpireTime: timeToProto(e.Detail.NewExpires),
		Chains: e.Detail.Chains, OldChains: e.Detail.OldChains,
		OldMinCost: e.Detail.OldCost, NewMinCost: e.Detail.NewCost,
		WeakReason: e.Detail.WeakReason, Referrers: e.Detail.Referrers, Reason: e.Reason, RequestId: e.RequestID,
		Same: e.Detail.Same, PurgeTime: timeToProto(e.Detail.PurgeAt),
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
	case secret.PrunedVersion:
		return vaultv1.SecretChange_ACTION_VERSION_PRUNED
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
	case secret.Undeleted:
		return vaultv1.SecretChange_ACTION_UNDELETED
	case secret.Purged:
		return vaultv1.SecretChange_ACTION_PURGED
	case secret.ValueChecked:
		return vaultv1.SecretChange_ACTION_VALUE_CHECKED
	case secret.Upgraded, secret.Rewrapped:
		return vaultv1.SecretChange_ACTION_UPGRADED
	default:
		return vaultv1.SecretChange_ACTION_UNSPECIFIED
	}
}
