package secret_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// overtaken is a store in which another change comes first, once.
type overtaken struct {
	kv.Store

	once  sync.Once
	first func()
}

func (o *overtaken) Update(ctx context.Context, fn func(kv.Tx) error) error {
	o.once.Do(o.first)
	return o.Store.Update(ctx, fn)
}

// overtakenBy returns a store of the same secrets whose first change comes after another one.
func (f *fixture) overtakenBy(t testing.TB, first func()) *secret.Store {
	t.Helper()
	other := *f
	other.kv = &overtaken{Store: f.kv, first: first}
	return other.open(t)
}

func valued(t testing.TB, text string) secret.Change {
	t.Helper()
	return secret.Change{Value: value(t, text)}
}

func (f *fixture) wantValue(t testing.TB, sec secret.Secret, version uint32, want string) {
	t.Helper()
	got, err := f.resolve(t.Context(), sec.Name, sec.UID, version)
	if err != nil || string(got.Plain.Reveal()) != want {
		t.Errorf("Resolve(version %d) = %q, %v, want %q", version, got.Plain.Reveal(), err, want)
	}
}

func TestAnOvertakenUpdateIsSealedForItsOwnVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "payments", "the first value")
	f.bind(t, "payments", "e", "op")
	store := f.overtakenBy(t, func() {
		if _, err := f.Update(t.Context(), caller(), sec.Name, valued(t, "the second value")); err != nil {
			t.Error(err)
		}
	})
	updated, err := store.Update(t.Context(), caller(), sec.Name, valued(t, "the third value"))
	if err != nil || updated.Current != 3 {
		t.Fatalf("Update = version %d, %v, want 3", updated.Current, err)
	}
	for version, want := range map[uint32]string{1: "the first value", 2: "the second value", 3: "the third value"} {
		f.wantValue(t, sec, version, want)
	}
}

func TestAnOvertakenUpdateIsSealedForTheSecretThatExists(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "payments", "the first value")
	store := f.overtakenBy(t, func() {
		if err := f.Delete(t.Context(), caller(), sec.Name, secret.Deletion{}); err != nil {
			t.Error(err)
		}
		sec = f.create(t, "payments", "another value")
	})
	if _, err := store.Update(t.Context(), caller(), sec.Name, valued(t, "the second value")); err != nil {
		t.Fatal(err)
	}
	f.bind(t, "payments", "e", "op")
	f.wantValue(t, sec, 2, "the second value")
}

func TestAnOvertakenUpdateChecksTheFieldsThatExist(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "payments", "the first value")
	description := "it is: the second value"
	store := f.overtakenBy(t, func() {
		if _, err := f.Update(t.Context(), caller(), sec.Name, secret.Change{Description: &description}); err != nil {
			t.Error(err)
		}
	})
	_, err := store.Update(t.Context(), caller(), sec.Name, valued(t, "the second value"))
	if !fault.Is(err, fault.InvalidField) {
		t.Errorf("Update with a value in the new description = %v, want %s", err, fault.InvalidField)
	}
	// The description no longer contains the value when the change is made.
	store = f.overtakenBy(t, func() {
		description = ""
		if _, err := f.Update(t.Context(), caller(), sec.Name, secret.Change{Description: &description}); err != nil {
			t.Error(err)
		}
	})
	if _, err := store.Update(t.Context(), caller(), sec.Name, valued(t, "the second value")); err != nil {
		t.Errorf("Update with a value in the earlier description = %v", err)
	}
}

func TestConcurrentUpdatesOfASecretStayReadable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "payments", "the first value")
	f.bind(t, "payments", "e", "op")
	const updates = 40
	texts := make([]string, updates+2) // by version
	var group errgroup.Group
	group.SetLimit(8)
	for i := range updates {
		group.Go(func() error {
			text := fmt.Sprintf("value number %d", i)
			updated, err := f.Update(t.Context(), caller(), sec.Name, valued(t, text))
			if err == nil {
				texts[updated.Current] = text
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for version := uint32(2); version < uint32(len(texts)); version++ {
		f.wantValue(t, sec, version, texts[version])
	}
}
