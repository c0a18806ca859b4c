package secret_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

const grace = 24 * time.Hour

// graced returns a fixture with a grace.
func graced(t testing.TB) *fixture {
	t.Helper()
	f := newFixture(t)
	f.grace = grace
	f.restart(t, 0)
	return f
}

// restart opens the store again, a while later.
func (f *fixture) restart(t testing.TB, later time.Duration) {
	t.Helper()
	f.Close()
	f.clock.advance(later)
	f.Store = f.open(t)
}

func (f *fixture) delete(t testing.TB, id string, force bool) time.Time {
	t.Helper()
	purge, err := f.Store.Delete(t.Context(), secret.Call{Author: changelog.Author{Reason: "why"}}, name(id), secret.Deletion{Force: force})
	if err != nil {
		t.Fatalf("Delete(%s, %t) = %v", id, force, err)
	}
	return purge
}

func (f *fixture) undelete(t testing.TB, id string) secret.Secret {
	t.Helper()
	back, err := f.Undelete(t.Context(), secret.Call{}, name(id))
	if err != nil {
		t.Fatalf("Undelete(%s) = %v", id, err)
	}
	return back
}

// actions returns the actions of the history of a secret, newest first.
func (f *fixture) actions(t testing.TB, id string) (actions []string) {
	t.Helper()
	events, _, err := f.History(t.Context(), name(id), secret.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		actions = append(actions, e.Action)
	}
	return actions
}

// An owner who wants to use a key for a second purpose deletes it, stores its value again, uses that,
// and brings the first one back.
func TestTheValueOfADeletedKeyServesNoOtherPurpose(t *testing.T) {
	t.Parallel()
	f := graced(t)
	first := f.sealedFor(t, "key", "the key of the partner", gcm)
	f.unbind(t, "key", "op")
	f.delete(t, "key", false)
	copied := f.create(t, "copy", "the key of the partner")
	if err := f.bindFor(t, "copy", "op", cbc); !fault.Is(err, secret.KeyPurposeFixed) {
		if err == nil {
			err = f.use(t, copied, 0, cbc)
		}
		if !fault.Is(err, secret.KeyPurposeFixed) {
			t.Errorf("a copy of a deleted key for another purpose = %v, want %s", err, secret.KeyPurposeFixed)
		}
	}
	used := f.sealedFor(t, "used", "another key, long enough", cbc)
	if _, err := f.Update(t.Context(), secret.Call{}, used.Name, secret.Change{Value: value(t, "the key of the partner")}); !fault.Is(err, secret.ValueInUse) {
		t.Errorf("the value of a deleted key in a key with another purpose = %v, want %s", err, secret.ValueInUse)
	}
	if back := f.undelete(t, "key"); back.UID != first.UID {
		t.Errorf("the uid changed from %s to %s", first.UID, back.UID)
	}
	if err := f.bindFor(t, "key", "op", cbc); !fault.Is(err, secret.KeyPurposeFixed) {
		t.Errorf("the key for another purpose = %v, want %s", err, secret.KeyPurposeFixed)
	}
}

func TestADeletedSecretIsFoundOnlyToBringItBack(t *testing.T) {
	t.Parallel()
	f := graced(t)
	made := f.create(t, "key", "the value")
	f.bind(t, "key", "bank", "op")
	f.indexed(t)
	purge := f.delete(t, "key", true)
	if want := f.get(t, "key").DeletedAt.Add(grace); !purge.Equal(want) {
		t.Errorf("the purge is at %v, want %v", purge, want)
	}
	text := "text"
	version := secret.VersionName{Name: made.Name, Number: 1}
	of := func(_ any, err error) error { return err }
	for what, err := range map[string]error{
		"Update":  of(f.Update(t.Context(), secret.Call{}, made.Name, secret.Change{Description: &text})),
		"Rotate":  of(f.Update(t.Context(), secret.Call{}, made.Name, secret.Change{Value: value(t, "next")})),
		"Disable": of(f.Disable(t.Context(), secret.Call{}, version, "")),
		"Destroy": of(f.Destroy(t.Context(), secret.Call{}, version, secret.Deletion{Force: true})),
		"Check":   of(f.Check(t.Context(), secret.Call{}, made.Name, 0, value(t, "the value"))),
		"Replace": of(f.ReplacePurpose(t.Context(), secret.Call{}, made.Name, "", nil, nil)),
		"Resolve": of(f.resolve(t.Context(), made.Name, made.UID, 0)),
		"Pinned":  of(f.resolve(t.Context(), made.Name, made.UID, 1)),
		"Reserve": of(f.reserve(t, made, 96, 1)),
		"Bind":    f.bindFor(t, "key", "op2", gcm),
		"Versions": func() error {
			_, _, err := f.Versions(t.Context(), made.Name, secret.Page{Limit: 1})
			return err
		}(),
		"Bindings": func() error {
			_, _, err := f.Bindings(t.Context(), made.Name, secret.Page{Limit: 1})
			return err
		}(),
	} {
		if !fault.Is(err, secret.NotFound) {
			t.Errorf("%s of a deleted secret = %v, want %s", what, err, secret.NotFound)
		}
	}
	if all, _, err := f.Bindings(t.Context(), name("-"), secret.Page{Limit: 10}); err != nil || len(all) > 0 {
		t.Errorf("the bindings of the workspace = %v, %v", all, err)
	}
	if err := f.Unbind(t.Context(), secret.Call{}, made.Name, "allowlist", "op"); err != nil {
		t.Errorf("Unbind of a deleted secret = %v, want no effect", err)
	}
	_, err := f.Create(t.Context(), secret.Call{}, made.Name, secret.Draft{Usage: secret.Key, Value: value(t, "v")})
	if refusal, ok := fault.From(err); !ok || refusal.Reason != secret.Exists || refusal.Metadata["purge_time"] != purge.Format(time.RFC3339Nano) {
		t.Errorf("Create with the name = %v, want %s with the time of the purge", err, secret.Exists)
	}
	got, _, err := f.Get(t.Context(), made.Name)
	if err != nil || !got.PurgeAt.Equal(purge) || got.DeletedAt.IsZero() {
		t.Errorf("Get = %v until %v, %v", got.DeletedAt, got.PurgeAt, err)
	}
	for _, q := range []secret.Query{{}, {Substring: "ke"}, {ByUpdate: true}} {
		q.Workspace, q.Limit = "acme", 10
		for shown, want := range map[bool]int{false: 0, true: 1} {
			q.ShowDeleted = shown
			if list, _, err := f.List(t.Context(), q); err != nil || len(list) != want {
				t.Errorf("List(%+v) = %d secrets, %v, want %d", q, len(list), err, want)
			}
		}
	}
	if err := f.Report(t.Context(), secret.Call{}.Request, "allowlist", []secret.Count{{Name: made.Name, UID: made.UID, Version: 1, Uses: secret.Uses{Used: 1}}}); err != nil && !fault.Is(err, secret.NotFound) {
		t.Errorf("Report = %v", err)
	}
}

func TestAForcedDeletionComesBackWithoutItsBindings(t *testing.T) {
	t.Parallel()
	f := graced(t)
	made := f.create(t, "key", "the value")
	for i := range 20 {
		req := useFor(fmt.Sprint("e", i), fmt.Sprint("op", i), purpose().Chains...)
		req.Version = 1
		if _, _, err := f.Bind(t.Context(), secret.Call{}, made.Name, "allowlist", req); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.reserve(t, made, 96, 5); err != nil {
		t.Fatal(err)
	}
	f.wantStated(t, "bound", made)
	f.delete(t, "key", true)
	f.wantStated(t, "deleted", made)
	if back := f.undelete(t, "key"); back.UID != made.UID || back.References != 0 || len(back.Holders) != 0 || back.DeletedAt != (time.Time{}) {
		t.Errorf("Undelete = %+v", back)
	}
	f.wantStated(t, "undeleted", made)
	if bindings, _, err := f.Bindings(t.Context(), made.Name, secret.Page{Limit: 10}); err != nil || len(bindings) != 0 {
		t.Errorf("Bindings = %d, %v", len(bindings), err)
	}
	if _, err := f.resolve(t.Context(), made.Name, made.UID, 0); !fault.Is(err, secret.NotBound) {
		t.Errorf("resolved without a binding: %v", err)
	}
	f.bind(t, "key", "bank", "again")
	if got, err := f.resolve(t.Context(), made.Name, made.UID, 0); err != nil || string(got.Plain.Reveal()) != "the value" {
		t.Errorf("after another binding: %v", err)
	}
	if got, err := f.reserve(t, made, 96, 1); err != nil || got.Used != 6 {
		t.Errorf("the ledger has %d reserved values, %v, want 6", got.Used, err)
	}
	if again := f.undelete(t, "key"); again.Revision != f.get(t, "key").Revision || slices.Index(f.actions(t, "key"), secret.Undeleted) != 1 {
		t.Errorf("undeleting a secret that is not deleted was logged: %v", f.actions(t, "key"))
	}
	f.wantStated(t, "bound again", made)
}

func (f *fixture) get(t testing.TB, id string) secret.Secret {
	t.Helper()
	sec, _, err := f.Get(t.Context(), name(id))
	if err != nil {
		t.Fatal(err)
	}
	return sec
}

func TestBindingsOfADeletedSecretAreRemovedInTheBackground(t *testing.T) {
	t.Parallel()
	f := graced(t)
	made := f.create(t, "key", "the value")
	for i := range 10 {
		f.bind(t, "key", fmt.Sprint("e", i), fmt.Sprint("op", i))
	}
	f.delete(t, "key", true)
	f.restart(t, 0)
	eventually(t, "the bindings are removed", func() bool { return len(f.get(t, "key").Holders) == 0 })
	f.wantStated(t, "unbound", made)
	events, _, err := f.History(t.Context(), made.Name, secret.Page{Limit: 1})
	if err != nil || events[0].Action != secret.Unbound || events[0].Actor.Subject != "vault" || events[0].Reason != "why" {
		t.Errorf("the newest entry is %+v, %v", events, err)
	}
}

func TestADeletedSecretIsPurgedWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	f := graced(t)
	made, kept := f.create(t, "key", "the value"), f.create(t, "kept", "the value")
	f.bind(t, "key", "bank", "op")
	f.delete(t, "key", true)
	f.restart(t, grace/2)
	f.delete(t, "kept", false)
	f.grace = 0 // changes no promise
	f.restart(t, grace/2-1)
	if f.get(t, "key").UID != made.UID {
		t.Error("purged too early")
	}
	f.restart(t, time.Second)
	eventually(t, "the name is free", func() bool { return !f.exists(t, "key") })
	eventually(t, "the rows are removed", func() bool { return f.keysOf(t, made.UID) == 0 })
	events, _, err := f.History(t.Context(), made.Name, secret.Page{Limit: 1})
	if err != nil || events[0].Action != secret.Purged || events[0].Actor.Subject != "vault" || events[0].Reason != "why" {
		t.Errorf("the newest entry is %+v, %v", events, err)
	}
	if _, err := f.Undelete(t.Context(), secret.Call{}, made.Name); !fault.Is(err, secret.NotFound) {
		t.Errorf("Undelete after the purge = %v, want %s", err, secret.NotFound)
	}
	if next := f.create(t, "key", "the value"); next.UID == made.UID {
		t.Error("the next secret has the uid of the purged one")
	}
	f.restart(t, -10*grace) // a clock that goes back purges nothing, and forgets nothing
	if back := f.undelete(t, "kept"); back.UID != kept.UID {
		t.Errorf("the other secret has the uid %s", back.UID)
	}
	f.restart(t, 20*grace)
	f.restart(t, 0)
	if f.get(t, "kept").UID != kept.UID {
		t.Error("a secret that was brought back is purged")
	}
}

// A vault may be slow to purge. No one notices.
func TestNothingComesBackAfterThePurgeTime(t *testing.T) {
	t.Parallel()
	f := graced(t)
	made := f.create(t, "key", "the value")
	purge := f.delete(t, "key", false)
	f.Close() // nothing is purged from now on
	f.clock.set(purge)
	if _, err := f.Undelete(t.Context(), secret.Call{}, made.Name); !fault.Is(err, secret.NotFound) {
		t.Errorf("Undelete = %v, want %s", err, secret.NotFound)
	}
	if f.exists(t, "key") {
		t.Error("Get still returns the secret")
	}
	if _, err := f.Store.Delete(t.Context(), secret.Call{}, made.Name, secret.Deletion{}); !fault.Is(err, secret.NotFound) {
		t.Errorf("Delete = %v, want %s", err, secret.NotFound)
	}
}

func TestASecondDeletionPurgesOnlyWithForce(t *testing.T) {
	t.Parallel()
	f := graced(t)
	made := f.create(t, "key", "the value")
	stale := made.Etag()
	first := f.delete(t, "key", false)
	size := len(f.actions(t, "key"))
	if again := f.delete(t, "key", false); !again.Equal(first) || len(f.actions(t, "key")) != size {
		t.Errorf("the second deletion returned %v and logged %v", again, f.actions(t, "key"))
	}
	if _, err := f.Store.Delete(t.Context(), secret.Call{}, made.Name, secret.Deletion{Etag: stale, Force: true}); !fault.Is(err, fault.EtagMismatch) {
		t.Errorf("Delete with the etag of before = %v, want %s", err, fault.EtagMismatch)
	}
	if purge := f.delete(t, "key", true); !purge.IsZero() {
		t.Errorf("a forced deletion can be undone until %v", purge)
	}
	if got := f.actions(t, "key")[0]; got != secret.Purged {
		t.Errorf("the newest entry is %s", got)
	}
	eventually(t, "the rows are removed", func() bool { return f.keysOf(t, made.UID) == 0 })
	f.create(t, "key", "the next value")
	f.indexed(t)
	if got := f.found(t, "key"); got != 1 {
		t.Errorf("the search finds %d secrets, want 1", got)
	}
}

func TestARepeatedDeletionReturnsItsTimeOfPurge(t *testing.T) {
	t.Parallel()
	f := graced(t)
	f.create(t, "key", "the value")
	call := f.called(t, "ann", "r")
	remove := func() time.Time {
		purge, err := f.Store.Delete(t.Context(), call, name("key"), secret.Deletion{})
		if err != nil {
			t.Fatal(err)
		}
		return purge
	}
	if first, again := remove(), remove(); first.IsZero() || !first.Equal(again) {
		t.Errorf("the purge is at %v, and, for the repeated request, at %v", first, again)
	}
	f.undelete(t, "key")
	if !remove().IsZero() || !f.exists(t, "key") {
		t.Error("the repeated request deleted a secret that was brought back")
	}
}

func TestWorkloadsLearnWhyASecretWasDeleted(t *testing.T) {
	t.Parallel()
	for _, g := range []time.Duration{0, grace} {
		f := newFixture(t)
		f.grace = g
		f.restart(t, 0)
		made := f.create(t, "key", "the value")
		f.bind(t, "key", "bank", "op")
		position := secret.Position{Epoch: f.Epoch()}
		f.delete(t, "key", true)
		_, resolved := f.resolve(t.Context(), made.Name, made.UID, 0)
		for what, err := range map[string]error{"Resolve": resolved, "Bind": f.bindFor(t, "key", "op2", gcm)} {
			if refusal, ok := fault.From(err); !ok || refusal.Reason != secret.NotFound || refusal.Metadata["delete_reason"] != "why" {
				t.Errorf("%s with a grace of %v = %v, want the reason of the deletion", what, g, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var notices []secret.Notice
		f.Watch(ctx, "acme", &position, func(m secret.Message) error {
			if notices = append(notices, m.Notices...); len(notices) > 0 {
				cancel()
			}
			return nil
		})
		cancel()
		if len(notices) != 1 || !notices[0].Deleted || notices[0].DeleteReason != "why" {
			t.Errorf("the watch sends %+v", notices)
		}
		if _, err := f.resolve(t.Context(), name("never"), made.UID, 0); !fault.Is(err, secret.NotFound) {
			t.Errorf("Resolve of a secret that never existed = %v", err)
		}
	}
}
