package changelog_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

func TestListShowsTheNewestFirstPageByPage(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	// Sequences:                 0    1    2    3    4    5    6
	for _, id := range []string{"x", "y", "x", "z", "x", "y", "x"} {
		appendEntry(t, store, changes, entry("a", id))
	}
	// Names that begin like another one are not its entries.
	appendEntry(t, store, changes, entry("a", "x2")) // 7
	appendEntry(t, store, changes, entry("ab", "x")) // 8

	tests := []struct {
		name  string
		query changelog.Query
		want  []uint64
	}{
		{"of a resource", changelog.Query{Resource: "workspaces/a/secrets/x", Limit: 9}, []uint64{6, 4, 2, 0}},
		{"of a scope", changelog.Query{Scope: "workspaces/a", Limit: 9}, []uint64{7, 6, 5, 4, 3, 2, 1, 0}},
		{"of another scope", changelog.Query{Scope: "workspaces/ab", Limit: 9}, []uint64{8}},
		{"a first page", changelog.Query{Resource: "workspaces/a/secrets/x", Limit: 2}, []uint64{6, 4}},
		{"a second page", changelog.Query{Resource: "workspaces/a/secrets/x", Before: new(uint64(4)), Limit: 2}, []uint64{2, 0}},
		{"before one of another resource", changelog.Query{Resource: "workspaces/a/secrets/x", Before: new(uint64(3)), Limit: 9}, []uint64{2, 0}},
		{"before the first", changelog.Query{Resource: "workspaces/a/secrets/x", Before: new(uint64(0)), Limit: 9}, nil},
		{"before what is yet to come", changelog.Query{Scope: "workspaces/ab", Before: new(uint64(99)), Limit: 9}, []uint64{8}},
		{"of nobody", changelog.Query{Resource: "workspaces/a/secrets/w", Limit: 9}, nil},
		{"without limit", changelog.Query{Scope: "workspaces/a"}, nil},
	}
	for _, tt := range tests {
		var got []uint64
		for _, e := range list(t, store, tt.query) {
			got = append(got, e.Sequence)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: List() = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestListNeedsOneOfResourceAndScope(t *testing.T) {
	t.Parallel()
	_, store := newLog(t)
	for _, q := range []changelog.Query{{Limit: 1}, {Scope: "workspaces/a", Resource: "workspaces/a/secrets/b", Limit: 1}} {
		err := store.View(t.Context(), func(r kv.Reader) error {
			_, err := changelog.List(r, q)
			return err
		})
		if err == nil {
			t.Errorf("List(%+v) succeeds, want an error", q)
		}
	}
}

func TestForgedIndexDoesNotShowOtherTenants(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "s"))
	put(t, store, scopeKey("workspaces/b").Uint(0), nil)
	err := store.View(t.Context(), func(r kv.Reader) error {
		_, err := changelog.List(r, changelog.Query{Scope: "workspaces/b", Limit: 1})
		return err
	})
	if !errors.Is(err, changelog.ErrTampered) {
		t.Errorf("List() = %v, want ErrTampered", err)
	}
}
