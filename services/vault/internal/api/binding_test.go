package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestOnlyAHolderOfABindingResolves(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	created := k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("the value")})
	request := &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: created.GetUid(), Purpose: vaulttest.Purpose()}
	_, err := k.Resolver.ResolveSecret(t.Context(), request)
	vaulttest.WantError(t, "ResolveSecret without a binding", err, codes.PermissionDenied, vaultv1.ErrorReason_ERROR_REASON_NOT_BOUND)

	got := k.Resolver.Bind(t, "key", "bank", "op")
	want := &vaultv1.Binding{
		Secret: vaulttest.NameOf("key"), Uid: created.GetUid(), Usage: vaultv1.Usage_USAGE_KEY,
		Referrer: vaulttest.Workspace + "/endpoints/bank", Holder: k.Resolver.Subject, OperationId: "op",
		Host: "partner.example", Chains: []string{vaulttest.Chain},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&vaultv1.Binding{}, "create_time")); diff != "" {
		t.Errorf("binding differs (-want +got):\n%s", diff)
	}
	res, err := k.Resolver.ResolveSecret(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if string(res.GetValue()) != "the value" || res.GetVersion() != 1 || res.GetUsage() != vaultv1.Usage_USAGE_KEY {
		t.Errorf("ResolveSecret = version %d, usage %v, or another value", res.GetVersion(), res.GetUsage())
	}

	another := k.As(t, k.Env.Workload(t, "another", "resolver"))
	_, err = another.ResolveSecret(t.Context(), request)
	vaulttest.WantError(t, "ResolveSecret by another workload", err, codes.PermissionDenied, vaultv1.ErrorReason_ERROR_REASON_NOT_BOUND)
	another.Unbind(t, "key", "op") // a binding of another workload: does nothing
	if got := k.Resolver.Resolve(t, "key", created.GetUid(), 1); got != "the value" {
		t.Error("another workload removed the binding")
	}

	k.Resolver.Unbind(t, "key", "op")
	k.Resolver.Unbind(t, "key", "op") // repeated: does nothing
	_, err = k.Resolver.ResolveSecret(t.Context(), request)
	vaulttest.WantError(t, "ResolveSecret after UnbindSecret", err, codes.PermissionDenied, vaultv1.ErrorReason_ERROR_REASON_NOT_BOUND)
	k.Resolver.Unbind(t, "absent", "op")
}

func TestBindingsOfAllSecretsOfAWorkspaceAreListed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for _, id := range []string{"b", "a", "c"} {
		k.Owner.Create(t, id, &vaultv1.Secret{})
	}
	another := k.As(t, k.Env.Workload(t, "another", "resolver"))
	k.Resolver.Bind(t, "b", "e", "op")
	another.Bind(t, "b", "e", "op")
	k.Resolver.Bind(t, "a", "f", "op")
	for who, c := range map[string]vaulttest.Client{"an owner": k.Owner, "a super admin": k.Admin, "a resolver": k.Resolver} {
		var got []string
		req := &vaultv1.ListSecretBindingsRequest{Parent: vaulttest.NameOf("-"), PageSize: 1}
		for {
			res, err := c.ListSecretBindings(t.Context(), req)
			if err != nil {
				t.Fatalf("ListSecretBindings by %s = %v", who, err)
			}
			for _, b := range res.GetBindings() {
				got = append(got, strings.TrimPrefix(b.GetSecret(), vaulttest.NameOf(""))+" "+b.GetHolder())
			}
			if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
				break
			}
		}
		want := []string{"a " + k.Resolver.Subject, "b " + another.Subject, "b " + k.Resolver.Subject}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the bindings that %s sees differ (-want +got):\n%s", who, diff)
		}
	}
	_, err := k.Owner.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: "workspaces/other/secrets/-"})
	vaulttest.WantError(t, "ListSecretBindings of another workspace", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
}

func TestResolveIsByNameAndUID(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	first := k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("first life")})
	k.Resolver.Bind(t, "key", "e", "op")
	for what, request := range map[string]*vaultv1.ResolveSecretRequest{
		"another uid":  {Name: vaulttest.NameOf("key"), Uid: strings.Repeat("a", 26)},
		"another name": {Name: vaulttest.NameOf("absent"), Uid: first.GetUid()},
	} {
		_, err := k.Resolver.ResolveSecret(t.Context(), request)
		vaulttest.WantError(t, "ResolveSecret with "+what, err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	}
	_, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: first.GetUid(), Version: 2, Purpose: vaulttest.Purpose()})
	vaulttest.WantError(t, "ResolveSecret of a future version", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND)

	k.Resolver.Unbind(t, "key", "op")
	k.Owner.Delete(t, "key")
	second := k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("second life")})
	_, err = k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: first.GetUid(), Purpose: vaulttest.Purpose()})
	vaulttest.WantError(t, "ResolveSecret of the first incarnation", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	_, err = k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: second.GetUid(), Purpose: vaulttest.Purpose()})
	vaulttest.WantError(t, "ResolveSecret of the second incarnation", err, codes.PermissionDenied, vaultv1.ErrorReason_ERROR_REASON_NOT_BOUND)
}

func TestBindChecksUsageHostAndReferrer(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Owner.Create(t, "credential", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example"}})
	const key, parameter, credential = vaultv1.Usage_USAGE_KEY, vaultv1.Usage_USAGE_PARAMETER, vaultv1.Usage_USAGE_CREDENTIAL
	referrer := vaulttest.Workspace + "/endpoints/e"
	refusals := []struct {
		name, id string
		usage    vaultv1.Usage
		host     string
		reason   fmt.Stringer
	}{
		{"a key as a parameter", "key", parameter, "", commonv1.ErrorReason_ERROR_REASON_USAGE_NOT_ALLOWED},
		{"a key as a credential", "key", credential, "a.example", commonv1.ErrorReason_ERROR_REASON_USAGE_NOT_ALLOWED},
		{"a credential as a key", "credential", key, "", commonv1.ErrorReason_ERROR_REASON_USAGE_NOT_ALLOWED},
		{"a credential to another host", "credential", credential, "b.example", commonv1.ErrorReason_ERROR_REASON_HOST_NOT_ALLOWED},
		{"a credential to a host below", "credential", credential, "x.a.example", commonv1.ErrorReason_ERROR_REASON_HOST_NOT_ALLOWED},
	}
	for _, tt := range refusals {
		var port uint32
		if tt.usage == credential {
			port = 443
		}
		_, err := k.Resolver.BindSecret(t.Context(), &vaultv1.BindSecretRequest{Name: vaulttest.NameOf(tt.id), Usage: tt.usage, Host: tt.host, Port: port, Referrer: referrer, OperationId: "op"})
		vaulttest.WantError(t, tt.name, err, codes.FailedPrecondition, tt.reason)
		want := map[string]string{"key": "KEY", "credential": "CREDENTIAL"}[tt.id]
		if got := servertest.Metadata(err)["usage"]; tt.reason == commonv1.ErrorReason_ERROR_REASON_USAGE_NOT_ALLOWED && got != want {
			t.Errorf("%s: the error has usage %q, want %q", tt.name, got, want)
		}
	}
	malformed := []struct {
		name    string
		request *vaultv1.BindSecretRequest
		field   string
	}{
		{"a referrer of another workspace", &vaultv1.BindSecretRequest{Usage: key, Referrer: "workspaces/other/endpoints/e", OperationId: "op"}, "referrer"},
		{"a referrer that is not a name", &vaultv1.BindSecretRequest{Usage: key, Referrer: "e", OperationId: "op"}, "referrer"},
		{"no usage", &vaultv1.BindSecretRequest{Referrer: referrer, OperationId: "op"}, "usage"},
		{"no operation ID", &vaultv1.BindSecretRequest{Usage: key, Referrer: referrer}, "operation_id"},
		{"a host for a parameter", &vaultv1.BindSecretRequest{Usage: parameter, Referrer: referrer, Host: "a.example", OperationId: "op"}, "host"},
		{"chains for a parameter", &vaultv1.BindSecretRequest{Usage: parameter, Referrer: referrer, Chains: []string{vaulttest.Chain}, OperationId: "op"}, "chains"},
		{"no chains for a key", &vaultv1.BindSecretRequest{Usage: key, Referrer: referrer, Host: "a.example", OperationId: "op"}, "chains"},
		{"no host for a credential", &vaultv1.BindSecretRequest{Usage: credential, Referrer: referrer, Port: 443, OperationId: "op"}, "host"},
		{"a host with a port", &vaultv1.BindSecretRequest{Usage: credential, Referrer: referrer, Host: "a.example:1", Port: 1, OperationId: "op"}, "host"},
		{"no port for a credential", &vaultv1.BindSecretRequest{Usage: credential, Referrer: referrer, Host: "a.example", OperationId: "op"}, "port"},
		{"a port that is too large", &vaultv1.BindSecretRequest{Usage: credential, Referrer: referrer, Host: "a.example", Port: 65536 + 443, OperationId: "op"}, "port"},
		{"a port for a key", &vaultv1.BindSecretRequest{Usage: key, Referrer: referrer, Host: "a.example", Port: 443, Chains: []string{vaulttest.Chain}, OperationId: "op"}, "port"},
	}
	for _, tt := range malformed {
		tt.request.Name = vaulttest.NameOf("key")
		_, err := k.Resolver.BindSecret(t.Context(), tt.request)
		vaulttest.WantField(t, tt.name, err, tt.field)
	}
	_, err := k.Resolver.BindSecret(t.Context(), vaulttest.BindRequest("absent", "e", "op"))
	vaulttest.WantError(t, "BindSecret of a missing secret", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	if got := len(k.Owner.History(t, "-")); got != 2 {
		t.Errorf("refused bindings left %d entries in the log, want 2", got)
	}
}

func TestBindIsIdempotentByOperation(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	first := k.Resolver.Bind(t, "key", "bank", "op")
	again := k.Resolver.Bind(t, "key", "bank", "op")
	if diff := cmp.Diff(first, again, protocmp.Transform()); diff != "" {
		t.Errorf("binding again under the operation changed it (-first +again):\n%s", diff)
	}
	_, err := k.Resolver.BindSecret(t.Context(), vaulttest.BindRequest("key", "elsewhere", "op"))
	vaulttest.WantField(t, "BindSecret for another referrer under the operation", err, "operation_id")
	k.Resolver.Bind(t, "key", "bank", "op2")
	got := k.Owner.Get(t, "key")
	if got.GetReferenceCount() != 1 {
		t.Errorf("two bindings of one referrer count as %d", got.GetReferenceCount())
	}
	k.Resolver.Unbind(t, "key", "op")
	resolver, owner := &vaultv1.Actor{Subject: k.Resolver.Subject}, &vaultv1.Actor{Subject: k.Owner.Subject}
	bank := []string{vaulttest.Workspace + "/endpoints/bank"}
	want := []*vaultv1.SecretChange{
		{Action: vaultv1.SecretChange_ACTION_UNBOUND, Actor: resolver, Referrers: bank},
		{Action: vaultv1.SecretChange_ACTION_BOUND, Actor: resolver, Referrers: bank},
		{Action: vaultv1.SecretChange_ACTION_BOUND, Actor: resolver, Referrers: bank},
		{Action: vaultv1.SecretChange_ACTION_CREATED, Actor: owner},
	}
	var logged []*vaultv1.SecretChange
	for _, c := range k.Owner.History(t, "key") {
		actor := &vaultv1.Actor{Subject: c.GetActor().GetSubject()}
		logged = append(logged, &vaultv1.SecretChange{Action: c.GetAction(), Actor: actor, Referrers: c.GetReferrers()})
	}
	if diff := cmp.Diff(want, logged, protocmp.Transform()); diff != "" {
		t.Errorf("history differs (-want +got):\n%s", diff)
	}
}

func TestBindingsAreListedByHolderAndOperation(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	zebra := k.As(t, k.Env.Workload(t, "zebra", "resolver"))
	for _, op := range []string{"op3", "op1", "op2"} {
		zebra.Bind(t, "key", "e", op)
		k.Resolver.Bind(t, "key", "e", op)
	}
	var want []string
	for _, holder := range []string{k.Resolver.Subject, zebra.Subject} {
		for _, op := range []string{"op1", "op2", "op3"} {
			want = append(want, holder+" "+op)
		}
	}
	for _, caller := range []vaulttest.Client{k.Owner, k.Admin, k.Resolver} {
		var got []string
		req := &vaultv1.ListSecretBindingsRequest{Parent: vaulttest.NameOf("key"), PageSize: 2}
		for {
			res, err := caller.ListSecretBindings(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range res.GetBindings() {
				got = append(got, b.GetHolder()+" "+b.GetOperationId())
			}
			if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s sees the bindings %v, want %v", caller.Subject, got, want)
		}
	}
	_, err := k.Owner.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: vaulttest.NameOf("absent")})
	vaulttest.WantError(t, "ListSecretBindings of a missing secret", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
}

func TestHostInUseStaysAllowed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "c", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example", "b.example"}})
	_, err := k.Resolver.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: vaulttest.NameOf("c"), Usage: vaultv1.Usage_USAGE_CREDENTIAL, Host: "a.example", Port: 443,
		Referrer: vaulttest.Workspace + "/endpoints/bank", OperationId: "op",
	})
	if err != nil {
		t.Fatal(err)
	}
	allow := func(hosts ...string) error {
		_, err := k.Admin.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("c"), AllowedHosts: hosts}})
		return err
	}
	if err := allow("c.example", "a.example"); err != nil {
		t.Errorf("an update that keeps the host in use: %v", err)
	}
	err = allow("c.example")
	vaulttest.WantError(t, "an update that drops the host in use", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE)
	want := map[string]string{"referrers": vaulttest.Workspace + "/endpoints/bank", "count": "1"}
	if diff := cmp.Diff(want, servertest.Metadata(err)); diff != "" {
		t.Errorf("metadata differ (-want +got):\n%s", diff)
	}
	k.Resolver.Unbind(t, "c", "op")
	if err := allow("c.example"); err != nil {
		t.Errorf("the same update after UnbindSecret: %v", err)
	}
}

func TestSecretInUseCannotBeDeleted(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	var referrers []string
	for i := range 12 {
		k.Resolver.Bind(t, "key", fmt.Sprintf("e%02d", i), fmt.Sprintf("op%d", i))
		referrers = append(referrers, fmt.Sprintf("%s/endpoints/e%02d", vaulttest.Workspace, i))
	}
	for _, c := range []vaulttest.Client{k.Owner, k.Admin} {
		_, err := c.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key")})
		vaulttest.WantError(t, "DeleteSecret while bound", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE)
		want := map[string]string{"referrers": strings.Join(referrers[:10], ", "), "count": "12"}
		if diff := cmp.Diff(want, servertest.Metadata(err)); diff != "" {
			t.Errorf("metadata differ (-want +got):\n%s", diff)
		}
	}
	if got := k.Owner.Get(t, "key").GetReferenceCount(); got != 12 {
		t.Errorf("reference count %d, want 12", got)
	}

	force := &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key"), Force: true, Reason: "leaked"}
	_, err := k.Owner.DeleteSecret(t.Context(), force)
	vaulttest.WantError(t, "DeleteSecret with force by an owner", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	_, err = k.Admin.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key"), Force: true})
	vaulttest.WantField(t, "DeleteSecret with force but without a reason", err, "reason")
	if _, err := k.Admin.DeleteSecret(t.Context(), force); err != nil {
		t.Fatal(err)
	}
	newest := k.Owner.History(t, "key")[0]
	if newest.GetAction() != vaultv1.SecretChange_ACTION_FORCE_DELETED || newest.GetReason() != "leaked" || !slices.Equal(newest.GetReferrers(), referrers[:10]) {
		t.Errorf("the log has %v", newest)
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	if got := k.Owner.Get(t, "key").GetReferenceCount(); got != 0 {
		t.Errorf("the next incarnation of the name begins with %d referrers", got)
	}
	k.Resolver.Unbind(t, "key", "op1") // of the previous incarnation: does nothing
	k.Owner.Delete(t, "key")
}

func TestForcedDeletionOfAnUnusedSecretIsAnOrdinaryOne(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	if _, err := k.Admin.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key"), Force: true, Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	if got := k.Owner.History(t, "key")[0].GetAction(); got != vaultv1.SecretChange_ACTION_DELETED {
		t.Errorf("the log has %v", got)
	}
}
