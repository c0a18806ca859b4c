package layout

import (
	"strings"
	"testing"
)

func TestAdjacentRowsNeedFewerPages(t *testing.T) {
	t.Parallel()
	got, err := Run(t.Context(), Config{Folder: t.TempDir(), Secrets: 200, Changes: 64, Layouts: []string{"a", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	pages := make(map[string]float64)
	for _, f := range got {
		if f.PerCommit == 64 && f.Change == "create" {
			name, _, _ := strings.Cut(f.Layout, ":")
			pages[name] = f.Pages
		}
	}
	if pages["c"] <= 0 || pages["c"] >= pages["a"] {
		t.Errorf("a commit writes %v pages with a space for each kind of row and %v with adjacent rows, want fewer", pages["a"], pages["c"])
	}
}

func TestEachChangeWritesEachRowOnce(t *testing.T) {
	t.Parallel()
	created := change{id: "id", uid: strings.Repeat("u", 26), fingerprint: "f", version: 1, sequence: 7}
	updated := created
	updated.version, updated.before, updated.sequence = 2, 7, 8
	for _, l := range All() {
		for _, c := range []change{created, updated} {
			seen := make(map[string]bool)
			for _, r := range append(l.rows(c), l.once(c.sequence, 1)...) {
				if seen[r.key] {
					t.Errorf("%s writes %q twice", l.Name, r.key)
				}
				seen[r.key] = true
			}
		}
		for _, key := range l.stale(updated) {
			written := false
			for _, r := range l.rows(created) {
				written = written || r.key == key
			}
			if !written {
				t.Errorf("an update under %s deletes %q, which the create did not write", l.Name, key)
			}
		}
	}
}

func TestUpdatesOfACommitChangeDifferentSecrets(t *testing.T) {
	t.Parallel()
	for _, random := range []bool{true, false} {
		s := &store{random: random}
		const secrets, updates = 1000, 64
		for range secrets {
			s.create()
		}
		changed := make(map[string]bool)
		for range updates {
			changed[s.update().id] = true
		}
		// Few random ones occur twice.
		if len(changed) < updates*9/10 {
			t.Errorf("%d updates with random %v changed %d secrets, want about as many", updates, random, len(changed))
		}
	}
}
