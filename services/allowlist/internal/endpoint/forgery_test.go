package endpoint_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/kv/kvtest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// The rows of endpoints are changed while the allowlist is stopped, without a key. No message uses
// them, and the allowlist reports it.
func TestAForgedEndpointIsNotUsed(t *testing.T) {
	t.Parallel()
	const orders, other = "endpoint\x00acme\x00orders\x00", "endpoint\x00acme\x00other\x00"
	for name, forge := range map[string]func(before, rows map[string][]byte){
		"a changed row":           func(_, rows map[string][]byte) { rows[orders][len(rows[orders])-1] ^= 1 },
		"an earlier row":          func(before, rows map[string][]byte) { rows[orders] = before[orders] },
		"the row of another":      func(_, rows map[string][]byte) { rows[orders] = rows[other] },
		"rows that are exchanged": func(_, rows map[string][]byte) { rows[orders], rows[other] = rows[other], rows[orders] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := allowlisttest.New(t)
			k.Owner.Create(t, "orders", allowlisttest.Draft(k.Secret(t, "key")))
			k.Owner.Create(t, "other", allowlisttest.Draft(k.Secret(t, "another")))
			k.Activate(t, "orders")
			k.Server.Stop()
			before := kvtest.Rows(t, k.Config.Store)
			k.Start(t)
			_, err := k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
			allowlisttest.Must(t, err)
			k.Server.Stop()
			kvtest.EditRows(t, k.Config.Store, func(rows map[string][]byte) {
				if _, found := rows[orders]; !found || bytes.Equal(before[orders], rows[orders]) {
					t.Error("the test does not know the key of an endpoint")
				}
				forge(before, rows)
			})
			k.Start(t)
			<-k.Allowlist.Tampered() // found without a request
			_, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
			allowlisttest.WantError(t, "Encrypt", err, codes.Internal, "INTERNAL")
			_, err = k.Owner.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: allowlisttest.NameOf("orders")})
			allowlisttest.WantError(t, "GetEndpoint", err, codes.Internal, "INTERNAL")
			_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders"), Reason: "go"})
			allowlisttest.WantError(t, "ActivateEndpoint", err, codes.Internal, "INTERNAL")
			if log := k.Env.Log.String(); !strings.Contains(log, "changed outside of the service") {
				t.Error("the log does not say what was found")
			}
		})
	}
}

func TestARemovedEndpointIsFound(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Owner.Create(t, "orders", allowlisttest.Draft())
	k.Server.Stop()
	kvtest.EditRows(t, k.Config.Store, func(rows map[string][]byte) { delete(rows, "endpoint\x00acme\x00orders\x00") })
	k.Start(t)
	<-k.Allowlist.Tampered()
	_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: allowlisttest.Draft()})
	allowlisttest.WantError(t, "CreateEndpoint in place of a removed endpoint", err, codes.Internal, "INTERNAL")
}
