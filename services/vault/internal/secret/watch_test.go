package secret_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// A watcher receives changes.
type watcher struct {
	messages chan secret.Message
	ended    chan error
}

// watch watches until the test ends. It blocks until its messages are read.
func (f *fixture) watch(t testing.TB, workspace string, from *secret.Position) watcher {
	t.Helper()
	w := watcher{make(chan secret.Message), make(chan error, 1)}
	go func() {
		w.ended <- f.Watch(t.Context(), workspace, from, func(m secret.Message) error {
			select {
			case w.messages <- m:
				return nil
			case <-t.Context().Done():
				return t.Context().Err()
			}
		})
	}()
	return w
}

// next returns the next message.
func (w watcher) next(t testing.TB) secret.Message {
	t.Helper()
	select {
	case m := <-w.messages:
		return m
	case err := <-w.ended:
		t.Fatalf("the watch ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("no message arrived in time")
	}
	return secret.Message{}
}

// heard returns the notices until a heartbeat at a position, and that position.
func (w watcher) heard(t testing.TB, until uint64) (notices []secret.Notice, at secret.Position) {
	t.Helper()
	for {
		m := w.next(t)
		notices = append(notices, m.Notices...)
		if len(m.Notices) == 0 && m.Position.Sequence >= until {
			return notices, m.Position
		}
	}
}

func TestWatcherReceivesOnlyChangesThatMakeValuesOutdated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := f.watch(t, "acme", nil)
	first := w.next(t)
	if len(first.Notices) != 0 || first.Position.Sequence != 0 || first.Position.Epoch == "" {
		t.Errorf("the first message is %+v, want only a position", first)
	}
	made := f.create(t, "key", "v1")
	f.bind(t, "key", "bank", "op")
	description := "words"
	for _, change := range []secret.Change{{Description: &description}, {Value: value(t, "v2")}} {
		if _, err := f.Update(t.Context(), secret.Call{}, name("key"), change); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Unbind(t.Context(), secret.Call{}, name("key"), "allowlist", "op"); err != nil {
		t.Fatal(err)
	}
	credential, err := f.Create(t.Context(), secret.Call{}, name("token"), secret.Draft{
		Usage: secret.Credential, AllowedHosts: []string{"a.example"}, Value: value(t, "t"),
	})
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"b.example"}
	if _, err := f.Update(t.Context(), secret.Call{}, name("token"), secret.Change{AllowedHosts: &hosts, Admin: true}); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	got, at := w.heard(t, 8)
	want := []secret.Notice{
		{Secret: name("key").String(), UID: made.UID, Sequence: 3},
		{Secret: name("token").String(), UID: credential.UID, Sequence: 6},
		{Secret: name("key").String(), UID: made.UID, Sequence: 7, Deleted: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the notices of a watcher differ (-want +got):\n%s", diff)
	}
	if at.Sequence != 8 || at.Epoch != first.Position.Epoch {
		t.Errorf("the position is %+v, want sequence 8 of epoch %s", at, first.Position.Epoch)
	}
}

func TestWatcherOfAWorkspaceReceivesNoOtherChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	acme, all := f.watch(t, "acme", nil), f.watch(t, resource.Any, nil)
	for _, w := range []watcher{acme, all} {
		w.next(t) // a watch reports changes after its start
	}
	other := secret.Name{Workspace: "other", ID: "key"}
	if _, err := f.Create(t.Context(), secret.Call{}, other, secret.Draft{Usage: secret.Key, Value: value(t, "v")}); err != nil {
		t.Fatal(err)
	}
	f.create(t, "key", "v")
	for _, n := range []secret.Name{other, name("key")} {
		if err := f.Delete(t.Context(), secret.Call{}, n, secret.Deletion{}); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := acme.heard(t, 4); len(got) != 1 || got[0].Secret != name("key").String() {
		t.Errorf("the watcher of acme received %+v, want one notice of its workspace", got)
	}
	if got, _ := all.heard(t, 4); len(got) != 2 {
		t.Errorf("the watcher of all workspaces received %+v, want two notices", got)
	}
}

func TestWatcherResumesWhereItStopped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	rotate := func() {
		if _, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, "w")}); err != nil {
			t.Fatal(err)
		}
	}
	rotate()
	at := f.watch(t, "acme", nil).next(t).Position
	for range 600 { // more than one batch
		rotate()
	}
	resumed := f.watch(t, "acme", &at)
	if first := resumed.next(t); first.Position != at || len(first.Notices) != 0 {
		t.Errorf("the first message is %+v, want the position %+v", first, at)
	}
	got, end := resumed.heard(t, at.Sequence+600)
	for i, n := range got {
		if n.Sequence != at.Sequence+uint64(i) {
			t.Fatalf("notice %d has sequence %d, want %d", i, n.Sequence, at.Sequence+uint64(i))
		}
	}
	if len(got) != 600 {
		t.Errorf("%d changes were received, want 600", len(got))
	}
	resolved, err := f.resolve(t.Context(), name("key"), made.UID, 0)
	if err != nil || resolved.Position != end {
		t.Errorf("Resolve at the end = position %+v, %v, want %+v", resolved.Position, err, end)
	}
}

func TestPositionOutOfReachIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Close()
	f.reach = 5
	f.Store = f.open(t)
	for i := range 8 {
		f.create(t, fmt.Sprintf("key-%d", i), "v")
	}
	now := f.watch(t, "acme", nil).next(t).Position
	for what, refused := range map[string]func() error{
		"a position too far behind":   func() error { return end(t, f.Store, secret.Position{Epoch: now.Epoch, Sequence: 2}) },
		"a future position":           func() error { return end(t, f.Store, secret.Position{Epoch: now.Epoch, Sequence: 9}) },
		"a position without an epoch": func() error { return end(t, f.Store, secret.Position{Sequence: 8}) },
		"a position of another epoch": func() error { return end(t, f.Store, secret.Position{Epoch: "other", Sequence: 8}) },
	} {
		if err := refused(); !fault.Is(err, secret.PositionOutOfRange) {
			t.Errorf("Watch with %s = %v, want %s", what, err, secret.PositionOutOfRange)
		}
	}
	if _, at := f.watch(t, "acme", &secret.Position{Epoch: now.Epoch, Sequence: 3}).heard(t, 8); at != now {
		t.Errorf("Watch with a position just in reach comes to %+v, want %+v", at, now)
	}
}

// end watches, and returns the error with which the watch ends.
func end(t testing.TB, s *secret.Store, from secret.Position) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return s.Watch(ctx, "acme", &from, func(secret.Message) error { return nil })
}

func TestSlowWatcherBlocksNoOneAndIsEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Close()
	f.reach = 5
	f.Store = f.open(t)
	w := f.watch(t, "acme", nil)
	w.next(t) // from here on it waits for a reader
	for i := range 8 {
		f.create(t, fmt.Sprintf("key-%d", i), "v")
		if err := f.Delete(t.Context(), secret.Call{}, name(fmt.Sprintf("key-%d", i)), secret.Deletion{}); err != nil {
			t.Fatal(err)
		}
	}
	for {
		select {
		case <-w.messages:
			continue
		case err := <-w.ended:
			if !fault.Is(err, secret.PositionOutOfRange) {
				t.Errorf("Watch of a slow watcher = %v, want %s", err, secret.PositionOutOfRange)
			}
			return
		}
	}
}

func TestUnconfirmedCommitReachesWatchers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	store := f.faulty(t)
	f.create(t, "key", "v")
	w := f.watch(t, "acme", nil)
	w.next(t)
	store.FailReplies(errBroken)
	if _, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, "w")}); !errors.Is(err, errBroken) {
		t.Fatalf("Update = %v, want %v", err, errBroken)
	}
	if got, _ := w.heard(t, 2); len(got) != 1 {
		t.Errorf("the watcher received %+v, want one notice", got)
	}
}

func TestWatchEndsWithTheStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	store := f.faulty(t)
	w := f.watch(t, "acme", nil)
	w.next(t)
	store.FailViews(errBroken)
	for {
		select {
		case <-w.messages:
			continue
		case err := <-w.ended:
			if !errors.Is(err, errBroken) {
				t.Errorf("Watch over a failing store = %v, want %v", err, errBroken)
			}
			return
		}
	}
}
