package secret_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/vault/internal/secret"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

func TestDestructionRemovesTheMetadataOfTheValue(t *testing.T) {
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
	destroyed, err := f.Destroy(t.Context(), secret.Call{}, name("key").Version(1), secret.Deletion{})
	want := secret.Version{Number: 1, Current: true, State: secret.Destroyed, Created: made.Created, Nonces: new(secret.Nonces)}
	if diff := cmp.Diff(want, destroyed); err != nil || diff != "" {
		t.Errorf("Destroy = %v; differs (-want +got):\n%s", err, diff)
	}
	record := new(stored.Version)
	if err := proto.Unmarshal(f.stored(t, secret.VersionKey(made.Name, made.UID, 1)), record); err != nil {
		t.Fatal(err)
	}
	left := &stored.Version{LastChange: 1, Created: made.Created.UnixNano(), State: stored.State_STATE_DESTROYED}
	if diff := cmp.Diff(left, record, protocmp.Transform()); diff != "" {
		t.Errorf("the record of the destroyed version differs (-want +got):\n%s", diff)
	}
}

func TestVersionIsInUseForADayAfterItsLastUse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	f.rotate(t, "key")
	uses := secret.Uses{Used: 1, Last: f.clock.read()}
	f.reportUses(t, "key", made.UID, 1, uses)
	version := name("key").Version(1)
	f.unbind(t, "key", "op")
	f.clock.set(uses.Last.Add(24*time.Hour - 1))
	if _, err := f.Destroy(t.Context(), secret.Call{}, version, secret.Deletion{}); !fault.Is(err, secret.VersionInUse) {
		t.Errorf("Destroy a moment before a day has passed = %v, want %s", err, secret.VersionInUse)
	}
	f.clock.set(uses.Last.Add(24 * time.Hour))
	if _, err := f.Destroy(t.Context(), secret.Call{}, version, secret.Deletion{}); err != nil {
		t.Errorf("Destroy a day after = %v", err)
	}
}

func TestVersionIsInUseForADayAfterItWasReplaced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	at := f.rotate(t, "key")
	f.rotate(t, "key")
	version := name("key").Version(1)
	f.clock.set(at.Add(24*time.Hour - 1))
	if _, err := f.Destroy(t.Context(), secret.Call{}, version, secret.Deletion{}); !fault.Is(err, secret.VersionInUse) {
		t.Errorf("Destroy a moment before a day has passed = %v, want %s", err, secret.VersionInUse)
	}
	f.clock.set(at.Add(24 * time.Hour))
	if _, err := f.Destroy(t.Context(), secret.Call{}, version, secret.Deletion{}); err != nil {
		t.Errorf("Destroy a day after = %v", err)
	}
	if _, err := f.Destroy(t.Context(), secret.Call{}, name("key").Version(2), secret.Deletion{}); !fault.Is(err, secret.VersionInUse) {
		t.Errorf("Destroy of the version that was replaced later = %v, want %s", err, secret.VersionInUse)
	}
}

func TestUpdateTimeNeverGoesBackWithAVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "v")
	f.clock.advance(-time.Hour)
	if _, err := f.Disable(t.Context(), secret.Call{}, name("key").Version(1), ""); err != nil {
		t.Fatal(err)
	}
	got, _, err := f.Get(t.Context(), name("key"))
	if err != nil || !got.Updated.After(made.Updated) {
		t.Errorf("the update time is %v, want one after %v", got.Updated, made.Updated)
	}
	found, _, err := f.List(t.Context(), secret.Query{Workspace: "acme", ByUpdate: true, Page: secret.Page{Limit: 10}})
	if err != nil || len(found) != 1 || found[0].State != secret.Disabled {
		t.Errorf("the list by update time has %v, %v, want the secret once", found, err)
	}
}

func TestParseVersionName(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]uint32{"1": 1, "9": 9, "10": 10, "4294967295": 4294967295} {
		got, err := secret.ParseVersionName("workspaces/a/secrets/b/versions/" + number)
		if of := (secret.Name{Workspace: "a", ID: "b"}); err != nil || got != of.Version(want) {
			t.Errorf("ParseVersionName(…/%s) = %v, %v", number, got, err)
		}
	}
	for what, text := range map[string]string{
		"nothing":                    "",
		"a secret":                   "workspaces/a/secrets/b",
		"no number":                  "workspaces/a/secrets/b/versions/",
		"no number and no slash":     "workspaces/a/secrets/b/versions",
		"zero":                       "workspaces/a/secrets/b/versions/0",
		"a leading zero":             "workspaces/a/secrets/b/versions/01",
		"a sign":                     "workspaces/a/secrets/b/versions/+1",
		"a negative number":          "workspaces/a/secrets/b/versions/-1",
		"an underscore":              "workspaces/a/secrets/b/versions/1_0",
		"a number beyond 32 bits":    "workspaces/a/secrets/b/versions/4294967296",
		"a digit beyond ASCII":       "workspaces/a/secrets/b/versions/１",
		"something behind":           "workspaces/a/secrets/b/versions/1/x",
		"two versions":               "workspaces/a/secrets/b/versions/1/versions/2",
		"a wildcard":                 "workspaces/a/secrets/-/versions/1",
		"another collection":         "workspaces/a/secrets/b/Versions/1",
		"a method":                   "workspaces/a/secrets/b/versions/1:restore",
		"a version without a secret": "versions/1",
	} {
		if got, err := secret.ParseVersionName(text); err == nil {
			t.Errorf("%s: ParseVersionName(%q) = %v", what, text, got)
		}
	}
}

func FuzzParseVersionName(f *testing.F) {
	for _, seed := range []string{"workspaces/a/secrets/b/versions/1", "workspaces/a/secrets/versions/versions/2", "workspaces/a/secrets/b/versions/01", "workspaces/a/secrets/b/versions/4294967296", "/versions/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := secret.ParseVersionName(text)
		if err == nil && (got.String() != text || got.Number == 0) {
			t.Errorf("ParseVersionName(%q).String() = %q", text, got.String())
		}
		if err != nil && len(text) > 20 && strings.Contains(err.Error(), text) {
			t.Errorf("the error for %q repeats it", text)
		}
		if name, other := secret.ParseName(text); err == nil && other == nil {
			t.Errorf("%q is the name of a version and of %v", text, name)
		}
	})
}
