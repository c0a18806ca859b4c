package secret_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// rotate adds a version to a secret, one minute after the previous change.
func (f *fixture) rotate(t testing.TB, id string) time.Time {
	t.Helper()
	f.clock.now = f.clock.now.Add(time.Minute)
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

func (f *fixture) setState(t testing.TB, uid string, version uint64, from, to secret.State) {
	t.Helper()
	f.rewrite(t, kv.NewKey("version").Text(uid).Uint(version), func(stored []byte) []byte {
		return bytes.Replace(stored, []byte(from), []byte(to), 1)
	})
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
	f.setState(t, uid, 5, secret.Enabled, secret.Disabled)
	f.setState(t, uid, 3, secret.Enabled, secret.Destroyed)
	f.wantPrevious(t, "with some that are not enabled", "key", uid, 6, 4, 2, 1)
	f.setState(t, uid, 5, secret.Disabled, secret.Enabled)
	f.wantPrevious(t, "with one that is enabled again", "key", uid, 6, 5, 4, 2)

	f.clock.now = f.clock.now.Add(30*24*time.Hour - 2*time.Minute) // version 4 was replaced 2 minutes before 6
	f.wantPrevious(t, "30 days later", "key", uid, 6, 5, 4)
	f.clock.now = f.clock.now.Add(2*time.Minute + 1)
	f.wantPrevious(t, "later than 30 days", "key", uid)
}

func TestVersionThatBecameCurrentAgainIsNotPreviousToItself(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := f.create(t, "key", "v").UID
	f.bind(t, "key", "bank", "op")
	f.rotate(t, "key")
	f.rotate(t, "key")
	f.clock.now = f.clock.now.Add(time.Minute)
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
	var stored secret.Secret
	record := f.stored(t, kv.NewKey("secret").Text("acme").Text("key"))
	if err := json.Unmarshal(record[1:], &stored); err != nil {
		t.Fatal(err)
	}
	if got := len(stored.Replaced); got != 8 || stored.Replaced[0].Version != 20 || stored.Replaced[7].Version != 13 {
		t.Errorf("the secret remembers %d versions: %v, want the last 8", got, stored.Replaced)
	}
}

func TestVersionStoredBeforeFactsHasNone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	drawn, err := secret.NewRandom(secret.ECP256)
	if err != nil {
		t.Fatal(err)
	}
	made, err := f.Create(t.Context(), secret.Call{}, name("key"), secret.Draft{Usage: secret.Key, Value: drawn})
	if err != nil {
		t.Fatal(err)
	}
	req := secret.BindRequest{Usage: secret.Key, Purpose: purpose(), Referrer: "workspaces/acme/endpoints/e", Operation: "op"}
	_, meant, err := f.Bind(t.Context(), secret.Call{}, name("key"), "allowlist", req)
	if err != nil || meant.Facts == nil || !meant.Facts.Private {
		t.Fatalf("Bind returns %v, %v, want a private key", meant.Facts, err)
	}
	f.rewrite(t, kv.NewKey("version").Text(made.UID).Uint(1), func(stored []byte) []byte {
		before, _, _ := bytes.Cut(stored, []byte(`,"facts":`))
		return append(bytes.Clone(before), '}')
	})
	_, meant, err = f.Bind(t.Context(), secret.Call{}, name("key"), "allowlist", req)
	if err != nil || meant.Facts != nil || len(meant.Public) == 0 {
		t.Errorf("Bind returns %v, %v, want no facts of a version with a public key", meant.Facts, err)
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
