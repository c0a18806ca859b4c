package workspace_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/workspace"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

var space = kv.NewKey("item")

// open returns a store in which each workspace holds a number of items.
func open(t testing.TB, holds map[string]int) kv.Store {
	t.Helper()
	store, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	// Neighbors of the space, which are no items.
	keys := []kv.Key{kv.NewKey("iteM").Text("a"), kv.NewKey("item2").Text("b")}
	// The rests of deleted items.
	for _, id := range []string{"a", "gone"} {
		keys = append(keys, append(space.Text(id).Text("deleted"), "a row of the item"...))
	}
	for id, n := range holds {
		for i := range n {
			item := space.Text(id).Text(fmt.Sprint(i))
			keys = append(keys, item, append(item, "a row of the item"...))
		}
	}
	for batch := range slices.Chunk(keys, kv.MaxOps) {
		err := store.Update(t.Context(), func(tx kv.Tx) error {
			for _, key := range batch {
				if err := tx.Put(key, nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// pages lists page after page and returns all, and the length of each page.
func pages(t testing.TB, store kv.Store, reach workspace.Reach, limit int) (all []workspace.Workspace, lengths []int) {
	t.Helper()
	var cursor []byte
	for more := true; more; more = cursor != nil {
		var page []workspace.Workspace
		err := store.View(t.Context(), func(r kv.Reader) (err error) {
			page, cursor, err = workspace.List(r, space, reach, cursor, limit)
			return err
		})
		if err != nil {
			t.Fatalf("List() = %v", err)
		}
		if cursor != nil && len(page) == 0 {
			t.Fatal("a page without a workspace promises another page")
		}
		all, lengths = append(all, page...), append(lengths, len(page))
	}
	return all, lengths
}

func everybody(string) bool { return true }

func TestListMergesWhatIsNamedWithWhatIsStored(t *testing.T) {
	t.Parallel()
	store := open(t, map[string]int{"a": 2, "a-b": 1, "ab": 3, "z": 1})
	named := []string{"A", "a", "a.b", "zz"}
	for _, tt := range []struct {
		name  string
		reach workspace.Reach
		want  []workspace.Workspace
	}{
		{"nothing", workspace.Reach{Counted: everybody}, nil},
		{"only the named ones", workspace.Reach{Named: named, Counted: everybody}, []workspace.Workspace{{"A", 0}, {"a", 2}, {"a.b", 0}, {"zz", 0}}},
		{"only what is stored", workspace.Reach{Stored: true, Counted: everybody}, []workspace.Workspace{{"a", 2}, {"a-b", 1}, {"ab", 3}, {"z", 1}}},
		{
			"both, each once",
			workspace.Reach{Named: named, Stored: true, Counted: everybody},
			[]workspace.Workspace{{"A", 0}, {"a", 2}, {"a-b", 1}, {"a.b", 0}, {"ab", 3}, {"z", 1}, {"zz", 0}},
		},
		{
			"counts of some",
			workspace.Reach{Named: []string{"a", "ab"}, Counted: func(id string) bool { return id == "ab" }},
			[]workspace.Workspace{{"a", 0}, {"ab", 3}},
		},
	} {
		for limit := 1; limit <= len(tt.want)+1; limit++ {
			got, lengths := pages(t, store, tt.reach, limit)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, pages of %d (-want +got)\n%s", tt.name, limit, diff)
			}
			if slices.Max(lengths) > limit || len(lengths) > max(1, (len(tt.want)+limit-1)/limit) {
				t.Errorf("%s, pages of %d have %v workspaces", tt.name, limit, lengths)
			}
		}
	}
}

func TestCountsStopAtAThousand(t *testing.T) {
	t.Parallel()
	store := open(t, map[string]int{"full": workspace.MaxCount, "fuller": workspace.MaxCount + 1})
	got, _ := pages(t, store, workspace.Reach{Stored: true, Counted: everybody}, 10)
	if diff := cmp.Diff([]workspace.Workspace{{"full", 1000}, {"fuller", 1000}}, got); diff != "" {
		t.Errorf("List() (-want +got)\n%s", diff)
	}
}

func TestPagesOfLargeWorkspacesEndEarly(t *testing.T) {
	t.Parallel()
	holds := make(map[string]int)
	for i := range 25 {
		holds[fmt.Sprintf("w%02d", i)] = workspace.MaxCount
	}
	store := open(t, holds)
	got, lengths := pages(t, store, workspace.Reach{Stored: true, Counted: everybody}, 1000)
	if len(got) != len(holds) || !slices.Equal(lengths, []int{20, 5}) {
		t.Errorf("%d workspaces on pages of %v, want 25 on 20 and 5", len(got), lengths)
	}
	if _, lengths := pages(t, store, workspace.Reach{Stored: true, Counted: func(string) bool { return false }}, 1000); len(lengths) != 1 {
		t.Errorf("names without counts take pages of %v, want one", lengths)
	}
}

func TestReachFollowsTheRoles(t *testing.T) {
	t.Parallel()
	const owner, member, sender, admin = accessv1.Role_ROLE_OWNER, accessv1.Role_ROLE_MEMBER, accessv1.Role_ROLE_SENDER, accessv1.Role_ROLE_SUPER_ADMIN
	known := []string{"a", "b", "c"}
	for _, tt := range []struct {
		name    string
		grants  []auth.Grant
		named   []string
		stored  bool
		counted []string
	}{
		{"no role", nil, nil, false, nil},
		{"roles in some", []auth.Grant{{Role: sender, Workspace: "b"}, {Role: owner, Workspace: "a"}, {Role: member, Workspace: "a"}}, []string{"a", "b"}, false, []string{"a"}},
		{"a super admin", []auth.Grant{{Role: admin, Workspace: auth.Everywhere}}, known, true, known},
		{"a sender everywhere", []auth.Grant{{Role: owner, Workspace: "c"}, {Role: sender, Workspace: auth.Everywhere}}, known, true, []string{"c"}},
	} {
		reach := workspace.ReachOf(auth.Principal{Grants: tt.grants, Known: known}, owner)
		var counted []string
		for _, id := range known {
			if reach.Counted(id) {
				counted = append(counted, id)
			}
		}
		if !slices.Equal(reach.Named, tt.named) || reach.Stored != tt.stored || !slices.Equal(counted, tt.counted) {
			t.Errorf("%s: named %v, stored %v, counted %v; want %v, %v, %v", tt.name, reach.Named, reach.Stored, counted, tt.named, tt.stored, tt.counted)
		}
	}
}

func BenchmarkList(b *testing.B) {
	holds := make(map[string]int)
	for i := range 100 {
		holds[fmt.Sprintf("w%03d", i)] = workspace.MaxCount
	}
	store := open(b, holds)
	reach := workspace.Reach{Stored: true, Counted: everybody}
	for b.Loop() {
		err := store.View(b.Context(), func(r kv.Reader) error {
			_, _, err := workspace.List(r, space, reach, nil, 1000)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
