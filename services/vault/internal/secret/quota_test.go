package secret_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// limited opens the store again with a quota.
func (f *fixture) limited(t testing.TB, quota secret.Used) {
	t.Helper()
	f.quota = quota
	f.restart(t, 0)
}

func (f *fixture) tryCreate(t testing.TB, workspace, id, text string) error {
	t.Helper()
	_, err := f.Create(t.Context(), secret.Call{}, secret.Name{Workspace: workspace, ID: id}, secret.Draft{Usage: secret.Key, Value: value(t, text)})
	return err
}

func (f *fixture) tryRotate(t testing.TB, id, text string) error {
	t.Helper()
	_, err := f.Update(t.Context(), secret.Call{}, name(id), secret.Change{Value: value(t, text)})
	return err
}

func wantExceeded(t testing.TB, what string, err error, quota, limit string) {
	t.Helper()
	wantRefused(t, what, err, secret.QuotaExceeded)
	if refusal, _ := fault.From(err); refusal != nil && (refusal.Metadata["quota"] != quota || refusal.Metadata["limit"] != limit) {
		t.Errorf("%s: the metadata is %v, want %s and %s", what, refusal.Metadata, quota, limit)
	}
}

func TestAWorkspaceHasAQuotaOfSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "before", "stored before there was a quota")
	f.limited(t, secret.Used{Secrets: 2})
	f.create(t, "second", "v")
	wantExceeded(t, "a third secret", f.tryCreate(t, "acme", "third", "v"), "secrets", "2")
	if err := f.tryCreate(t, "other", "first", "v"); err != nil {
		t.Errorf("another workspace = %v", err)
	}
	f.addVersions(t, "second", 3) // a version is not a secret
	if err := f.Delete(t.Context(), secret.Call{}, name("before"), secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	f.create(t, "third", "v")
	wantExceeded(t, "a fourth secret", f.tryCreate(t, "acme", "fourth", "v"), "secrets", "2")
	f.restart(t, 0)
	wantExceeded(t, "a fourth secret after a restart", f.tryCreate(t, "acme", "fourth", "v"), "secrets", "2")
	f.limited(t, secret.Used{Secrets: 1})
	f.addVersions(t, "third", 1) // what is stored stays, and adds no secret
	f.limited(t, secret.Used{})
	f.create(t, "fourth", "v")
}

// The purge of a secret whose time came while the vault was stopped begins together with the quotas.
func TestAPurgeAtTheStartFreesAPlace(t *testing.T) {
	t.Parallel()
	f := graced(t)
	f.create(t, "key", "v")
	f.delete(t, "key", false)
	f.quota = secret.Used{Secrets: 1}
	f.restart(t, grace+time.Second)
	eventually(t, "the place is free", func() bool { return f.tryCreate(t, "acme", "next", "v") == nil })
	wantExceeded(t, "a second secret", f.tryCreate(t, "acme", "second", "v"), "secrets", "1")
}

func TestAWorkspaceHasAQuotaOfVersionsAndBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "value 1 of key")
	f.limited(t, secret.Used{Versions: 3})
	f.addVersions(t, "key", 2)
	wantExceeded(t, "a fourth version", f.tryRotate(t, "key", "value 4"), "versions", "3")
	wantExceeded(t, "a secret, whose version is the fourth", f.tryCreate(t, "acme", "other", "v"), "versions", "3")
	if _, err := f.Destroy(t.Context(), secret.Call{}, name("key").Version(1), secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	f.addVersions(t, "key", 1)
	wantExceeded(t, "a version after the place of a destroyed one", f.tryRotate(t, "key", "value 5"), "versions", "3")
	f.keep(t, "key", 3)
	f.addVersions(t, "key", 2) // prunes one each
	wantExceeded(t, "a secret beside", f.tryCreate(t, "acme", "other", "v"), "versions", "3")
	f.restart(t, 0)
	wantExceeded(t, "a secret beside, after a restart", f.tryCreate(t, "acme", "other", "v"), "versions", "3")
	if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		f.create(t, fmt.Sprint("new-", i), "v")
	}
	wantExceeded(t, "a fourth secret", f.tryCreate(t, "acme", "new-3", "v"), "versions", "3")

	f.limited(t, secret.Used{Bytes: 10_000})
	big := make([]byte, 6000)
	for i := range big {
		big[i] = 'a' + byte(i%26)
	}
	if err := f.tryCreate(t, "acme", "big", string(big)); err != nil {
		t.Fatal(err)
	}
	wantExceeded(t, "too many bytes", f.tryRotate(t, "big", string(big)), "bytes", "10000")
}

// The last place is taken once, by whichever request comes first.
func TestTwoCreatesDoNotShareTheLastPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.limited(t, secret.Used{Secrets: 1, Versions: 5})
	for round := range 10 {
		var stored atomic.Int64
		var race sync.WaitGroup
		for i := range 8 {
			race.Go(func() {
				err := f.tryCreate(t, "acme", fmt.Sprint("key-", round, "-", i), "v")
				if err == nil {
					stored.Add(1)
				} else if !fault.Is(err, secret.QuotaExceeded) {
					t.Error(err)
				}
			})
		}
		race.Wait()
		if stored.Load() != 1 {
			t.Fatalf("%d secrets were stored, want 1", stored.Load())
		}
		for i := range 8 {
			if err := f.Delete(t.Context(), secret.Call{}, name(fmt.Sprint("key-", round, "-", i)), secret.Deletion{}); err != nil && !fault.Is(err, secret.NotFound) {
				t.Fatal(err)
			}
		}
	}
}

func TestARepeatedRequestIsNotRefusedByItsOwnQuota(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.limited(t, secret.Used{Secrets: 1, Versions: 1})
	call := f.called(t, "owner", "request")
	for range 2 {
		_, err := f.Create(t.Context(), call, name("key"), secret.Draft{Usage: secret.Key, Value: value(t, "v")})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Changes that are made while a workspace is counted are counted once.
func TestAWorkspaceIsCountedWhileItChanges(t *testing.T) {
	t.Parallel()
	const before = 300
	f := newFixture(t)
	for i := range before {
		f.create(t, fmt.Sprintf("key-%03d", i), "v")
	}
	for round := range 5 {
		f.limited(t, secret.Used{Secrets: before + 1})
		var changes sync.WaitGroup
		for i := range 20 {
			changes.Go(func() {
				if err := f.Delete(t.Context(), secret.Call{}, name(fmt.Sprintf("key-%03d", i*10+round)), secret.Deletion{}); err != nil {
					t.Error(err)
				}
			})
			changes.Go(func() {
				if err := f.tryCreate(t, "acme", fmt.Sprintf("new-%d-%02d", round, i), "v"); err != nil && !fault.Is(err, secret.QuotaExceeded) {
					t.Error(err)
				}
			})
		}
		changes.Wait()
		// Fill the workspace, and compare with the list.
		for i := 0; ; i++ {
			err := f.tryCreate(t, "acme", fmt.Sprintf("fill-%d-%02d", round, i), "v")
			if fault.Is(err, secret.QuotaExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		all, _, err := f.List(t.Context(), secret.Query{Workspace: "acme", Page: secret.Page{Limit: 1000}})
		if err != nil || len(all) != before+1 {
			t.Fatalf("round %d: the full workspace has %d secrets, %v, want %d", round, len(all), err, before+1)
		}
		if err := f.Delete(t.Context(), secret.Call{}, all[len(all)-1].Name, secret.Deletion{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnUnconfirmedCommitIsCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.quota = secret.Used{Secrets: 2}
	store := f.faulty(t)
	f.create(t, "first", "v")
	store.FailReplies(errBroken)
	if err := f.tryCreate(t, "acme", "second", "v"); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	store.FailReplies(nil)
	wantExceeded(t, "a third secret", f.tryCreate(t, "acme", "third", "v"), "secrets", "2")
	store.FailCommits(errBroken)
	if err := f.Delete(t.Context(), secret.Call{}, name("first"), secret.Deletion{}); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	store.FailCommits(nil)
	wantExceeded(t, "a third secret after a failed deletion", f.tryCreate(t, "acme", "third", "v"), "secrets", "2")
}
