package secret_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/resource"

	"github.com/keyward/keyward/services/vault/internal/secret"
)

// TestPageOfAnotherIncarnationShowsNothingOfOtherSecrets continues a list of a deleted uid. The
// keys of many other uids are between that uid and the next.
func TestPageOfAnotherIncarnationShowsNothingOfOtherSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 4 { // incarnations: the uid is as likely before the next one as after it
		for i := range 8 {
			id := fmt.Sprintf("other-%d", i)
			_ = f.Delete(t.Context(), secret.Call{}, name(id), secret.Deletion{Force: true})
			f.create(t, id, "v")
			f.bind(t, id, "bank", "op-of-another")
		}
		f.create(t, "key", "v")
		f.rotate(t, "key")
		f.bind(t, "key", "bank", "op1")
		f.bind(t, "key", "bank", "op2")
		_, versions, err := f.Versions(t.Context(), name("key"), secret.Page{Limit: 1})
		if err != nil || versions == nil {
			t.Fatalf("the first page of versions ends the list, %v", err)
		}
		_, bindings, err := f.Bindings(t.Context(), name("key"), secret.Page{Limit: 1})
		if err != nil || bindings == nil {
			t.Fatalf("the first page of bindings ends the list, %v", err)
		}
		if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{Force: true}); err != nil {
			t.Fatal(err)
		}
		f.create(t, "key", "v")
		f.bind(t, "key", "bank", "op3")
		gotVersions, _, err := f.Versions(t.Context(), name("key"), secret.Page{Limit: 10, Cursor: versions})
		if err != nil || len(gotVersions) > 1 {
			t.Errorf("the page of versions has %v, %v", gotVersions, err)
		}
		gotBindings, _, err := f.Bindings(t.Context(), name("key"), secret.Page{Limit: 10, Cursor: bindings})
		if err != nil || len(gotBindings) > 1 || len(gotBindings) == 1 && gotBindings[0].Operation != "op3" {
			t.Errorf("the page of bindings has %v, %v", gotBindings, err)
		}
		if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBindingsOfAWorkspaceAreListedBySecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var want []string
	for i := range 9 { // with 0, 1, and 2 bindings in turn
		id := fmt.Sprintf("key-%d", i)
		f.create(t, id, "v")
		for j := range i % 3 {
			operation := fmt.Sprintf("op-%d", j)
			f.bind(t, id, "bank", operation)
			want = append(want, id+" "+operation)
		}
	}
	_, err := f.Create(t.Context(), secret.Call{}, secret.Name{Workspace: "acme2", ID: "key"}, secret.Draft{Usage: secret.Key, Value: value(t, "v")})
	if err != nil {
		t.Fatal(err)
	}
	all := secret.Name{Workspace: "acme", ID: resource.Any}
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		for p := (secret.Page{Limit: limit}); ; {
			found, next, err := f.Bindings(t.Context(), all, p)
			if err != nil || len(found) > limit {
				t.Fatalf("a page of %d has %d bindings, %v", limit, len(found), err)
			}
			for _, b := range found {
				got = append(got, b.Name.ID+" "+b.Operation)
			}
			if p.Cursor = next; next == nil {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in pages of %d the bindings differ (-want +got):\n%s", limit, diff)
		}
	}
	_, next, err := f.Bindings(t.Context(), all, secret.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), secret.Call{}, name("key-1"), secret.Deletion{Force: true}); err != nil {
		t.Fatal(err)
	}
	found, _, err := f.Bindings(t.Context(), all, secret.Page{Limit: 1, Cursor: next})
	if err != nil || len(found) != 1 || found[0].Name.ID != "key-2" {
		t.Errorf("after a deleted secret follows %v, %v, want the next one", found, err)
	}
	found, next, err = f.Bindings(t.Context(), secret.Name{Workspace: "empty", ID: resource.Any}, secret.Page{Limit: 1})
	if err != nil || len(found) != 0 || next != nil {
		t.Errorf("a workspace without secrets has %v, %v", found, err)
	}
}
