package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/kv"
)

// A journal is a log that numbers its records and stores them in the order they
// arrive. Some records trigger behavior that a check needs.
type journal struct{}

// Records with a meaning.
const (
	failRecord   = "fail"
	appendRecord = "append"
	bulkRecord   = "bulk"
	// bulkWrites is more than a transaction may write.
	bulkWrites = 3 * kv.MaxOps
)

func journalKey(n int) string { return fmt.Sprintf("journal %06d", n) }

// Integrate implements [kv.Log].
func (j *journal) Integrate(tx kv.Tx, records [][]byte) error {
	next, err := journalSize(tx)
	if err != nil {
		return err
	}
	for _, record := range records {
		switch string(record) {
		case failRecord:
			err = errTest
		case appendRecord:
			if err = tx.Append(logName, record); err == nil {
				err = errors.New("kvtest: a log may append while it integrates")
			}
		case bulkRecord:
			err = bulk(tx)
		}
		if err != nil {
			return err
		}
		if err := putAll(tx, journalKey(next), string(record)); err != nil {
			return err
		}
		next++
	}
	return nil
}

func journalSize(r kv.Reader) (int, error) {
	newest := kv.Prefix([]byte("journal "), 1)
	newest.Reverse = true
	for p, err := range r.Scan(newest) {
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(string(bytes.TrimPrefix(p.Key, []byte("journal "))))
		return n + 1, err
	}
	return 0, nil
}

// bulk writes more than a transaction may, walks over it and deletes the half.
func bulk(tx kv.Tx) error {
	for i := range bulkWrites {
		if err := tx.Put(fmt.Appendf(nil, "bulk %06d", i), make([]byte, kv.MaxBytes/kv.MaxOps)); err != nil {
			return err
		}
	}
	for _, reverse := range []bool{false, true} {
		seen := 0
		scan := kv.Prefix([]byte("bulk "), 2*bulkWrites)
		scan.Reverse = reverse
		for p, err := range tx.Scan(scan) {
			if err != nil {
				return err
			}
			seen++
			if reverse && seen%2 == 0 {
				err = tx.Delete(p.Key)
			} else {
				err = tx.Put(p.Key, nil)
			}
			if err != nil {
				return err
			}
		}
		if seen != bulkWrites {
			return fmt.Errorf("a log's scan sees %d of %d writes, reverse %t", seen, bulkWrites, reverse)
		}
	}
	return nil
}

// appendRecords appends one record in an update of its own.
func appendRecords(t *testing.T, s kv.Store, records ...string) error {
	t.Helper()
	return s.Update(t.Context(), func(tx kv.Tx) error {
		for _, record := range records {
			if err := errors.Join(putAll(tx, "by "+record, ""), tx.Append(logName, []byte(record))); err != nil {
				return err
			}
		}
		return nil
	})
}

// count appends the number that it counts up to, twice. It knows the position of each record
// before the commit.
func count(tx kv.Tx) error {
	n, err := number(tx, "n")
	if err != nil {
		return err
	}
	text := strconv.Itoa(n)
	return errors.Join(
		add(tx, "n", 1),
		expectPosition(tx, 2*n), tx.Append(logName, []byte(text)),
		expectPosition(tx, 2*n+1), tx.Append(logName, []byte(text+"'")),
	)
}

// expectPosition fails unless the next record of the transaction gets a position in the log.
func expectPosition(tx kv.Tx, want int) error {
	size, err := journalSize(tx)
	if got := size + tx.Appended(logName); err == nil && got != want {
		return fmt.Errorf("the next record is expected at %d, want %d", got, want)
	}
	return err
}

// recordsAreOrdered compares the order of the records with that of the transactions,
// which each transaction knows from the number it counts up.
func recordsAreOrdered(t *testing.T, s *subject) {
	const callers, times = 8, 10
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range times {
				if err := s.Update(t.Context(), count); err != nil {
					t.Errorf("Update = %v", err)
				}
			}
		})
	}
	wg.Wait()
	var want []string
	for n := range callers * times {
		want = append(want, fmt.Sprintf("%s=%d", journalKey(2*n), n), fmt.Sprintf("%s=%d'", journalKey(2*n+1), n))
	}
	want = append(want, fmt.Sprintf("n=%d", callers*times))
	if diff := cmp.Diff(want, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func recordsAreAtomic(t *testing.T, s *subject) {
	const updates = 50
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range updates {
			if err := s.Update(t.Context(), count); err != nil {
				t.Errorf("Update = %v", err)
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		err := s.View(t.Context(), func(r kv.Reader) error {
			n, err := number(r, "n")
			size, errSize := journalSize(r)
			if size != 2*n {
				t.Errorf("a view sees %d transactions and %d records", n, size)
			}
			return errors.Join(err, errSize)
		})
		if err != nil {
			t.Errorf("View = %v", err)
		}
	}
}

func failedRecordsVanish(t *testing.T, s *subject) {
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		return errors.Join(tx.Append(logName, []byte("lost")), errTest)
	})
	if !errors.Is(err, errTest) {
		t.Errorf("Update = %v, want %v", err, errTest)
	}
	if err := appendRecords(t, s, "kept"); err != nil {
		t.Errorf("Update = %v", err)
	}
	if diff := cmp.Diff([]string{"by kept=", journalKey(0) + "=kept"}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func failingLogFailsCommit(t *testing.T, s *subject) {
	if err := appendRecords(t, s, "lost", failRecord); !errors.Is(err, errTest) {
		t.Errorf("Update = %v, want %v", err, errTest)
	}
	if err := appendRecords(t, s, "kept"); err != nil {
		t.Errorf("Update = %v", err)
	}
	if diff := cmp.Diff([]string{"by kept=", journalKey(0) + "=kept"}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func unknownLogIsRefused(t *testing.T, s *subject) {
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		if err := putAll(tx, "lost", ""); err != nil {
			return err
		}
		if err := tx.Append("unknown", nil); err == nil {
			t.Error("Append to a log that is not attached succeeds")
		}
		return nil
	})
	if err == nil {
		t.Error("Update = nil, want an error")
	}
	if got := contents(t, s); got != nil {
		t.Errorf("contents = %q, want nothing", got)
	}
}

func logWritesFreely(t *testing.T, s *subject) {
	if err := appendRecords(t, s, bulkRecord); err != nil {
		t.Fatalf("Update = %v", err)
	}
	if got, want := len(contents(t, s)), bulkWrites/2+2; got != want {
		t.Errorf("%d pairs are stored, want %d", got, want)
	}
}

func logCannotAppend(t *testing.T, s *subject) {
	if err := appendRecords(t, s, appendRecord); err == nil {
		t.Error("Update = nil, want the error of Append")
	}
	if got := contents(t, s); got != nil {
		t.Errorf("contents = %q, want nothing", got)
	}
}
