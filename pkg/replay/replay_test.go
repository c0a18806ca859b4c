package replay_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/replay"
)

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func TestSecondRequestIsRecognised(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger()
	store := newStore(t)
	first := request(t, ledger, "ann", "Create", "id-1", "value")
	if resource, seen := lookup(t, store, ledger, first); seen {
		t.Errorf("Lookup() before the change = %q, want not seen", resource)
	}
	record(t, store, ledger, first, "secrets/a")
	again := request(t, ledger, "ann", "Create", "id-1", "value")
	if resource, seen := lookup(t, store, ledger, again); !seen || resource != "secrets/a" {
		t.Errorf("Lookup() after the change = %q, %t, want secrets/a", resource, seen)
	}
}

func TestIdsAreScopedToCallerAndMethod(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger()
	store := newStore(t)
	record(t, store, ledger, request(t, ledger, "ann", "Create", "id-1", "value"), "secrets/a")
	for name, req := range map[string]replay.Request{
		"another caller":                   request(t, ledger, "bob", "Create", "id-1", "value"),
		"another method":                   request(t, ledger, "ann", "Update", "id-1", "value"),
		"another id":                       request(t, ledger, "ann", "Create", "id-2", "value"),
		"parts that run together the same": request(t, ledger, "annC", "reate", "id-1", "value"),
	} {
		if resource, seen := lookup(t, store, ledger, req); seen {
			t.Errorf("%s: Lookup() = %q, want not seen", name, resource)
		}
	}
}

func TestWhatIsUsedOnceIsSoForEverybody(t *testing.T) {
	t.Parallel()
	ledger, clock := newLedger()
	store := newStore(t)
	record(t, store, ledger, ledger.Once("ticket", []byte("4711")), "secrets/a")
	if _, seen := lookup(t, store, ledger, ledger.Once("ticket", []byte("4711"))); !seen {
		t.Error("Lookup() of what was used does not recognize it")
	}
	for name, req := range map[string]replay.Request{
		"another thing":   ledger.Once("ticket", []byte("4712")),
		"another purpose": ledger.Once("voucher", []byte("4711")),
		"a request":       request(t, ledger, "once", "ticket", "4711", "4711"),
	} {
		if resource, seen := lookup(t, store, ledger, req); seen {
			t.Errorf("%s: Lookup() = %q, want not seen", name, resource)
		}
	}
	*clock = noon.Add(replay.Lifetime)
	if _, seen := lookup(t, store, ledger, ledger.Once("ticket", []byte("4711"))); seen {
		t.Error("Lookup() after a day recognizes what was used")
	}
}

func TestReusedIdIsRefused(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger()
	store := newStore(t)
	record(t, store, ledger, request(t, ledger, "ann", "Create", "id-1", "value"), "secrets/a")
	err := store.View(t.Context(), func(r kv.Reader) error {
		_, _, err := ledger.Lookup(r, request(t, ledger, "ann", "Create", "id-1", "canary-4711"))
		return err
	})
	if !fault.Is(err, fault.RequestIDReused) || bytes.Contains([]byte(err.Error()), []byte("canary")) {
		t.Errorf("Lookup(another request) = %v, want REQUEST_ID_REUSED", err)
	}
}

func TestRequestWithoutIdIsNeverAReplay(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger()
	store := newStore(t)
	for range 2 {
		req := request(t, ledger, "ann", "Create", "", "value")
		if resource, seen := lookup(t, store, ledger, req); seen {
			t.Errorf("Lookup(no id) = %q, want not seen", resource)
		}
		record(t, store, ledger, req, "secrets/a")
	}
	if got := dump(t, store); len(got) != 0 {
		t.Errorf("requests without id left %d records, want none", len(got))
	}
}

func TestRecordsAreForgottenAfterADay(t *testing.T) {
	t.Parallel()
	ledger, clock := newLedger()
	store := newStore(t)
	req := request(t, ledger, "ann", "Create", "id-1", "value")
	record(t, store, ledger, req, "secrets/a")

	*clock = noon.Add(replay.Lifetime - time.Second)
	if _, seen := lookup(t, store, ledger, req); !seen {
		t.Error("Lookup() within a day does not recognize the request")
	}
	*clock = noon.Add(replay.Lifetime)
	if resource, seen := lookup(t, store, ledger, req); seen {
		t.Errorf("Lookup() after a day = %q, want not seen", resource)
	}
	// The idempotency key may be used again, for anything.
	other := request(t, ledger, "ann", "Create", "id-1", "other")
	record(t, store, ledger, other, "secrets/b")
	*clock = clock.Add(time.Hour)
	record(t, store, ledger, request(t, ledger, "ann", "Create", "id-2", "value"), "secrets/c")
	if resource, seen := lookup(t, store, ledger, other); !seen || resource != "secrets/b" {
		t.Errorf("Lookup() of the newer request = %q, %t, want secrets/b: cleaning up took it away", resource, seen)
	}
}

func TestOldRecordsDoNotPileUp(t *testing.T) {
	t.Parallel()
	ledger, clock := newLedger()
	store := newStore(t)
	for i := range 30 {
		record(t, store, ledger, request(t, ledger, "ann", "Create", fmt.Sprint(i), "value"), "secrets/a")
	}
	*clock = noon.Add(replay.Lifetime + time.Second)
	for i := range 30 {
		record(t, store, ledger, request(t, ledger, "ann", "Create", fmt.Sprint("later", i), "value"), "secrets/a")
	}
	if got := len(dump(t, store)); got != 60 {
		t.Errorf("the store holds %d keys, want 2 for each of the 30 requests of today", got)
	}
}

func TestRecordFitsBesideAChange(t *testing.T) {
	t.Parallel()
	ledger, clock := newLedger()
	store := newStore(t)
	for i := range 3 {
		record(t, store, ledger, request(t, ledger, "ann", "Create", fmt.Sprint(i), "value"), "secrets/a")
	}
	*clock = noon.Add(replay.Lifetime + time.Second)
	err := store.Update(t.Context(), func(tx kv.Tx) error {
		for i := range kv.MaxOps - 6 {
			if err := tx.Put(kv.NewKey("x").Uint(uint64(i)), nil); err != nil {
				return err
			}
		}
		return ledger.Record(tx, request(t, ledger, "ann", "Create", "later", "value"), "secrets/b")
	})
	if err != nil {
		t.Errorf("Record() beside %d writes = %v, want it to make at most 6", kv.MaxOps-6, err)
	}
}

func TestRecordsTellNothingOfTheRequest(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger()
	store := newStore(t)
	record(t, store, ledger, request(t, ledger, "ann-4711", "Create", "id-4711", "canary-4711"), "secrets/a")
	other := replay.NewLedger([32]byte{2}, func() time.Time { return noon })
	record(t, store, other, request(t, other, "ann-4711", "Create", "id-4711", "canary-4711"), "secrets/a")
	pairs := dump(t, store)
	if len(pairs) != 4 {
		t.Errorf("two keys made %d records of one request, want 4 that differ", len(pairs))
	}
	for _, pair := range pairs {
		if bytes.Contains(pair.Key, []byte("4711")) || bytes.Contains(pair.Value, []byte("4711")) {
			t.Errorf("a record shows the request: %q", pair)
		}
	}
}

func TestMalformedRecordIsAnErrorAndNoReplay(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger()
	for name, bend := range map[string]func([]byte) []byte{
		"empty":          func([]byte) []byte { return nil },
		"cut short":      func(value []byte) []byte { return value[:40] },
		"unknown format": func(value []byte) []byte { return append([]byte{99}, value[1:]...) },
	} {
		store := newStore(t)
		req := request(t, ledger, "ann", "Create", "id-1", "value")
		record(t, store, ledger, req, "secrets/a")
		stored := dump(t, store)
		err := store.Update(t.Context(), func(tx kv.Tx) error {
			for _, pair := range stored {
				if len(pair.Value) != 0 {
					return tx.Put(pair.Key, bend(pair.Value))
				}
			}
			return errors.New("no record found")
		})
		if err != nil {
			t.Fatal(err)
		}
		err = store.View(t.Context(), func(r kv.Reader) error {
			_, _, err := ledger.Lookup(r, req)
			return err
		})
		if _, ok := fault.From(err); err == nil || ok {
			t.Errorf("%s: Lookup() = %v, want an opaque error", name, err)
		}
	}
}

// newLedger returns a ledger and the hand of its clock.
func newLedger() (*replay.Ledger, *time.Time) {
	now := noon
	return replay.NewLedger([32]byte{1}, func() time.Time { return now }), &now
}

func newStore(t testing.TB) kv.Store {
	t.Helper()
	store, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func request(t testing.TB, ledger *replay.Ledger, caller, method, id, content string) replay.Request {
	t.Helper()
	req, err := ledger.Request(caller, method, id, wrapperspb.String(content))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func lookup(t testing.TB, store kv.Store, ledger *replay.Ledger, req replay.Request) (resource string, seen bool) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) (err error) {
		resource, seen, err = ledger.Lookup(r, req)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return resource, seen
}

func record(t testing.TB, store kv.Store, ledger *replay.Ledger, req replay.Request, resource string) {
	t.Helper()
	err := store.Update(t.Context(), func(tx kv.Tx) error { return ledger.Record(tx, req, resource) })
	if err != nil {
		t.Fatal(err)
	}
}

func dump(t testing.TB, store kv.Store) (pairs []kv.Pair) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) error {
		for pair, err := range r.Scan(kv.Range{Limit: 1000}) {
			if err != nil {
				return err
			}
			pairs = append(pairs, pair)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pairs
}

func TestClockThatIsSetBackForgetsNothing(t *testing.T) {
	t.Parallel()
	ledger, clock := newLedger()
	store := newStore(t)
	req := request(t, ledger, "ann", "Create", "id-1", "value")
	record(t, store, ledger, req, "secrets/a")
	*clock = noon.Add(-3 * replay.Lifetime)
	early := request(t, ledger, "ann", "Create", "id-2", "value")
	record(t, store, ledger, early, "secrets/b")
	for _, r := range []replay.Request{req, early} {
		if _, seen := lookup(t, store, ledger, r); !seen {
			t.Error("Lookup() while the clock is wrong does not recognize the request")
		}
	}
	*clock = noon
	record(t, store, ledger, request(t, ledger, "ann", "Create", "id-3", "value"), "secrets/c")
	if _, seen := lookup(t, store, ledger, req); !seen {
		t.Error("Lookup() after the clock was set right does not recognize the request")
	}
}
