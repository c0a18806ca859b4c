package secret_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// rotate adds a version to a secret, one minute after the previous change.
func (f *fixture) rotate(t testing.TB, id string) time.Time {
	t.Helper()
	f.clock.advance(time.Minute)
	updated, err := f.Update(t.Context(), secret.Call{}, name(id), secret.Change{Value: value(t, "v")})
	if err != nil {
		t.Fatal(err)
	}
	return updated.Updated
}

// reportUses adds to the uses of a version.
func (f *fixture) reportUses(t testing.TB, id, uid string, version uint32, uses secret.Uses) {
	t.Helper()
	count := secret.Count{Name: name(id), UID: uid, Version: version, Uses: uses}
	if err := f.Report(t.Context(), replay.Request{}, "allowlist", []secret.Count{count}); err != nil {
		t.Fatal(err)
	}
}

// wantPrevious resolves the current version and compares the versions before it.
func (f *fixture) wantPrevious(t testing.TB, what, id, uid string, want ...uint32) {
	t.Helper()
	got, err := f.resolve(t.Context(), name(id), uid, 0)
	if err != nil {
		t.Fatal(err)
	}
	var versions []uint32
	for _, p := range got.Previous {
		versions = append(versions, p.Version)
	}
	if diff := cmp.Diff(want, versions); diff != "" {
		t.Errorf("%s: the previous versions differ (-want +got):\n%s", what, diff)
	}
}

func (f *fixture) change(t testing.TB, change func(context.Context, secret.Call, secret.VersionName, string) (secret.Version, error), version uint32) {
	t.Helper()
	if _, err := change(t.Context(), secret.Call{}, name("key").Version(version), ""); err != nil {
		t.Fatal(err)
	}
}

func TestPreviousVersionsAreFewEnabledAndNotLongAgo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := f.create(t, "key", "v").UID
	f.bind(t, "key", "bank", "op")
	for range 6 {
		f.rotate(t, "key")
	}
	f.wantPrevious(t, "after many rotations", "key", uid, 6, 5, 4, 3)
	f.change(t, f.Disable, 5)
	if _, err := f.Destroy(t.Context(), secret.Call{}, name("key").Version(3), secret.Deletion{Force: true}); err != nil {
		t.Fatal(err)
	}
	f.wantPrevious(t, "with some that are not enabled", "key", uid, 6, 4, 2, 1)
	f.change(t, f.Enable, 5)
	f.wantPrevious(t, "with one that is enabled again", "key", uid, 6, 5, 4, 2)

	f.clock.advance(30*24*time.Hour - 2*time.Minute) // version 4 was replaced 2 minutes before 6
	f.wantPrevious(t, "30 days later", "key", uid, 6, 5, 4)
	f.clock.advance(2*time.Minute + 1)
	f.wantPrevious(t, "later than 30 days", "key", uid)
}

func TestVersionThatBecameCurrentAgainIsNotPreviousToItself(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := f.create(t, "key", "v").UID
	f.bind(t, "key", "bank", "op")
	f.rotate(t, "key")
	f.rotate(t, "key")
	f.clock.advance(time.Minute)
	if _, err := f.Restore(t.Context(), secret.Call{}, name("key").Version(1), ""); err != nil {
		t.Fatal(err)
	}
	f.wantPrevious(t, "while it is current", "key", uid, 3, 2)
	at := f.rotate(t, "key")
	got, err := f.resolve(t.Context(), name("key"), uid, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []secret.Replacement{{Version: 1, Time: at}, {Version: 3, Time: at.Add(-time.Minute)}, {Version: 2, Time: at.Add(-2 * time.Minute)}}
	if diff := cmp.Diff(want, got.Previous); diff != "" {
		t.Errorf("previous versions differ (-want +got):\n%s", diff)
	}
}

func TestSecretRemembersABoundedNumberOfReplacedVersions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "v")
	for range 20 {
		f.rotate(t, "key")
	}
	stored, _, err := f.Get(t.Context(), name("key"))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(stored.Replaced); got != 8 || stored.Replaced[0].Version != 20 || stored.Replaced[7].Version != 13 {
		t.Errorf("the secret remembers %d versions: %v, want the last 8", got, stored.Replaced)
	}
}

func TestUsesAreRemovedWithTheSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	for range 5 {
		f.rotate(t, "key")
	}
	before := f.keysOf(t, made.UID)
	for number := range uint32(6) {
		f.reportUses(t, "key", made.UID, number+1, secret.Uses{Used: 1})
	}
	if got := f.keysOf(t, made.UID) - before; got != 6 {
		t.Fatalf("6 versions have %d counters", got)
	}
	if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{Force: true}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the keys of the deleted secret are removed", func() bool { return f.keysOf(t, made.UID) == 0 })
	f.reportUses(t, "key", made.UID, 1, secret.Uses{Used: 1})
	if got := f.keysOf(t, made.UID); got != 0 {
		t.Errorf("a late report leaves %d keys", got)
	}
}
