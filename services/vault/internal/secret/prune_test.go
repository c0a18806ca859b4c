package secret_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// keep sets the number of versions that a secret keeps.
func (f *fixture) keep(t testing.TB, id string, versions uint32) {
	t.Helper()
	if _, err := f.Update(t.Context(), secret.Call{}, name(id), secret.Change{KeepVersions: &versions}); err != nil {
		t.Fatal(err)
	}
}

// addVersions adds versions with different values.
func (f *fixture) addVersions(t testing.TB, id string, versions int) (last secret.Secret) {
	t.Helper()
	for range versions {
		sec, _, err := f.Get(t.Context(), name(id))
		if err != nil {
			t.Fatal(err)
		}
		if last, err = f.Update(t.Context(), secret.Call{}, name(id), secret.Change{Value: value(t, fmt.Sprintf("value %d of %s", sec.Last+1, id))}); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// left returns the versions that are not destroyed.
func (f *fixture) left(t testing.TB, id string) (numbers []uint32) {
	t.Helper()
	versions, _, err := f.Versions(t.Context(), name(id), secret.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range slices.Backward(versions) {
		if v.State != secret.Destroyed {
			numbers = append(numbers, v.Number)
		}
	}
	return numbers
}

func (f *fixture) wantLeft(t testing.TB, when, id string, want ...uint32) {
	t.Helper()
	if got := f.left(t, id); !slices.Equal(got, want) {
		t.Errorf("%s, the versions %v are left, want %v", when, got, want)
	}
}

func (f *fixture) pruneAll(t testing.TB) {
	t.Helper()
	if err := f.PruneAll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestANewVersionDestroysTheOldestBeyondThoseToKeep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "value 1 of key")
	f.addVersions(t, "key", 2)
	f.wantLeft(t, "without a number to keep", "key", 1, 2, 3)
	f.keep(t, "key", 3)
	f.wantLeft(t, "with as many as are kept", "key", 1, 2, 3)
	before, _, err := f.Get(t.Context(), name("key"))
	if err != nil {
		t.Fatal(err)
	}
	after := f.addVersions(t, "key", 1)
	f.wantLeft(t, "after a new version", "key", 2, 3, 4)
	if now, _, err := f.Get(t.Context(), name("key")); err != nil || now.Etag() != after.Etag() || now.Revision < before.Revision+2 {
		t.Errorf("the etag is %s, want that of the update, %s, %v", now.Etag(), after.Etag(), err)
	}
	if _, err := f.Destroy(t.Context(), secret.Call{}, name("key").Version(2), secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	f.addVersions(t, "key", 1)
	f.wantLeft(t, "because destroyed versions do not count", "key", 3, 4, 5)
	waits, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, "a value that waits"), KeepCurrent: true})
	if err != nil || waits.Current != 5 {
		t.Fatalf("a version that waits: the current one is %d, %v", waits.Current, err)
	}
	f.wantLeft(t, "after a version that waits", "key", 4, 5, 6)
	f.keep(t, "key", 1)
	f.wantLeft(t, "with one to keep, the current one stays", "key", 5, 6)
	f.keep(t, "key", 0)
	f.addVersions(t, "key", 3)
	f.wantLeft(t, "when all are kept again", "key", 5, 6, 7, 8, 9)
}

func TestEachPrunedVersionHasAnEntryOfTheVault(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "value 1 of key")
	f.addVersions(t, "key", 2)
	f.keep(t, "key", 1)
	events, _, err := f.History(t.Context(), name("key"), secret.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var pruned []uint32
	for _, e := range events {
		if e.Action == secret.PrunedVersion {
			pruned = append(pruned, e.Version)
			if e.Actor.Subject != "vault" {
				t.Errorf("the actor is %q, want the vault", e.Actor.Subject)
			}
		}
	}
	if !slices.Equal(pruned, []uint32{2, 1}) {
		t.Errorf("the versions %v have entries, newest first, want 2 and 1", pruned)
	}
	if set := events[2]; set.Action != secret.Updated || set.Detail.NewKeepVersions != 1 || !slices.Equal(set.Fields, []string{secret.FieldKeepVersions}) {
		t.Errorf("the entry of the update is %+v", set)
	}
}

// An owner cannot take a version away from an endpoint by keeping fewer.
func TestVersionsInUseAreNotPruned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "value 1 of key")
	f.addVersions(t, "key", 3)
	f.restart(t, 25*time.Hour)
	req := secret.BindRequest{Usage: secret.Key, Purpose: purpose(), Referrer: "workspaces/acme/endpoints/pins", Operation: "op", Version: 1}
	if _, _, err := f.Bind(t.Context(), secret.Call{}, name("key"), "allowlist", req); err != nil {
		t.Fatal(err)
	}
	used := secret.Count{Name: name("key"), UID: made.UID, Version: 2, Uses: secret.Uses{Used: 1, Last: f.clock.read()}}
	if err := f.Report(t.Context(), f.called(t, "allowlist", "report").Request, "allowlist", []secret.Count{used}); err != nil {
		t.Fatal(err)
	}
	f.addVersions(t, "key", 1)
	f.keep(t, "key", 1)
	// Version 1 is pinned, 2 was used, and 4 was the current one of a secret that is bound.
	f.wantLeft(t, "while versions are in use", "key", 1, 2, 4, 5)
	f.addVersions(t, "key", 1)
	f.wantLeft(t, "after another version", "key", 1, 2, 4, 5, 6)
	if got, err := f.resolve(t.Context(), name("key"), made.UID, 1); err != nil || string(got.Plain.Reveal()) != "value 1 of key" {
		t.Errorf("the pinned version = %v", err)
	}
	f.restart(t, 25*time.Hour)
	f.pruneAll(t)
	f.wantLeft(t, "a day later", "key", 1, 6)
	f.unbind(t, "key", "op")
	f.pruneAll(t)
	f.wantLeft(t, "without the binding", "key", 6)
}

func TestManyVersionsArePrunedInTheBackground(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "many", "value 1 of many")
	f.create(t, "other", "value 1 of other")
	f.addVersions(t, "many", 20)
	f.addVersions(t, "other", 3)
	f.keep(t, "many", 2)
	eventually(t, "all but two versions are destroyed", func() bool { return slices.Equal(f.left(t, "many"), []uint32{20, 21}) })
	f.pruneAll(t)
	f.wantLeft(t, "without a number to keep", "other", 1, 2, 3, 4)
	if rows, err := f.Kept(t.Context()); err != nil || rows != 1 {
		t.Errorf("%d rows of kept versions, %v, want 1", rows, err)
	}
	f.keep(t, "many", 0)
	f.pruneAll(t)
	if rows, err := f.Kept(t.Context()); err != nil || rows != 0 {
		t.Errorf("%d rows of kept versions when all are kept, %v", rows, err)
	}
	f.keep(t, "many", 2)
	if err := f.Delete(t.Context(), secret.Call{}, name("many"), secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	f.pruneAll(t)
	if rows, err := f.Kept(t.Context()); err != nil || rows != 0 {
		t.Errorf("%d rows of kept versions of deleted secrets, %v", rows, err)
	}
	if _, _, err := f.History(t.Context(), name(resource.Any), secret.Page{Limit: 100}); err != nil {
		t.Error(err)
	}
}

// Storing a value again gives it no new budget, even if the version that keeps its ledger is pruned.
func TestAPrunedVersionLeavesItsLedger(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "one value")
	f.addVersions(t, "key", 1)
	f.keep(t, "key", 1)
	f.wantLeft(t, "before it is stored again", "key", 2)
	f.add(t, made, value(t, "one value"))
	versions, _, err := f.Versions(t.Context(), name("key"), secret.Page{Limit: 1})
	if err != nil || len(versions) != 1 || versions[0].SameAs != 1 {
		t.Errorf("the version with the value of the pruned one is %+v, %v, want the ledger of version 1", versions, err)
	}
}
