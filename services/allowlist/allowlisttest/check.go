package allowlisttest

import (
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// At is an endpoint of a URL that allows methods.
func At(url string, methods ...string) *allowlistv1.Endpoint {
	if len(methods) == 0 {
		methods = []string{"POST"}
	}
	return &allowlistv1.Endpoint{Url: url, Methods: methods}
}

func (k *Kit) Active(t testing.TB, id string, e *allowlistv1.Endpoint) {
	t.Helper()
	k.Owner.Create(t, id, e)
	k.Activate(t, id)
}
