package activity_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/services/allowlist/internal/activity"
)

// at is the time in all tests.
var at = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// A desk is a meter with a real store, and a vault that can be unreachable.
type desk struct {
	*activity.Meter

	path  string
	store *boltkv.DB
	away  bool
	// refused is a workspace whose reports are never accepted.
	refused string
	sent    map[string][]activity.Total // by the ID of the report
	now     time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{path: filepath.Join(t.TempDir(), "allowlist.db"), sent: make(map[string][]activity.Total), now: at}
	d.open(t)
	t.Cleanup(func() { d.store.Close() })
	return d
}

func (d *desk) open(t *testing.T) {
	t.Helper()
	store, err := boltkv.Open(d.path, boltkv.Options{})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	d.store = store
	d.Meter = activity.New(store, d.report, func() time.Time { return d.now })
}

func (d *desk) report(_ context.Context, workspace, id string, uses []activity.Total) error {
	d.sent[id] = uses
	if workspace == d.refused {
		return activity.ErrRefused
	}
	if workspace != "workspaces/w" || d.away {
		return errors.New("the vault is unreachable")
	}
	return nil
}

func key(endpoint, secret string, version uint32) activity.Key {
	return activity.Key{Endpoint: endpoint, Secret: "workspaces/w/secrets/" + secret, UID: "uid-" + secret, Version: version}
}

func (d *desk) totals(t *testing.T, endpoint string) []activity.Total {
	t.Helper()
	totals, err := d.Totals(t.Context(), endpoint)
	if err != nil {
		t.Fatalf("Totals: %v", err)
	}
	return totals
}

func (d *desk) flush(t *testing.T) {
	t.Helper()
	if err := d.Flush(t.Context()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func TestTotalsSurviveARestart(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Used(key("e", "a", 1))
	d.Used(key("e", "a", 1))
	d.Failed(key("e", "a", 1))
	d.Used(key("other", "a", 1))
	d.flush(t)
	d.now = at.Add(time.Minute)
	d.Used(key("e", "b", 2))
	want := []activity.Total{
		{Key: key("e", "b", 2), Used: 1, Last: at.Add(time.Minute)},
		{Key: key("e", "a", 1), Used: 2, Failed: 1, Last: at},
	}
	if diff := cmp.Diff(want, d.totals(t, "e"), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("before the restart (-want +got):\n%s", diff)
	}
	d.flush(t)
	d.store.Close()
	d.open(t)
	if diff := cmp.Diff(want, d.totals(t, "e"), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("after the restart (-want +got):\n%s", diff)
	}
}

func TestReportThatWasNotAnsweredIsSentAgainUnderItsID(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Used(key("e", "a", 1))
	d.Used(key("f", "a", 1)) // the vault does not learn the endpoint
	d.away = true
	if err := d.Flush(t.Context()); err == nil {
		t.Error("Flush returns no error for an unreachable vault")
	}
	d.away = false
	d.flush(t)
	d.flush(t)
	if len(d.sent) != 1 {
		t.Fatalf("the vault was sent %d reports, want 1", len(d.sent))
	}
	for _, uses := range d.sent {
		want := []activity.Total{{Key: key("", "a", 1), Used: 2, Last: at}}
		if diff := cmp.Diff(want, uses, cmpopts.EquateApproxTime(0)); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
	}
}

func TestReportsHoldThirtyUses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for version := range uint32(70) {
		d.Failed(key("e", "a", version+1))
	}
	d.flush(t)
	sizes, uses := 0, 0
	for _, report := range d.sent {
		sizes = max(sizes, len(report))
		uses += len(report)
	}
	if sizes != 30 || uses != 70 {
		t.Errorf("the reports hold %d uses, the largest %d, want 70 and 30", uses, sizes)
	}
	if got := len(d.totals(t, "e")); got != 64 {
		t.Errorf("Totals returns %d versions, want 64", got)
	}
}

func TestForgottenEndpointLeavesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for version := range uint32(70) {
		d.Used(key("e", "a", version+1))
	}
	d.Used(key("f", "a", 1))
	d.flush(t)
	d.Used(key("e", "a", 1))
	if err := d.Forget(t.Context(), "e"); err != nil {
		t.Fatalf("Forget: %v", err)
	}
	if got := d.totals(t, "e"); len(got) != 0 {
		t.Errorf("the forgotten endpoint has %d totals", len(got))
	}
	if got := d.totals(t, "f"); len(got) != 1 {
		t.Errorf("the other endpoint has %d totals, want 1", len(got))
	}
}

func TestNothingIsLostBetweenCountingAndFlushing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 1000 {
				d.Used(key("e", "a", 1))
			}
		})
	}
	for range 20 {
		d.flush(t)
	}
	callers.Wait()
	d.flush(t)
	if got := d.totals(t, "e"); len(got) != 1 || got[0].Used != 8000 {
		t.Errorf("Totals = %+v, want 8,000 uses", got)
	}
}

func TestLastFailuresAreRemembered(t *testing.T) {
	t.Parallel()
	failures, err := activity.NewFailures()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		failures.Add("e", activity.Failure{Stage: "decrypt", Bytes: i})
	}
	got := failures.Of("e")
	if len(got) != 16 || got[0].Bytes != 19 || got[15].Bytes != 4 {
		t.Errorf("Of returns %v, want the last 16, the newest first", got)
	}
	for i := range 2000 {
		failures.Add(fmt.Sprint(i), activity.Failure{})
	}
	if got := failures.Of("e"); len(got) != 0 {
		t.Error("the memory of failures has no bounds")
	}
}

func BenchmarkUsed(b *testing.B) {
	meter := activity.New(nil, nil, time.Now)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			meter.Used(key("e", "a", 1))
		}
	})
}

func TestARefusedReportHoldsUpNothingElse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.refused = "workspaces/bad"
	d.Used(activity.Key{Endpoint: "e", Secret: "workspaces/bad/secrets/s", UID: "uid", Version: 1})
	d.Used(key("e", "s", 1))
	if err := d.Flush(t.Context()); !errors.Is(err, activity.ErrRefused) {
		t.Errorf("Flush = %v, want ErrRefused", err)
	}
	taken := 0
	for _, uses := range d.sent {
		if uses[0].Secret == "workspaces/w/secrets/s" {
			taken++
		}
	}
	if taken != 1 {
		t.Errorf("the other workspace's uses were reported %d times, want once", taken)
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Errorf("Flush of nothing = %v: the refused report is kept", err)
	}
}
