package restore_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

var start = time.Date(2030, 1, 2, 3, 4, 0, 0, time.UTC)

// open opens the restores in a data file, at a time. Close returns the file.
func open(t testing.TB, file []byte, now time.Time, holders ...string) (events *restore.Events, store *kvtest.FaultyStore, end func() []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	if file != nil {
		check(t, os.WriteFile(path, file, 0o600))
	}
	db, err := boltkv.Open(path, boltkv.Options{})
	check(t, err)
	log, err := changelog.New([][32]byte{{1}}, "vault", func() time.Time { return now })
	check(t, err)
	db.Attach(changelog.Name, log)
	store = kvtest.Faulty(db)
	events, err = restore.Open(t.Context(), restore.Config{
		KV: store, Log: log, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
		Holders: func(context.Context, kv.Store) ([]string, error) { return holders, nil },
	})
	check(t, err)
	return events, store, func() []byte {
		check(t, db.Close())
		file, err := os.ReadFile(path)
		check(t, err)
		return file
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func begin(t testing.TB, events *restore.Events) restore.Restore {
	t.Helper()
	began, err := events.Begin(t.Context(), changelog.Author{Reason: "r"})
	check(t, err)
	return began
}

// The second restore knows nothing of the first.
func TestTwoRestoresOfOneBackupAssignDifferentNumbers(t *testing.T) {
	t.Parallel()
	_, _, end := open(t, nil, start)
	backup := end()
	const last, versions = 7, 50
	assigned := make(map[uint32]bool)
	for i := range 3 {
		events, _, end := open(t, backup, start.Add(time.Duration(i)*time.Hour))
		began := begin(t, events)
		end()
		number := began.Next(last, 0)
		if number <= last+1000 {
			t.Errorf("restore %d goes on with version %d, want more than %d", i, number, last+1000)
		}
		for range versions {
			if assigned[number] {
				t.Fatalf("restore %d assigns the number %d a second time", i, number)
			}
			assigned[number] = true
			number = began.Next(number, began.Count)
		}
	}
}

// The backup is from after the first restore, and from before the first version since.
func TestARestoreSoonAfterAnotherAssignsDifferentNumbers(t *testing.T) {
	t.Parallel()
	events, _, end := open(t, nil, start)
	first := begin(t, events)
	backup := end()
	events, _, end = open(t, backup, start.Add(time.Second))
	second := begin(t, events)
	end()
	const last, versions = 7, 50
	largest := first.Next(last, 0)
	for range versions {
		largest = first.Next(largest, first.Count)
	}
	if number := second.Next(last, 0); number <= largest {
		t.Errorf("the second restore goes on with version %d, and the first one assigned numbers up to %d", number, largest)
	}
}

func TestNumbersGoOnWithAnyClock(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]time.Time{
		"in the past": time.Unix(0, 0), "in the present": start, "far in the future": start.AddDate(9000, 0, 0),
	} {
		events, _, end := open(t, nil, now)
		first := begin(t, events)
		number := first.Next(1, 0)
		second := begin(t, events)
		if next := second.Next(number, first.Count); number < 1002 || next < number+1001 {
			t.Errorf("%s: the numbers are 1, %d, %d, want at least 1,000 in between", name, number, next)
		}
		if next := second.Next(number, second.Count); next != number+1 {
			t.Errorf("%s: the number after %d in the epoch is %d", name, number, next)
		}
		end()
	}
}

func TestAnInterruptedRestoreLeavesNothing(t *testing.T) {
	t.Parallel()
	events, store, end := open(t, nil, start, "allowlist")
	epoch, errDied := events.Epoch(), errors.New("died")
	store.FailCommits(errDied)
	if _, err := events.Begin(t.Context(), changelog.Author{}); !errors.Is(err, errDied) {
		t.Errorf("Begin = %v, want %v", err, errDied)
	}
	if events.Epoch() != epoch || events.Last().Count != 0 {
		t.Error("the epoch changed without a restore")
	}
	file := end()
	again, _, end := open(t, file, start, "allowlist")
	defer end()
	if again.Epoch() != epoch || again.Last().Count != 0 {
		t.Error("a part of the restore is stored")
	}
	if began := begin(t, again); !began.Pending() || began.Epoch == epoch {
		t.Errorf("Begin = %+v after that", began)
	}
}

func TestARestoreSurvivesARestart(t *testing.T) {
	t.Parallel()
	events, _, end := open(t, nil, start, "b", "a", "b")
	want := begin(t, events)
	check(t, events.Reconciled(t.Context(), "a", want.Epoch, changelog.Author{}))
	want = events.Last()
	if want.Missing() != 1 || len(want.Resolvers) != 2 {
		t.Errorf("the restore is %+v, want one of two resolvers to be missing", want)
	}
	again, _, end := open(t, end(), start.Add(time.Hour))
	defer end()
	if diff := cmp.Diff(want, again.Last()); diff != "" {
		t.Errorf("the restore differs after a restart (-before +after):\n%s", diff)
	}
	if err := again.Last().Held(); err == nil {
		t.Error("nothing is held after a restart")
	}
}
