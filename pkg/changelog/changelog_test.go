package changelog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
)

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func noonNow() time.Time { return noon }

func TestEntryComesBackAsItWent(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	want := changelog.Entry{
		Time:      noon.Add(time.Nanosecond),
		Actor:     changelog.Actor{Subject: "ann", Roles: []string{"owner"}, Authentication: "oidc", Address: "192.0.2.1"},
		Action:    "updated",
		Scope:     "workspaces/a",
		Resource:  "workspaces/a/secrets/<b>",
		UID:       "uid",
		Version:   2,
		Fields:    []string{"description"},
		Detail:    json.RawMessage(`{"old":"é","new":"x"}`),
		Reason:    "because",
		RequestID: "r1",
	}
	appendEntry(t, store, changes, want)
	got := list(t, store, changelog.Query{Resource: want.Resource, Limit: 10})
	if diff := cmp.Diff([]changelog.Entry{want}, got, cmpopts.IgnoreUnexported(changelog.Entry{})); diff != "" {
		t.Errorf("List() differs from what was appended (-want +got):\n%s", diff)
	}
}

func TestEntryWithoutTimeGetsThePresentOne(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "s"))
	if got := list(t, store, changelog.Query{Scope: "workspaces/a", Limit: 1}); !got[0].Time.Equal(noon) {
		t.Errorf("time of an entry without one = %v, want %v", got[0].Time, noon)
	}
}

func TestSequencesFollowTheOrderOfCommits(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	const writers, each = 8, 25
	counter := []byte("counter")
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				// The counter tells the order of the transactions; the log must agree.
				err := store.Update(t.Context(), func(tx kv.Tx) error {
					value, err := tx.Get(counter)
					if err != nil && !errors.Is(err, kv.ErrNotFound) {
						return err
					}
					value = append(value, 1)
					e := entry("a", "s")
					e.Version = uint32(len(value))
					if err := changes.Append(tx, e, changelog.Row{Value: value}); err != nil {
						return err
					}
					return tx.Put(counter, value)
				})
				if err != nil {
					t.Errorf("Update() = %v", err)
				}
			}
		})
	}
	group.Wait()
	got := list(t, store, changelog.Query{Scope: "workspaces/a", Limit: 1000})
	if len(got) != writers*each {
		t.Fatalf("List() returns %d entries, want %d", len(got), writers*each)
	}
	for i, e := range got {
		if want := uint64(len(got) - 1 - i); e.Sequence != want || uint64(e.Version) != want+1 {
			t.Errorf("entry %d has sequence %d and is of transaction %d, want %d and %d", i, e.Sequence, e.Version, want, want+1)
		}
	}
	verify(t, store, changes)
}

func TestFailedTransactionLeavesNoEntry(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "kept"))
	failure := errors.New("no")
	err := store.Update(t.Context(), func(tx kv.Tx) error {
		return errors.Join(changes.Append(tx, entry("a", "lost")), failure)
	})
	if !errors.Is(err, failure) {
		t.Errorf("Update() = %v, want %v", err, failure)
	}
	appendEntry(t, store, changes, entry("a", "kept"))
	got := list(t, store, changelog.Query{Scope: "workspaces/a", Limit: 10})
	if len(got) != 2 || got[0].Sequence != 1 || got[0].Resource != "workspaces/a/secrets/kept" {
		t.Errorf("List() = %v, want the two entries that were committed", got)
	}
	verify(t, store, changes)
}

func TestFailedCommitLeavesNoEntry(t *testing.T) {
	t.Parallel()
	changes := newKey(t, [32]byte{1}, "vault")
	var failure error
	store, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{BeforeCommit: func() error { return failure }})
	if err != nil {
		t.Fatal(err)
	}
	store.Attach(changelog.Name, changes)
	t.Cleanup(func() { store.Close() })

	appendEntry(t, store, changes, entry("a", "kept"))
	failure = errors.New("disk is full")
	err = store.Update(t.Context(), func(tx kv.Tx) error { return changes.Append(tx, entry("a", "lost")) })
	if err == nil {
		t.Error("Update() without disk succeeds")
	}
	failure = nil
	appendEntry(t, store, changes, entry("a", "kept"))
	if got := head(t, store, changes); got.Size != 2 {
		t.Errorf("size after a failed commit between two others = %d, want 2", got.Size)
	}
	verify(t, store, changes)
}

func TestClosureThatRunsTwiceMakesOneEntry(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	again := kvtest.Rerun(store)
	for i := range 3 {
		appendEntry(t, again, changes, entry("a", fmt.Sprint(i)))
	}
	if got := head(t, store, changes); got.Size != 3 {
		t.Errorf("size after 3 transactions whose closures ran twice = %d, want 3", got.Size)
	}
	verify(t, store, changes)
}

func TestOneTransactionMayAppendSeveralEntries(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	err := store.Update(t.Context(), func(tx kv.Tx) error {
		for _, id := range []string{"one", "two", "three"} {
			if err := changes.Append(tx, entry("a", id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := list(t, store, changelog.Query{Scope: "workspaces/a", Limit: 10})
	for i, want := range []string{"three", "two", "one"} {
		if got[i].Resource != "workspaces/a/secrets/"+want {
			t.Errorf("entry %d from the end is of %s, want %s", i, got[i].Resource, want)
		}
	}
}

func TestEntryThatIsNotUTF8IsRefusedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	e := entry("a", "s")
	e.Reason = "canary-4711\xff"
	err := store.Update(t.Context(), func(tx kv.Tx) error { return changes.Append(tx, e) })
	if err == nil || bytes.Contains([]byte(err.Error()), []byte("canary")) {
		t.Errorf("Append(malformed reason) = %v, want an error that does not repeat it", err)
	}
}

func TestRowsAreNoOracle(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	for range 2 {
		err := store.Update(t.Context(), func(tx kv.Tx) error {
			return changes.Append(tx, entry("a", "s"), changelog.Row{Value: []byte("canary-4711")})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	leaves := leaves(t, store)
	if bytes.Contains(bytes.Join(leaves, nil), []byte("canary")) {
		t.Error("the row itself is on the log")
	}
	const digest = 16 // at the end of the entry
	if one, other := leaves[0][len(leaves[0])-digest:], leaves[1][len(leaves[1])-digest:]; bytes.Equal(one, other) {
		t.Error("the same row twice has the same digest")
	}
}

func TestEntryStatesTheRowsOfItsChange(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	err := store.Update(t.Context(), func(tx kv.Tx) error {
		return changes.Append(tx, entry("a", "s"),
			changelog.Row{Value: []byte("secret")}, changelog.Row{Ref: "v1", Value: []byte("version")},
			changelog.Row{Ref: "v2", Value: []byte{}}, changelog.Row{Ref: "gone"})
	})
	if err != nil {
		t.Fatal(err)
	}
	e := list(t, store, changelog.Query{Scope: "workspaces/a", Limit: 1})[0]
	if want := []string{"", "v1", "v2", "gone"}; !slices.Equal(e.Rows(), want) {
		t.Errorf("Rows() = %q, want %q", e.Rows(), want)
	}
	for _, test := range []struct {
		ref   string
		value []byte
		want  changelog.State
	}{
		{"", []byte("secret"), changelog.Matches},
		{"", []byte("secret of before"), changelog.Differs},
		{"", nil, changelog.Differs},
		{"v1", []byte("version"), changelog.Matches},
		{"v1", []byte("secret"), changelog.Differs},
		{"v2", []byte{}, changelog.Matches},
		{"v2", nil, changelog.Differs},
		{"gone", nil, changelog.Matches},
		{"gone", []byte("back"), changelog.Differs},
		{"v3", []byte("version"), changelog.Unchanged},
		{"v3", nil, changelog.Unchanged},
	} {
		if got := e.State(test.ref, test.value); got != test.want {
			t.Errorf("State(%q, %q) = %d, want %d", test.ref, test.value, got, test.want)
		}
	}
}

// An entry of an earlier release states one row.
func TestEntryOfAnEarlierReleaseStatesOneRow(t *testing.T) {
	t.Parallel()
	_, store := newLog(t)
	restore(t, store, filepath.Join("testdata", "format1.txt"))
	for _, e := range list(t, store, changelog.Query{Scope: "workspaces/a", Limit: 9}) {
		for value, want := range map[string]changelog.State{"state": changelog.Matches, "another": changelog.Differs} {
			if got := e.State("", []byte(value)); got != want {
				t.Errorf("State(%q) of entry %d = %d, want %d", value, e.Sequence, got, want)
			}
		}
		if got := e.State("v1", []byte("state")); got != changelog.Unchanged {
			t.Errorf("State of another row of entry %d = %d, want %d", e.Sequence, got, changelog.Unchanged)
		}
	}
}

func TestNextIsTheSequenceOfTheNextEntry(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 10 {
				err := store.Update(t.Context(), func(tx kv.Tx) error {
					for range 2 {
						next, err := changelog.Next(tx)
						e := entry("a", "s")
						e.Version = uint32(next)
						if err = errors.Join(err, changes.Append(tx, e)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Errorf("Update() = %v", err)
				}
			}
		})
	}
	group.Wait()
	for _, e := range list(t, store, changelog.Query{Scope: "workspaces/a", Limit: 1000}) {
		if e.Sequence != uint64(e.Version) {
			t.Errorf("Next() = %d before entry %d", e.Version, e.Sequence)
		}
	}
}

func TestReopenedLogGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	for round := range 5 {
		changes, store := openLog(t, path)
		verify(t, store, changes)
		for i := range 3 {
			appendEntry(t, store, changes, entry("a", fmt.Sprint(i)))
		}
		head := head(t, store, changes)
		if want := uint64(3 * (round + 1)); head.Size != want {
			t.Errorf("size in round %d = %d, want %d", round, head.Size, want)
		}
		verify(t, store, changes)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogOfAnotherKeyIsNotContinued(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	changes, store := openLog(t, path)
	appendEntry(t, store, changes, entry("a", "s"))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*changelog.Log{
		"another key":    newKey(t, [32]byte{9}, "vault"),
		"another origin": newKey(t, [32]byte{1}, "allowlist"),
	} {
		store := attach(t, path, other)
		err := store.Update(t.Context(), func(tx kv.Tx) error { return other.Append(tx, entry("a", "s")) })
		if !errors.Is(err, changelog.ErrTampered) {
			t.Errorf("%s: Update() = %v, want ErrTampered", name, err)
		}
		if err := store.View(t.Context(), other.Verify); !errors.Is(err, changelog.ErrTampered) {
			t.Errorf("%s: Verify() = %v, want ErrTampered", name, err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func entry(workspace, id string) changelog.Entry {
	scope := "workspaces/" + workspace
	return changelog.Entry{Actor: changelog.Actor{Subject: "ann"}, Action: "created", Scope: scope, Resource: scope + "/secrets/" + id}
}

func newKey(t testing.TB, seed [32]byte, origin string) *changelog.Log {
	t.Helper()
	changes, err := changelog.New([][32]byte{seed}, origin, noonNow)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func attach(t testing.TB, path string, changes *changelog.Log) kv.Store {
	t.Helper()
	store, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store.Attach(changelog.Name, changes)
	t.Cleanup(func() { store.Close() })
	return store
}

func openLog(t testing.TB, path string) (*changelog.Log, kv.Store) {
	t.Helper()
	changes := newKey(t, [32]byte{1}, "vault")
	return changes, attach(t, path, changes)
}

func newLog(t testing.TB) (*changelog.Log, kv.Store) {
	t.Helper()
	return openLog(t, filepath.Join(t.TempDir(), "store"))
}

func appendEntry(t testing.TB, store kv.Store, changes *changelog.Log, e changelog.Entry) {
	t.Helper()
	err := store.Update(t.Context(), func(tx kv.Tx) error { return changes.Append(tx, e, changelog.Row{Value: []byte("state")}) })
	if err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, store kv.Store, q changelog.Query) (entries []changelog.Entry) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) (err error) {
		entries, err = changelog.List(r, q)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func head(t testing.TB, store kv.Store, changes *changelog.Log) (head changelog.Head) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) (err error) {
		head, err = changes.Head(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func verify(t testing.TB, store kv.Store, changes *changelog.Log) {
	t.Helper()
	if err := store.View(t.Context(), changes.Verify); err != nil {
		t.Errorf("Verify() = %v", err)
	}
}
