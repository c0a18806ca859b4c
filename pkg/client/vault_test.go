package client_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/client"
	"github.com/keyward/keyward/pkg/fault"
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
			t.Errorf("a page is asked for with %v", m)
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
		t.Errorf("%d pages are asked for, want as many as are looked at", got)
	}
	k.script.fail(fault.Field("query", "must be shorter"))
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
	absent := fault.New(fault.NotFound, "SECRET_NOT_FOUND", "there is no such secret")
	for _, tt := range []struct {
		name  string
		fails []error
		want  string
	}{
		{"a secret that is there gets a version", nil, "updated"},
		{"one that is not is created", []error{absent}, "created"},
		{"one that somebody creates meanwhile gets a version", []error{absent, errTaken}, "updated"},
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
