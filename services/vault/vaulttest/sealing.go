package vaulttest

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/client/seal"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// The reasons of refused values, and the field of the value.
const (
	Refused  = vaultv1.ErrorReason_ERROR_REASON_SEALED_VALUE_REFUSED
	Required = vaultv1.ErrorReason_ERROR_REASON_SEALING_REQUIRED

	SealedField = "secret.value.sealed"
)

// Sealing returns the keys and the setting of the workspace.
func (c Client) Sealing(t testing.TB) *vaultv1.Sealing {
	t.Helper()
	res, err := c.GetSealing(t.Context(), &vaultv1.GetSealingRequest{Name: Workspace + "/sealing"})
	if err != nil {
		t.Fatalf("GetSealing = %v", err)
	}
	return res.GetSealing()
}

// NewestKey returns the newest key of the vault.
func (c Client) NewestKey(t testing.TB) seal.Key {
	t.Helper()
	key, err := seal.NewKey(c.Sealing(t).GetKeys()[0].GetPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Place returns the place for which a value of these tests is sealed.
func Place(id, requestID string) seal.Place {
	return seal.Place{Secret: NameOf(id), RequestID: requestID, Time: time.Now(), Text: true}
}

// SealTo seals a string.
func SealTo(t testing.TB, key seal.Key, value string, to seal.Place) *vaultv1.SecretValue {
	t.Helper()
	sealed, err := key.Seal([]byte(value), to)
	if err != nil {
		t.Fatal(err)
	}
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Sealed{Sealed: sealed}, WeakReason: "to be read in a test"}
}

// CreateSealed returns a request that stores a sealed value.
func CreateSealed(id, requestID string, value *vaultv1.SecretValue) *vaultv1.CreateSecretRequest {
	return &vaultv1.CreateSecretRequest{
		Parent: Workspace, SecretId: id, RequestId: requestID, Secret: &vaultv1.Secret{Value: proto.CloneOf(value)},
	}
}

// UpdateSealed returns a request that adds a sealed value as a version.
func UpdateSealed(id, requestID string, value *vaultv1.SecretValue) *vaultv1.UpdateSecretRequest {
	return &vaultv1.UpdateSecretRequest{
		RequestId: requestID, Secret: &vaultv1.Secret{Name: NameOf(id), Value: proto.CloneOf(value)},
	}
}

// Require sets whether the workspace requires sealed values.
func (c Client) Require(t testing.TB, on bool, reason, etag string) (*vaultv1.Sealing, error) {
	t.Helper()
	res, err := c.UpdateSealing(t.Context(), &vaultv1.UpdateSealingRequest{
		Sealing: &vaultv1.Sealing{Name: Workspace + "/sealing", Required: on, Etag: etag}, Reason: reason,
	})
	return res.GetSealing(), err
}
