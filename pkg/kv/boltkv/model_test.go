package boltkv_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// dice are random enough for a test, and the same in every run (SplitMix64).
type dice uint64

func (d *dice) roll(sides int) int {
	*d += 0x9E3779B97F4A7C15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return int((z ^ z>>31) % uint64(sides))
}

// An episode is what one update did and saw.
type episode struct {
	order int
	steps []step
}

// A step is one operation and its result, as text.
type step struct {
	put, remove, get string
	value            string
	scan             kv.Range
	saw              string
}

// TestUpdatesAreSerializable has many callers do anything, and then does the same to
// a map in the order of a counter that every update increments: each read must have
// seen what the map holds at its time, and the store must hold what the map does.
func TestUpdatesAreSerializable(t *testing.T) {
	t.Parallel()
	const callers, updates, rounds = 12, 40, 3
	path := filepath.Join(t.TempDir(), "store")
	model := make(map[string]string)
	for round := range rounds {
		db := open(t, path, boltkv.Options{})
		var mu sync.Mutex
		var episodes []episode
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				d := dice(1 + round*callers + caller)
				for range updates {
					if e, ok := liveThrough(t, db, &d); ok {
						mu.Lock()
						episodes = append(episodes, e)
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		sort.Slice(episodes, func(i, j int) bool { return episodes[i].order < episodes[j].order })
		for _, e := range episodes {
			replay(t, model, e)
		}
		if got, want := describe(t, db), describeModel(model, kv.Range{Limit: 1 << 20}); got != want {
			t.Errorf("round %d: the store holds\n%s\nwant\n%s", round, got, want)
		}
		must(t, db.Close())
	}
}

// liveThrough makes one update of random steps, and reports whether it was committed.
func liveThrough(t *testing.T, db *boltkv.DB, d *dice) (e episode, ok bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seed, fail := dice(d.roll(1<<60)), d.roll(5) == 0
	if d.roll(10) == 0 {
		go cancel()
	}
	err := db.Update(ctx, func(tx kv.Tx) (err error) {
		own := seed // a function may run again
		if e, err = act(tx, &own); err == nil && fail {
			err = errTest
		}
		return err
	})
	if err != nil && !fail && ctx.Err() == nil {
		t.Errorf("Update = %v", err)
	}
	return e, err == nil
}

func act(tx kv.Tx, d *dice) (e episode, err error) {
	if e.order, err = tick(tx); err != nil {
		return e, err
	}
	for range 1 + d.roll(15) {
		key := fmt.Sprintf("key %02d", d.roll(40))
		s := step{}
		switch d.roll(6) {
		case 0, 1:
			s.put, s.value = key, strings.Repeat("v", d.roll(900))+strconv.Itoa(d.roll(1000))
			err = tx.Put([]byte(key), []byte(s.value))
		case 2, 3:
			s.remove = key
			err = tx.Delete([]byte(key))
		case 4:
			s.get = key
			var v []byte
			if v, err = tx.Get([]byte(key)); err == kv.ErrNotFound { //nolint:errorlint // Get promises this very error
				err = nil
			}
			s.saw = string(v)
		default:
			s.scan = kv.Range{Start: []byte(key), End: []byte("l"), Limit: 1 + d.roll(50), Reverse: d.roll(2) == 0}
			s.saw, err = see(tx, s.scan)
		}
		if err != nil {
			return e, err
		}
		e.steps = append(e.steps, s)
	}
	return e, nil
}

// tick increments the counter that tells the order of the updates.
func tick(tx kv.Tx) (n int, err error) {
	v, err := tx.Get([]byte("counter"))
	if err == nil {
		n, err = strconv.Atoi(string(v))
	}
	if err != nil && err != kv.ErrNotFound { //nolint:errorlint // Get promises this very error
		return 0, err
	}
	return n, tx.Put([]byte("counter"), []byte(strconv.Itoa(n+1)))
}

func see(r kv.Reader, within kv.Range) (string, error) {
	var b strings.Builder
	for p, err := range r.Scan(within) {
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s=%s\n", p.Key, p.Value)
	}
	return b.String(), nil
}

func describe(t *testing.T, db *boltkv.DB) (text string) {
	t.Helper()
	must(t, db.View(t.Context(), func(r kv.Reader) (err error) {
		text, err = see(r, kv.Range{Limit: 1 << 20})
		return err
	}))
	return text
}

// replay does to the model what an update did to the store.
func replay(t *testing.T, model map[string]string, e episode) {
	t.Helper()
	if got := model["counter"]; got != strconv.Itoa(e.order) && e.order != 0 {
		t.Errorf("update %d follows %s", e.order, got)
	}
	model["counter"] = strconv.Itoa(e.order + 1)
	for i, s := range e.steps {
		want := ""
		switch {
		case s.put != "":
			model[s.put] = s.value
		case s.remove != "":
			delete(model, s.remove)
		case s.get != "":
			want = model[s.get]
		default:
			want = describeModel(model, s.scan)
		}
		if s.saw != want {
			t.Errorf("update %d, step %d (get %q, scan %+v) saw\n%s\nwant\n%s", e.order, i, s.get, s.scan, s.saw, want)
		}
	}
}

func describeModel(model map[string]string, r kv.Range) string {
	keys := slices.Sorted(maps.Keys(model))
	if r.Reverse {
		slices.Reverse(keys)
	}
	var b strings.Builder
	n := 0
	for _, key := range keys {
		if n < r.Limit && key >= string(r.Start) && (r.End == nil || key < string(r.End)) {
			fmt.Fprintf(&b, "%s=%s\n", key, model[key])
			n++
		}
	}
	return b.String()
}
