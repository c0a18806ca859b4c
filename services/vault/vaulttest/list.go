package vaulttest

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// IDs lists all pages and returns the ids in their order.
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
