package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/frontdoor/gateway"
)

// A vault returns the caller: the subject in the description, and the address and the request ID
// in the labels.
type vault struct {
	vaultv1.UnimplementedVaultServiceServer
}

func (v vault) Register(r grpc.ServiceRegistrar) { vaultv1.RegisterVaultServiceServer(r, v) }

func (vault) Close() error { return nil }

func (vault) GetSecret(ctx context.Context, _ *vaultv1.GetSecretRequest) (*vaultv1.GetSecretResponse, error) {
	p := auth.FromContext(ctx)
	return &vaultv1.GetSecretResponse{Secret: &vaultv1.Secret{
		Description: p.Subject, Labels: map[string]string{"address": p.Address, "request": telemetry.RequestID(ctx)},
	}}, nil
}

func (vault) CreateSecret(context.Context, *vaultv1.CreateSecretRequest) (*vaultv1.CreateSecretResponse, error) {
	return &vaultv1.CreateSecretResponse{}, nil
}

// TestTheRealChain puts the gateway in front of a real server, whose policy makes it a proxy by
// its certificate: the gateway's identity confers no access.
func TestTheRealChain(t *testing.T) {
	t.Parallel()
	world := servertest.New(t)
	conn := world.Dial(t, world.Serve(t, vault{}), world.Proxy(t))
	handler, err := gateway.New(gateway.Config{}, backends(conn)[0])
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(handler)
	t.Cleanup(front.Close)
	e := &env{url: front.URL}
	owner := world.Owner(t, "acme")
	tests := []struct {
		name, token, method, path, body string
		code                            int
		reason                          string
	}{
		{"an owner gets in", owner.Token, "GET", secret, "", 200, ""},
		{"a super admin gets in", world.SuperAdmin(t).Token, "GET", secret, "", 200, ""},
		{"the owner of another workspace does not", world.Owner(t, "other").Token, "GET", secret, "", 403, "PERMISSION_DENIED"},
		{"a member does not", world.Member(t, "acme").Token, "GET", secret, "", 403, "PERMISSION_DENIED"},
		{"a stranger does not", world.Stranger(t).Token, "GET", secret, "", 403, "PERMISSION_DENIED"},
		{"a stranger's malformed field is not checked", world.Stranger(t).Token, "POST", secrets + "?secretId=a", `{"labels":{"A":""}}`, 403, "PERMISSION_DENIED"},
		{"an invalid token is refused", canary, "GET", secret, "", 401, "CREDENTIALS_INVALID"},
		{"a missing token is refused", "", "GET", secret, "", 401, "CREDENTIALS_MISSING"},
		{"an owner's malformed field is named", owner.Token, "POST", secrets + "?secretId=a", `{"description":"` + strings.Repeat(canary, 100) + `"}`, 400, "INVALID_FIELD"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			header := ""
			if tc.token != "" {
				header = "Bearer " + tc.token
			}
			a := e.do(t, tc.method, tc.path, tc.body, "Authorization", "", "Authorization", header, "X-Request-Id", uuid, "X-Forwarded-For", "6.6.6.6")
			findCanary(t, "answer", a.body)
			if tc.code == http.StatusOK {
				labels, _ := fieldsOf(t, a.body)["labels"].(map[string]any)
				if a.code != http.StatusOK || !strings.HasPrefix(labels["address"].(string), "127.0.0.1") || labels["request"] != uuid {
					t.Errorf("answer = %d %s", a.code, a.body)
				}
				return
			}
			if p := wantProblem(t, a, tc.code, tc.reason); p.id != uuid {
				t.Errorf("RequestInfo has %q, want %q", p.id, uuid)
			}
		})
	}
	findCanary(t, "log", world.Log.String())
}
