package api

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// maxTime is the end of the times that the vault can store.
var maxTime = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)

// maskedExpiry returns the expiry of an update, or nil if no field states it. A field without a value
// means never.
func maskedExpiry(pb *vaultv1.Secret, fields []string) (*secret.Expiry, error) {
	var at *timestamppb.Timestamp
	var ttl *durationpb.Duration
	if slices.Contains(fields, secret.FieldExpireTime) {
		at = pb.GetExpireTime()
	}
	if slices.Contains(fields, fieldTTL) {
		ttl = pb.GetTtl()
	}
	if !slices.Contains(fields, secret.FieldExpireTime) && !slices.Contains(fields, fieldTTL) {
		return nil, nil
	}
	expiry, err := expiryFromProto(at, ttl)
	return &expiry, err
}

// expiryFromProto returns the zero expiry if both are unset. The bounds of a ttl are in the contract.
func expiryFromProto(at *timestamppb.Timestamp, ttl *durationpb.Duration) (secret.Expiry, error) {
	switch {
	case at != nil && ttl != nil:
		return secret.Expiry{}, fault.Field("secret.ttl", "must be unset if expire_time is set")
	case ttl.GetNanos() != 0:
		return secret.Expiry{}, fault.Field("secret.ttl", "must be whole seconds")
	case ttl != nil:
		return secret.Expiry{After: ttl.AsDuration()}, nil
	case at == nil:
		return secret.Expiry{}, nil
	case at.CheckValid() != nil || !at.AsTime().Before(maxTime):
		return secret.Expiry{}, fault.Field("secret.expire_time", "must be a time before the year 2262")
	case at.AsTime().Before(time.Unix(0, 1)):
		return secret.Expiry{}, fault.Field("secret.expire_time", "must be in the future")
	}
	return secret.Expiry{At: at.AsTime()}, nil
}
