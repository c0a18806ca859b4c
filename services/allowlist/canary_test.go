package allowlist_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// A slot puts a string into one place of a message, and creates the messages on the path to it.
type slot struct {
	path string
	fill func(m protoreflect.Message, text string)
}

// slots returns all places for strings and bytes below a message.
func slots(desc protoreflect.MessageDescriptor) []slot {
	var all []slot
	for i := range desc.Fields().Len() {
		field := desc.Fields().Get(i)
		name := string(field.Name())
		add := func(path string, fill func(protoreflect.Message, string)) { all = append(all, slot{path, fill}) }
		switch {
		case field.IsMap():
			add(name+" key", func(m protoreflect.Message, text string) {
				entries := m.Mutable(field).Map()
				entries.Set(protoreflect.ValueOfString(text).MapKey(), entries.NewValue())
			})
			if field.MapValue().Kind() == protoreflect.StringKind {
				add(name+" value", func(m protoreflect.Message, text string) {
					m.Mutable(field).Map().Set(protoreflect.ValueOfString("a").MapKey(), protoreflect.ValueOfString(text))
				})
			}
		case field.Message() != nil:
			for _, inner := range slots(field.Message()) {
				add(name+"."+inner.path, func(m protoreflect.Message, text string) {
					inner.fill(child(m, field), text)
				})
			}
		case field.Kind() == protoreflect.StringKind || field.Kind() == protoreflect.BytesKind:
			add(name, func(m protoreflect.Message, text string) {
				value := protoreflect.ValueOfString(text)
				if field.Kind() == protoreflect.BytesKind {
					value = protoreflect.ValueOfBytes([]byte(text))
				}
				if field.IsList() {
					m.Mutable(field).List().Append(value)
					return
				}
				m.Set(field, value)
			})
		}
	}
	return all
}

// child returns the message in a field, or the first one of a list.
func child(m protoreflect.Message, field protoreflect.FieldDescriptor) protoreflect.Message {
	if !field.IsList() {
		return m.Mutable(field).Message()
	}
	list := m.Mutable(field).List()
	if list.Len() == 0 {
		list.AppendMutable()
	}
	return list.Get(0).Message()
}

// requests returns a valid request for each method.
func requests(secret string) map[string]proto.Message {
	name := allowlisttest.NameOf("orders")
	update := allowlisttest.Draft(secret)
	update.Name = name
	update.Headers = []*allowlistv1.Parameter{allowlisttest.Header("X-Partner", "acme")}
	return map[string]proto.Message{
		"CreateEndpoint":        &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: allowlisttest.Draft(secret)},
		"GetEndpoint":           &allowlistv1.GetEndpointRequest{Name: name},
		"ListEndpoints":         &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace},
		"UpdateEndpoint":        &allowlistv1.UpdateEndpointRequest{Endpoint: update},
		"DeleteEndpoint":        &allowlistv1.DeleteEndpointRequest{Name: allowlisttest.NameOf("none")},
		"ListEndpointHistory":   &allowlistv1.ListEndpointHistoryRequest{Name: name},
		"ApproveEndpoint":       &allowlistv1.ApproveEndpointRequest{Name: name},
		"ActivateEndpoint":      &allowlistv1.ActivateEndpointRequest{Name: name},
		"CheckKeys":             &allowlistv1.CheckKeysRequest{Name: name},
		"ListWorkspaces":        &allowlistv1.ListWorkspacesRequest{},
		"RebindEndpoints":       &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace},
		"DeactivateEndpoint":    &allowlistv1.DeactivateEndpointRequest{Name: name},
		"Encrypt":               &allowlistv1.EncryptRequest{Name: name},
		"Decrypt":               &allowlistv1.DecryptRequest{Name: name},
		"VerifyEndpoint":        &allowlistv1.VerifyEndpointRequest{Name: name, Method: allowlistv1.Verification_METHOD_DNS},
		"VerifySignature":       &allowlistv1.VerifySignatureRequest{Name: name},
		"TestEncryption":        &allowlistv1.TestEncryptionRequest{Name: name},
		"DiagnoseSample":        &allowlistv1.DiagnoseSampleRequest{Name: name, Plaintext: []byte("known to all"), Reason: "does not open"},
		"ListPresets":           &allowlistv1.ListPresetsRequest{},
		"GetCheckpoint":         &allowlistv1.GetCheckpointRequest{Parent: "workspaces/-"},
		"ProveConsistency":      &allowlistv1.ProveConsistencyRequest{Parent: "workspaces/-", FromSize: 1, ToSize: 1},
		"AcceptVaultCheckpoint": &allowlistv1.AcceptVaultCheckpointRequest{Parent: "workspaces/-", Reason: "restored"},
		"CheckUrl":              &allowlistv1.CheckUrlRequest{Parent: allowlisttest.Workspace, Method: "GET", Url: "https://a.example/"},
	}
}

func TestNothingThatWasTypedInTheWrongPlaceShowsUp(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	k.Activate(t, "orders")
	admin := k.Env.Dial(t, k.Server.Addr, k.Env.SuperAdmin(t))
	sender := k.Env.Dial(t, k.Server.Addr, k.Env.Sender(t))
	good := requests(secret)
	service := allowlistv1.File_keyward_allowlist_v1_service_proto.Services().ByName("AllowlistService")
	var refused, tried []string
	for i := range service.Methods().Len() {
		method := service.Methods().Get(i)
		conn := admin
		switch method.Name() {
		case "Encrypt", "Decrypt", "VerifySignature":
			conn = sender
		}
		for _, s := range slots(method.Input()) {
			canary := fmt.Sprintf("sesame%dopen/%d", len(tried), i)
			tried = append(tried, canary)
			req := proto.Clone(good[string(method.Name())])
			s.fill(req.ProtoReflect(), canary)
			if err := invoke(t, conn, method, req); err != nil {
				refused = append(refused, canary)
				what := string(method.Name()) + " with a canary in " + s.path
				servertest.MustNotHold(t, what, err.Error()+fmt.Sprint(servertest.Violations(err), servertest.Metadata(err)), canary)
			}
		}
	}
	if len(tried) < 100 || len(refused) < 60 {
		t.Fatalf("tried only %d places, of which %d were refused", len(tried), len(refused))
	}
	log := k.Env.Log.String()
	k.Server.Stop()
	stored, err := os.ReadFile(k.Config.Store)
	allowlisttest.Must(t, err)
	for _, canary := range tried {
		servertest.MustNotHold(t, "the log", log, canary)
	}
	for _, canary := range refused {
		if strings.Contains(string(stored), canary) {
			t.Errorf("%s was refused but is in the store", canary)
		}
	}
}

// invoke calls a method and discards the response.
func invoke(t testing.TB, conn *grpc.ClientConn, method protoreflect.MethodDescriptor, req proto.Message) error {
	t.Helper()
	output, err := protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())
	allowlisttest.Must(t, err)
	full := fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name())
	return conn.Invoke(t.Context(), full, req, output.New().Interface())
}
