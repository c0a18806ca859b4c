package allowlist_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// explained returns a valid request, without a reason, for each method that takes a reason.
func explained() map[protoreflect.Name]proto.Message {
	name := allowlisttest.NameOf("orders")
	return map[protoreflect.Name]proto.Message{
		"CreateEndpoint":        &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "other", Endpoint: allowlisttest.Draft()},
		"UpdateEndpoint":        &allowlistv1.UpdateEndpointRequest{Endpoint: &allowlistv1.Endpoint{Name: name, Description: "other"}},
		"DeleteEndpoint":        &allowlistv1.DeleteEndpointRequest{Name: name},
		"ApproveEndpoint":       &allowlistv1.ApproveEndpointRequest{Name: name},
		"VerifyEndpoint":        &allowlistv1.VerifyEndpointRequest{Name: name, Method: allowlistv1.Verification_METHOD_DNS},
		"ActivateEndpoint":      &allowlistv1.ActivateEndpointRequest{Name: name},
		"DeactivateEndpoint":    &allowlistv1.DeactivateEndpointRequest{Name: name},
		"RebindEndpoints":       &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace},
		"TestEncryption":        &allowlistv1.TestEncryptionRequest{Name: name, Body: []byte("{}"), LiveKeys: true},
		"AcceptVaultCheckpoint": &allowlistv1.AcceptVaultCheckpointRequest{Parent: "workspaces/-"},
		"DiagnoseSample":        &allowlistv1.DiagnoseSampleRequest{Name: name, Body: []byte("{}"), Plaintext: []byte(`{"a":"b"}`)},
	}
}

// Reasons are stored in the change log, where members can read them. So no method accepts a reason
// that contains a secret.
func TestNoReasonHoldsASecret(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Owner.Create(t, "orders", allowlisttest.Draft(k.Secret(t, "key")))
	conn := k.Env.Dial(t, k.Server.Addr, k.Env.SuperAdmin(t))
	requests := explained()
	service := allowlistv1.File_keyward_allowlist_v1_service_proto.Services().ByName("AllowlistService")
	for i := range service.Methods().Len() {
		method := service.Methods().Get(i)
		field := method.Input().Fields().ByName("reason")
		if field == nil {
			continue
		}
		req, known := requests[method.Name()]
		if !known {
			t.Errorf("%s takes a reason and is not in the table of this test", method.Name())
			continue
		}
		for what, text := range map[string]string{"a key": "it is " + allowlisttest.CanaryHex, "a token": "Bearer " + allowlisttest.CanaryHex, "a private key": strings.ReplaceAll(allowlisttest.PEMKey, "\n", " ")} {
			explained := proto.Clone(req)
			explained.ProtoReflect().Set(field, protoreflect.ValueOfString(text))
			err := invoke(t, conn, method, explained)
			allowlisttest.WantError(t, string(method.Name())+" with "+what, err, codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED")
			fields := servertest.Violations(err)
			if len(fields) != 1 || fields[0].Field != "reason" {
				t.Errorf("%s with %s reports violations of %v", method.Name(), what, fields)
			}
			servertest.MustNotHold(t, string(method.Name()), err.Error(), allowlisttest.CanaryHex[:16])
		}
	}
	history, err := k.Owner.ListEndpointHistory(t.Context(), &allowlistv1.ListEndpointHistoryRequest{Name: allowlisttest.NameOf("-")})
	allowlisttest.Must(t, err)
	if slices.ContainsFunc(history.GetChanges(), func(c *allowlistv1.EndpointChange) bool { return c.GetReason() != "" }) || len(history.GetChanges()) != 1 {
		t.Errorf("the log contains %v", history.GetChanges())
	}
}
