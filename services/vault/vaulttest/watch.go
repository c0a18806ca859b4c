package vaulttest

import (
	"context"
	"testing"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Watch opens a stream that ends with the test, or when end is called.
func (c Client) Watch(t testing.TB, parent string, from *vaultv1.Position) (receive func() (*vaultv1.WatchSecretsResponse, error), end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := c.WatchSecrets(ctx, &vaultv1.WatchSecretsRequest{Parent: parent, Position: from})
	if err != nil {
		t.Fatal(err)
	}
	return stream.Recv, cancel
}
