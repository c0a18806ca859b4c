package secret_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

var errBroken = errors.New("broken")

// faulty inserts a store that can be made to fail below the store of the fixture.
func (f *fixture) faulty(t testing.TB) *kvtest.FaultyStore {
	t.Helper()
	f.Close()
	broken := kvtest.Faulty(f.kv)
	f.kv = broken
	f.Store = f.open(t)
	return broken
}

// found returns how many secrets the search index finds.
func (f *fixture) found(t testing.TB, substring string) int {
	t.Helper()
	f.indexed(t)
	return f.searched(t, substring)
}

func (f *fixture) searched(t testing.TB, substring string) int {
	t.Helper()
	found, _, err := f.List(t.Context(), secret.Query{Workspace: "acme", Substring: substring, Page: secret.Page{Limit: 10}})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func (f *fixture) logged(t testing.TB) int {
	t.Helper()
	events, _, err := f.History(t.Context(), name(resource.Any), secret.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

func TestFailedCommitLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	store := f.faulty(t)
	f.create(t, "there", "v")
	store.FailCommits(errBroken)
	_, err := f.Create(t.Context(), secret.Call{}, name("new"), secret.Draft{Usage: secret.Key, Value: value(t, "v")})
	description := "changed"
	_, err2 := f.Update(t.Context(), secret.Call{}, name("there"), secret.Change{Description: &description})
	_, _, err3 := f.Bind(t.Context(), secret.Call{}, name("there"), "h", secret.BindRequest{Usage: secret.Key, Purpose: purpose(), Referrer: "workspaces/acme/endpoints/e", Operation: "op"})
	err4 := f.Delete(t.Context(), secret.Call{}, name("there"), secret.Deletion{})
	for _, err := range []error{err, err2, err3, err4} {
		if _, isFault := fault.From(err); !errors.Is(err, errBroken) || isFault {
			t.Errorf("a change that was not committed = %v, want %v, opaque", err, errBroken)
		}
	}
	store.FailCommits(nil)
	if got := f.found(t, "new"); got != 0 {
		t.Error("a search finds a secret that was not committed")
	}
	sec, _, err := f.Get(t.Context(), name("there"))
	if err != nil || sec.Description != "" || sec.References != 0 || f.found(t, "there") != 1 {
		t.Errorf("the secret is %+v, %v", sec, err)
	}
	if got := f.logged(t); got != 1 {
		t.Errorf("the log has %d entries, want 1", got)
	}
}

func TestUnconfirmedCommitIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	store := f.faulty(t)
	store.FailReplies(errBroken)
	_, err := f.Create(t.Context(), secret.Call{}, name("key"), secret.Draft{Usage: secret.Key, Value: value(t, "v")})
	if !errors.Is(err, errBroken) {
		t.Fatalf("Create = %v, want %v", err, errBroken)
	}
	if f.found(t, "ke") != 1 {
		t.Error("a search does not find the secret")
	}
	if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{}); !errors.Is(err, errBroken) {
		t.Fatalf("Delete = %v, want %v", err, errBroken)
	}
	if f.found(t, "ke") != 0 {
		t.Error("a search still finds the secret")
	}
}

func TestGarbageIsRemovedOnceTheStoreWorksAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "v")
	f.Close() // the collector stops
	if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	heard := &servertest.Log{}
	f.logger = slog.New(slog.NewTextHandler(heard, nil))
	broken := kvtest.Faulty(f.kv)
	broken.FailUpdates(errBroken)
	f.kv = broken
	f.open(t)
	eventually(t, "the collector logs an error", func() bool { return strings.Contains(heard.String(), "trying again") })
	broken.FailUpdates(nil)
	eventually(t, "the keys of the deleted secret are removed", func() bool { return f.keysOf(t, made.UID) == 0 })
}
