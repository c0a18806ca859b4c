package vault_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestValueIsFoundNowhere(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	a := &vaulttest.Answers{T: t}
	data := &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: []byte(vaulttest.Canary)}}
	big := vaulttest.Text(strings.Repeat(vaulttest.Canary, 64<<10/len(vaulttest.Canary)+1))
	ask := func(m proto.Message, err error) { a.Add(m, err) }

	created, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", vaulttest.Canary, "id"))
	ask(created, err)
	ask(k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", vaulttest.Canary, "id")))  // repeated
	ask(k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", vaulttest.Canary, "id2"))) // taken
	ask(k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", vaulttest.Canary+"x", "id")))
	ask(k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "big", Secret: &vaultv1.Secret{Value: big}}))
	for _, secret := range []*vaultv1.Secret{
		{Name: vaulttest.NameOf("key"), Value: data},
		{Name: vaulttest.NameOf("key"), Value: vaulttest.Text(vaulttest.Canary), Etag: "stale"},
		{Name: vaulttest.NameOf("absent"), Value: vaulttest.Text(vaulttest.Canary)},
		{Name: vaulttest.NameOf("key"), Value: vaulttest.Text(vaulttest.Canary), AllowedHosts: []string{"a.example"}},
	} {
		ask(k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret}))
	}
	ask(k.As(t, k.Env.Stranger(t)).CreateSecret(t.Context(), vaulttest.CreateRequest("key", vaulttest.Canary, "")))
	ask(k.As(t, servertest.Caller{}).CreateSecret(t.Context(), vaulttest.CreateRequest("key", vaulttest.Canary, "")))
	header := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", vaulttest.Canary, "x-other", vaulttest.Canary)
	ask(k.Owner.CreateSecret(header, vaulttest.CreateRequest("key2", vaulttest.Canary, "")))

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	ask(k.Owner.CreateSecret(ended, vaulttest.CreateRequest("key3", vaulttest.Canary, "")))

	for _, value := range []*vaultv1.SecretValue{vaulttest.Text(vaulttest.Canary), data, big, vaulttest.Text("x" + vaulttest.Canary)} {
		ask(k.Owner.CheckSecretValue(t.Context(), &vaultv1.CheckSecretValueRequest{Name: vaulttest.NameOf("key"), Value: value}))
	}
	unusable := vaulttest.Text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + vaulttest.Canary + "\n-----END ENCRYPTED PRIVATE KEY-----\n")
	unusable.FilePassword = vaulttest.Canary
	ask(k.Owner.CheckSecretValue(t.Context(), &vaultv1.CheckSecretValueRequest{Name: vaulttest.NameOf("key"), Value: unusable}))
	ask(k.Owner.CheckSecretValue(t.Context(), &vaultv1.CheckSecretValueRequest{Name: vaulttest.NameOf("key"), Value: vaulttest.Text(vaulttest.Canary)}))
	ask(k.Owner.UndeleteSecret(t.Context(), &vaultv1.UndeleteSecretRequest{Name: vaulttest.NameOf("key")}))

	k.Resolver.Bind(t, "key", "e", "op")
	if got := k.Resolver.Resolve(t, "key", created.GetSecret().GetUid(), 0); got != vaulttest.Canary {
		t.Fatal("the value differs from the stored one")
	}
	ask(k.Resolver.BindSecret(t.Context(), vaulttest.BindRequest("key", "e", "op")))
	ask(k.Resolver.ReserveNonces(t.Context(), &vaultv1.ReserveNoncesRequest{
		Name: vaulttest.NameOf("key"), Uid: created.GetSecret().GetUid(), Version: 1, RandomBits: 96, Count: 1,
	}))
	ask(k.Resolver.IssueSecretVersion(t.Context(), &vaultv1.IssueSecretVersionRequest{
		Name: vaulttest.NameOf("key"), Referrer: vaulttest.Workspace + "/endpoints/e", RequestId: "r",
		Value: vaulttest.SealTo(t, k.Owner.NewestKey(t), vaulttest.Canary, vaulttest.Place("key", "r")).GetSealed(),
	}))
	ask(k.Resolver.ReportSecretUses(t.Context(), vaulttest.ReportRequest("r", vaulttest.UseOf("key", created.GetSecret().GetUid(), 1, 1))))
	ask(k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text(vaulttest.Canary)}, KeepCurrent: true}))
	ask(k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text(vaulttest.Canary)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}}, KeepCurrent: true,
	}))
	for _, method := range []string{vaulttest.Disable, vaulttest.Enable, vaulttest.Restore, vaulttest.Destroy} {
		for _, version := range []uint32{1, 2} {
			ask(k.Owner.Change(t.Context(), method, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", version)}))
			if method == vaulttest.Disable {
				ask(k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: created.GetSecret().GetUid(), Version: version, Purpose: vaulttest.Purpose()}))
			}
		}
	}
	ask(k.Owner.Change(t.Context(), vaulttest.Destroy, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", 1), Force: true, Reason: "a deleted value"}))
	ask(k.Owner.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: vaulttest.NameOf("key")}))
	ask(k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace}))
	ask(k.Owner.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: vaulttest.NameOf("key")}))
	ask(k.Owner.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: vaulttest.NameOf("key")}))
	ask(k.Owner.ListSecretHistory(t.Context(), &vaultv1.ListSecretHistoryRequest{Name: vaulttest.Workspace + "/secrets/-"}))
	ask(k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key2")}))
	k.MustHoldNoCanary(t, a)
}

// TestMisplacedValueIsNotRepeated sets each string field of every request to the canary, too long
// for any of them, as a person does who pastes a value into the wrong field.
func TestMisplacedValueIsNotRepeated(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "present", &vaultv1.Secret{})
	a := &vaulttest.Answers{T: t}
	pasted := strings.Repeat(vaulttest.Canary, 300)
	service := vaultv1.File_keyward_vault_v1_service_proto.Services().ByName("VaultService")
	conns := []*grpc.ClientConn{
		k.Env.Dial(t, k.Running.Addr, k.Env.Owner(t, "acme")),
		k.Env.Dial(t, k.Running.Addr, k.Env.SuperAdmin(t)),
		k.Env.Dial(t, k.Running.Addr, k.Env.Resolver(t)),
	}
	tried := 0
	for i := range service.Methods().Len() {
		method := string(service.Methods().Get(i).Name())
		for _, req := range misplaced(rights()[method].request("present"), pasted) {
			for _, conn := range conns {
				res := rights()[method].response
				err := invoke(t.Context(), conn, "/"+string(service.FullName())+"/"+method, req, res)
				a.Add(res, err)
				tried++
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d requests were sent", tried)
	}
	k.MustHoldNoCanary(t, a)
}

// misplaced returns copies of a request, each with text in one of its fields. It skips the fields
// for values, which would be stored.
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

// set sets a field to text, if the field can hold text.
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
