package vaulttest

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// NameOf returns the name of a secret.
func NameOf(id string) string { return Workspace + "/secrets/" + id }

// Text returns a value, which may be weak: most tests are about something else.
func Text(value string) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: value}, WeakReason: "to be read in a test"}
}

// Data returns a binary value, which may be weak.
func Data(value []byte) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: value}, WeakReason: "to be read in a test"}
}

// Generate returns a value for the vault to generate.
func Generate(kind vaultv1.Generate_Kind) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: kind}}}
}

// CreateRequest returns a request with an idempotency key.
func CreateRequest(id, value, requestID string) *vaultv1.CreateSecretRequest {
	return &vaultv1.CreateSecretRequest{
		Parent: Workspace, SecretId: id, RequestId: requestID, Secret: &vaultv1.Secret{Value: Text(value)},
	}
}

// Create stores a secret and fails the test on an error.
func (c Client) Create(t testing.TB, id string, secret *vaultv1.Secret) *vaultv1.Secret {
	t.Helper()
	if secret.GetValue() == nil {
		secret.Value = Text("a value that the id is no part of")
	}
	// Generating a large RSA key takes long on a busy machine.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	res, err := c.CreateSecret(ctx, &vaultv1.CreateSecretRequest{Parent: Workspace, SecretId: id, Secret: secret})
	if err != nil {
		t.Fatalf("CreateSecret(%s) = %v", id, err)
	}
	return res.GetSecret()
}

// Get reads a secret and fails the test on an error.
func (c Client) Get(t testing.TB, id string) *vaultv1.Secret {
	t.Helper()
	res, err := c.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: NameOf(id)})
	if err != nil {
		t.Fatalf("GetSecret(%s) = %v", id, err)
	}
	return res.GetSecret()
}

// Update changes a secret and fails the test on an error.
func (c Client) Update(t testing.TB, secret *vaultv1.Secret) *vaultv1.Secret {
	t.Helper()
	res, err := c.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret})
	if err != nil {
		t.Fatalf("UpdateSecret(%s) = %v", secret.GetName(), err)
	}
	return res.GetSecret()
}

// Delete deletes a secret and fails the test on an error.
func (c Client) Delete(t testing.TB, id string) {
	t.Helper()
	if _, err := c.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: NameOf(id)}); err != nil {
		t.Fatalf("DeleteSecret(%s) = %v", id, err)
	}
}

// IDs lists all pages and returns the IDs in order.
func (c Client) IDs(t testing.TB, req *vaultv1.ListSecretsRequest) []string {
	t.Helper()
	req = proto.CloneOf(req)
	req.Parent = Workspace
	var ids []string
	for {
		res, err := c.ListSecrets(t.Context(), req)
		if err != nil {
			t.Fatalf("ListSecrets = %v", err)
		}
		for _, secret := range res.GetSecrets() {
			ids = append(ids, strings.TrimPrefix(secret.GetName(), Workspace+"/secrets/"))
			if secret.GetEncryptedValue() != nil || secret.GetValue() != nil {
				t.Errorf("the list carries the value of %s", secret.GetName())
			}
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return ids
		}
	}
}

// History returns all changes of a secret, newest first.
func (c Client) History(t testing.TB, id string) []*vaultv1.SecretChange {
	t.Helper()
	var all []*vaultv1.SecretChange
	req := &vaultv1.ListSecretHistoryRequest{Name: NameOf(id), PageSize: 1000}
	for {
		res, err := c.ListSecretHistory(t.Context(), req)
		if err != nil {
			t.Fatalf("ListSecretHistory(%s) = %v", id, err)
		}
		all = append(all, res.GetChanges()...)
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}
