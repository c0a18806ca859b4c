package client_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/client"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestAllPagesAreGoneThrough(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	vault := k.vault(t)
	req := &vaultv1.ListSecretsRequest{Parent: "workspaces/acme", Query: "q"}
	var names []string
	for secret, err := range vault.Secrets(t.Context(), req) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, secret.GetName())
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Errorf("the secrets differ (-want +got):\n%s", diff)
	}
	for _, m := range k.script.requests() {
		if got, ok := m.(*vaultv1.ListSecretsRequest); !ok || got.GetQuery() != "q" {
			t.Errorf("a page was requested with %v", m)
		}
	}
	if req.GetPageToken() != "" {
		t.Error("the caller's message was changed")
	}
	k.script.fail()
	for range vault.Secrets(t.Context(), req) {
		break
	}
	if got := len(k.script.requests()); got != 1 {
		t.Errorf("%d pages were requested, want only those that are read", got)
	}
	k.script.fail(refuse(codes.InvalidArgument, "INVALID_FIELD", "the request has malformed fields", violation("query", "must be shorter")))
	last := error(nil)
	for secret, err := range vault.Secrets(t.Context(), req) {
		if last = err; secret != nil || err == nil {
			t.Errorf("a list that fails yields %v, %v", secret, err)
		}
	}
	if !errors.Is(last, client.ErrInvalid) {
		t.Errorf("a list that fails ends with %v, want %v", last, client.ErrInvalid)
	}
}

func TestStoreCreatesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	vault := k.vault(t)
	absent := refuse(codes.NotFound, "SECRET_NOT_FOUND", "the secret does not exist")
	for _, tt := range []struct {
		name  string
		fails []error
		want  string
	}{
		{"an existing secret gets a version", nil, "updated"},
		{"a missing secret is created", []error{absent}, "created"},
		{"a secret that is created concurrently gets a version", []error{absent, errTaken}, "updated"},
	} {
		k.script.fail(tt.fails...)
		got, err := vault.Store(t.Context(), secretName, client.Text("v"), "why")
		if err != nil || got.GetName() != tt.want {
			t.Errorf("%s: Store = %v, %v, want it %s", tt.name, got, err, tt.want)
		}
		for _, m := range k.script.requests() {
			if create, ok := m.(*vaultv1.CreateSecretRequest); ok &&
				(create.GetParent() != "workspaces/acme" || create.GetSecretId() != "key" || create.GetReason() != "why") {
				t.Errorf("%s: the secret is created as %s in %s", tt.name, create.GetSecretId(), create.GetParent())
			}
		}
	}
}

func TestVersionsAreChangedByNumber(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	vault := k.vault(t)
	const name = secretName + "/versions/3"
	for want, change := range map[proto.Message]func(context.Context, string, uint32, string) (*vaultv1.SecretVersion, error){
		&vaultv1.RestoreSecretVersionRequest{Name: name, Reason: "why"}: vault.Restore,
		&vaultv1.EnableSecretVersionRequest{Name: name, Reason: "why"}:  vault.Enable,
		&vaultv1.DisableSecretVersionRequest{Name: name, Reason: "why"}: vault.Disable,
		&vaultv1.DestroySecretVersionRequest{Name: name, Reason: "why"}: vault.Destroy,
	} {
		k.script.fail(errStopping) // the retry has the same ID
		got, err := change(t.Context(), secretName, 3, "why")
		if err != nil || got.GetName() != name {
			t.Errorf("the change of a version = %v, %v", got, err)
		}
		requests := k.script.requests()
		if len(requests) != 2 {
			t.Fatalf("%T was sent %d times, want a retry", want, len(requests))
		}
		id := requestID(requests[0])
		for _, m := range requests {
			if requestID(m) == "" || requestID(m) != id {
				t.Errorf("%T has the request ID %q after %q", m, requestID(m), id)
			}
			m.ProtoReflect().Clear(m.ProtoReflect().Descriptor().Fields().ByName("request_id"))
			if diff := cmp.Diff(want, m, protocmp.Transform()); diff != "" {
				t.Errorf("the request differs (-want +got):\n%s", diff)
			}
		}
	}
}

func requestID(m proto.Message) string {
	identified, _ := m.(interface{ GetRequestId() string })
	return identified.GetRequestId()
}
