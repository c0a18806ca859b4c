package vault_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// canary is a value that must not be found anywhere.
const canary = "Canary-sings-7f3a91!"

// answers collects what callers are told.
type answers struct {
	t    testing.TB
	text strings.Builder
}

func (a *answers) add(m proto.Message, err error) {
	a.t.Helper()
	if err != nil {
		// The details carry what the message does not.
		m = status.Convert(err).Proto()
	}
	wire, err := proto.Marshal(m)
	if err != nil {
		a.t.Fatal(err)
	}
	a.text.Write(wire)
	a.text.WriteString(protojson.Format(m))
}

// mustHoldNoCanary looks at answers, log, metrics, and all files of a stopped vault.
func (k *kit) mustHoldNoCanary(t testing.TB, a *answers) {
	t.Helper()
	metrics := httptest.NewRecorder()
	promhttp.HandlerFor(k.running.Telemetry.Metrics, promhttp.HandlerOpts{}).
		ServeHTTP(metrics, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	k.running.Stop()
	servertest.MustNotHold(t, "an answer", a.text.String(), canary)
	servertest.MustNotHold(t, "the log", k.env.Log.String(), canary)
	servertest.MustNotHold(t, "the metrics", metrics.Body.String(), canary)
	err := filepath.Walk(filepath.Dir(k.config.Store), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		servertest.MustNotHold(t, path, string(content), canary)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestValueIsFoundNowhere(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := &answers{t: t}
	data := &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: []byte(canary)}}
	big := text(strings.Repeat(canary, 64<<10/len(canary)+1))
	ask := func(m proto.Message, err error) { a.add(m, err) }

	created, err := k.owner.CreateSecret(t.Context(), createRequest("key", canary, "id"))
	ask(created, err)
	ask(k.owner.CreateSecret(t.Context(), createRequest("key", canary, "id")))  // repeated
	ask(k.owner.CreateSecret(t.Context(), createRequest("key", canary, "id2"))) // taken
	ask(k.owner.CreateSecret(t.Context(), createRequest("key", canary+"x", "id")))
	ask(k.owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: workspace, SecretId: "big", Secret: &vaultv1.Secret{Value: big}}))
	for _, secret := range []*vaultv1.Secret{
		{Name: nameOf("key"), Value: data},
		{Name: nameOf("key"), Value: text(canary), Etag: "stale"},
		{Name: nameOf("absent"), Value: text(canary)},
		{Name: nameOf("key"), Value: text(canary), AllowedHosts: []string{"a.example"}},
	} {
		ask(k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret}))
	}
	ask(k.as(t, k.env.Stranger(t)).CreateSecret(t.Context(), createRequest("key", canary, "")))
	ask(k.as(t, servertest.Caller{}).CreateSecret(t.Context(), createRequest("key", canary, "")))
	header := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", canary, "x-other", canary)
	ask(k.owner.CreateSecret(header, createRequest("key2", canary, "")))

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	ask(k.owner.CreateSecret(ended, createRequest("key3", canary, "")))

	k.resolver.bind(t, "key", "e", "op")
	if got := k.resolver.resolve(t, "key", created.GetSecret().GetUid(), 0); got != canary {
		t.Fatal("the value is not what was stored")
	}
	ask(k.resolver.BindSecret(t.Context(), bindRequest("key", "e", "op")))
	ask(k.resolver.ReserveNonces(t.Context(), &vaultv1.ReserveNoncesRequest{
		Name: nameOf("key"), Uid: created.GetSecret().GetUid(), Version: 1, RandomBits: 96, Count: 1,
	}))
	ask(k.resolver.ReportSecretUses(t.Context(), reportRequest("r", useOf("key", created.GetSecret().GetUid(), 1, 1))))
	ask(k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: nameOf("key"), Value: text(canary)}, KeepCurrent: true}))
	ask(k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: nameOf("key"), Value: text(canary)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}}, KeepCurrent: true,
	}))
	for _, method := range []string{disable, enable, restore, destroy} {
		for _, version := range []uint32{1, 2} {
			ask(k.owner.change(t.Context(), method, versionCall{name: versionOf("key", version)}))
			if method == disable {
				ask(k.resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf("key"), Uid: created.GetSecret().GetUid(), Version: version, Purpose: purpose()}))
			}
		}
	}
	ask(k.owner.change(t.Context(), destroy, versionCall{name: versionOf("key", 1), force: true, reason: "a value that is gone"}))
	ask(k.owner.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: nameOf("key")}))
	ask(k.owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: workspace}))
	ask(k.owner.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: nameOf("key")}))
	ask(k.owner.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: nameOf("key")}))
	ask(k.owner.ListSecretHistory(t.Context(), &vaultv1.ListSecretHistoryRequest{Name: workspace + "/secrets/-"}))
	ask(k.owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: nameOf("key2")}))
	k.mustHoldNoCanary(t, a)
}

// TestMisplacedValueIsNotRepeated puts the canary, too long for any of them, into
// every text field of every request, as somebody does who pastes into the wrong box.
func TestMisplacedValueIsNotRepeated(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "present", &vaultv1.Secret{})
	a := &answers{t: t}
	pasted := strings.Repeat(canary, 300)
	service := vaultv1.File_keyward_vault_v1_service_proto.Services().ByName("VaultService")
	conns := []*grpc.ClientConn{
		k.env.Dial(t, k.running.Addr, k.env.Owner(t, "acme")),
		k.env.Dial(t, k.running.Addr, k.env.SuperAdmin(t)),
		k.env.Dial(t, k.running.Addr, k.env.Resolver(t)),
	}
	tried := 0
	for i := range service.Methods().Len() {
		method := string(service.Methods().Get(i).Name())
		for _, req := range misplaced(rights()[method].request("present"), pasted) {
			for _, conn := range conns {
				res := rights()[method].response
				err := invoke(t.Context(), conn, "/"+string(service.FullName())+"/"+method, req, res)
				a.add(res, err)
				tried++
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d requests were tried", tried)
	}
	k.mustHoldNoCanary(t, a)
}

// misplaced returns copies of a request, each with the text in one of its fields.
// Where a value belongs there is none put: it would be stored.
func misplaced(req proto.Message, text string) []proto.Message {
	var all []proto.Message
	into := func(path func(m protoreflect.Message) protoreflect.Message) {
		fields := path(proto.Clone(req).ProtoReflect()).Descriptor().Fields()
		for i := range fields.Len() {
			c := proto.Clone(req)
			if set(path(c.ProtoReflect()), fields.Get(i), text) {
				all = append(all, c)
			}
		}
	}
	into(func(m protoreflect.Message) protoreflect.Message { return m })
	if secret := req.ProtoReflect().Descriptor().Fields().ByName("secret"); secret != nil {
		into(func(m protoreflect.Message) protoreflect.Message { return m.Mutable(secret).Message() })
	}
	if uses := req.ProtoReflect().Descriptor().Fields().ByName("uses"); uses != nil {
		into(func(m protoreflect.Message) protoreflect.Message { return m.Mutable(uses).List().Get(0).Message() })
	}
	if _, ok := req.(*vaultv1.UpdateSecretRequest); ok {
		c, _ := proto.Clone(req).(*vaultv1.UpdateSecretRequest)
		c.UpdateMask = &fieldmaskpb.FieldMask{Paths: []string{"labels." + text, text}}
		all = append(all, c)
	}
	return all
}

// set puts text into a field, if it can hold text.
func set(m protoreflect.Message, field protoreflect.FieldDescriptor, text string) bool {
	value := protoreflect.ValueOfString(text)
	switch {
	case field.IsMap() && field.MapValue().Kind() == protoreflect.StringKind:
		m.Mutable(field).Map().Set(value.MapKey(), value)
	case field.Kind() != protoreflect.StringKind:
		return false
	case field.IsList():
		m.Mutable(field).List().Append(value)
	default:
		m.Set(field, value)
	}
	return true
}
