package allowlisttest

import (
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

func (c Client) Activate(t testing.TB, id string) error {
	t.Helper()
	_, err := c.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: NameOf(id)})
	return err
}
