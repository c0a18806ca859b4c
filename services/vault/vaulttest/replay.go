package vaulttest

import vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"

func CreateRequest(id, value, requestID string) *vaultv1.CreateSecretRequest {
	return &vaultv1.CreateSecretRequest{
		Parent: Workspace, SecretId: id, RequestId: requestID, Secret: &vaultv1.Secret{Value: Text(value)},
	}
}
