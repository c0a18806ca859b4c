package allowlist_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// calls contains one call of each method, for an endpoint that does not exist.
func calls() map[string]func(*testing.T, *grpc.ClientConn) error {
	name := allowlisttest.NameOf("none")
	e := &allowlistv1.Endpoint{Name: name, Url: "https://a.example/", Methods: []string{"GET"}}
	client := allowlistv1.NewAllowlistServiceClient
	return map[string]func(*testing.T, *grpc.ClientConn) error{
		"CreateEndpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: ".", Endpoint: e})
			return err
		},
		"GetEndpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: name})
			return err
		},
		"ListEndpoints": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace})
			return err
		},
		"UpdateEndpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).UpdateEndpoint(t.Context(), &allowlistv1.UpdateEndpointRequest{Endpoint: e})
			return err
		},
		"DeleteEndpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: name})
			return err
		},
		"ListEndpointHistory": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).ListEndpointHistory(t.Context(), &allowlistv1.ListEndpointHistoryRequest{Name: allowlisttest.NameOf("-")})
			return err
		},
		"ApproveEndpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: name})
			return err
		},
		"ActivateEndpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: name})
			return err
		},
		"CheckKeys": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: name})
			return err
		},
		"DeactivateEndpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: name})
			return err
		},
		"Encrypt": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: name})
			return err
		},
		"Decrypt": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: name})
			return err
		},
		"VerifyEndpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).VerifyEndpoint(t.Context(), &allowlistv1.VerifyEndpointRequest{Name: name, Method: allowlistv1.Verification_METHOD_DNS})
			return err
		},
		"VerifySignature": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).VerifySignature(t.Context(), &allowlistv1.VerifySignatureRequest{Name: name})
			return err
		},
		"TestEncryption": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).TestEncryption(t.Context(), &allowlistv1.TestEncryptionRequest{Name: name})
			return err
		},
		"DiagnoseSample": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
				Name: name, Plaintext: []byte("known to all"), Reason: "does not open",
			})
			return err
		},
		"ListPresets": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).ListPresets(t.Context(), &allowlistv1.ListPresetsRequest{})
			return err
		},
		"ListWorkspaces": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).ListWorkspaces(t.Context(), &allowlistv1.ListWorkspacesRequest{})
			return err
		},
		"GetCheckpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).GetCheckpoint(t.Context(), &allowlistv1.GetCheckpointRequest{Parent: "workspaces/-"})
			return err
		},
		"ProveConsistency": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).ProveConsistency(t.Context(), &allowlistv1.ProveConsistencyRequest{Parent: "workspaces/-"})
			return err
		},
		"AcceptVaultCheckpoint": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).AcceptVaultCheckpoint(t.Context(), &allowlistv1.AcceptVaultCheckpointRequest{Parent: "workspaces/-", Reason: "restored"})
			return err
		},
		"RebindEndpoints": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).RebindEndpoints(t.Context(), &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace})
			return err
		},
		"CheckUrl": func(t *testing.T, c *grpc.ClientConn) error {
			_, err := client(c).CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: allowlisttest.Workspace, Method: "GET", Url: "https://a.example/"})
			return err
		},
	}
}

func TestEveryMethodAdmitsOnlyItsRoles(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	callers := map[string]servertest.Caller{
		"owner": k.Env.Owner(t, "acme"), "owner of another": k.Env.Owner(t, "other"), "member": k.Env.Member(t, "acme"),
		"member of another": k.Env.Member(t, "other"), "super admin": k.Env.SuperAdmin(t), "stranger": k.Env.Stranger(t),
		"sender": k.Env.Sender(t), "sender of another": k.Env.Workload(t, "elsewhere", "sender", "other"),
		"sender of another endpoint": k.Env.EndpointSender(t, "acme", "orders"),
		"resolver":                   k.Env.Resolver(t), "proxy": k.Env.Proxy(t), "nobody": {},
	}
	people := []string{"owner", "super admin"}
	open := map[string][]string{
		"CreateEndpoint": people, "UpdateEndpoint": people, "DeleteEndpoint": people, "ListEndpointHistory": people,
		"ActivateEndpoint": people, "DeactivateEndpoint": people, "ApproveEndpoint": {"super admin"},
		"GetEndpoint": {"owner", "super admin", "member"}, "ListEndpoints": {"owner", "super admin", "member"},
		"Encrypt": {"sender"}, "Decrypt": {"sender"}, "VerifySignature": {"sender"}, "VerifyEndpoint": people,
		"GetCheckpoint": {"super admin"}, "ProveConsistency": {"super admin"}, "AcceptVaultCheckpoint": {"super admin"},
		"RebindEndpoints": people, "TestEncryption": people, "DiagnoseSample": people, "CheckKeys": people,
		"CheckUrl": {"owner", "super admin", "sender", "sender of another endpoint"},
	}
	for who := range callers {
		if who != "nobody" && who != "proxy" {
			open["ListPresets"] = append(open["ListPresets"], who)
			open["ListWorkspaces"] = append(open["ListWorkspaces"], who)
		}
	}
	methods := allowlistv1.AllowlistService_ServiceDesc.Methods
	if len(methods) != len(open) {
		t.Errorf("the service has %d methods, the table %d", len(methods), len(open))
	}
	all := calls()
	for who, caller := range callers {
		conn := k.Env.Dial(t, k.Server.Addr, caller)
		for _, method := range methods {
			err := all[method.MethodName](t, conn)
			got := status.Code(err)
			switch {
			case who == "nobody" || who == "proxy":
				allowlisttest.WantError(t, method.MethodName+" by "+who, err, codes.Unauthenticated, "CREDENTIALS_MISSING")
			case slices.Contains(open[method.MethodName], who):
				if got != codes.OK && got != codes.NotFound && got != codes.InvalidArgument {
					t.Errorf("%s by %s = %v, want it to be allowed", method.MethodName, who, err)
				}
			default:
				allowlisttest.WantError(t, method.MethodName+" by "+who, err, codes.PermissionDenied, "PERMISSION_DENIED")
			}
		}
	}
}
