// Package kvtest checks that a [kv.Store] keeps its promises, and makes stores fail on purpose.
//
// A backend tests itself with one call of [Run] and a function that opens it. The checks need only
// the promises of package kv: a backend may run updates one after the other, or let them overlap
// and run conflicting ones again.
//
// [Rerun] and [Faulty] wrap a store for the tests of its users: Rerun finds functions that must
// not run twice, and Faulty makes operations fail.
package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
)

// An Open opens the store in a directory, and creates it in an empty one. It ends the test if it
// fails. The caller closes the store.
type Open func(t testing.TB, dir string, logs map[string]kv.Log) kv.Store

// Run runs all checks, each on a new store.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, *subject){
		"a failed update leaves no trace":                        failedUpdateLeavesNoTrace,
		"a panic reaches the caller and leaves no trace":         panicReachesCaller,
		"a function that ends its goroutine leaves no trace":     exitLeavesNoTrace,
		"failures do not touch the updates around them":          failuresAreIsolated,
		"a transaction up to the limits is accepted":             limitsAreInclusive,
		"a transaction beyond the limits leaves no trace":        beyondLimitsLeavesNoTrace,
		"a missing key is not found, an empty value is":          missingIsNotFound,
		"a key is deleted, also twice":                           deleteIsIdempotent,
		"scans are ordered by key bytes":                         scanIsOrdered,
		"scans keep to their bounds and limit":                   scanIsBounded,
		"scans cross the growing keys in order":                  scanCrossesGrowing,
		"scans of groups pass over the rest of a group":          scanGroups,
		"an update sees its own writes":                          readYourWrites,
		"an update sees its own writes in scans":                 scanYourWrites,
		"a scan may change what it walks over":                   scanWhileWriting,
		"bytes that come out belong to the caller":               returnedBytesAreOwned,
		"bytes that go in may be reused":                         passedBytesMayBeReused,
		"a view sees one state":                                  viewIsSnapshot,
		"a view sees all updates that returned before it":        viewSeesWhatReturned,
		"an update is visible as a whole":                        updateIsAtomicToViews,
		"concurrent increments all count":                        incrementsAllCount,
		"a key inserted into a scanned range conflicts":          noPhantomInsert,
		"a key deleted from a scanned range conflicts":           noPhantomDelete,
		"two updates do not skew what both have read":            noWriteSkew,
		"an update whose context has ended is not run":           endedContextIsNotRun,
		"an update that reports a cancellation is not applied":   cancelIsClean,
		"a closed store refuses work":                            closedStoreRefuses,
		"closing waits for updates under way":                    closeWaits,
		"reopening the store shows what was committed":           reopenShowsCommits,
		"a store that was not closed shows what was committed":   crashShowsCommits,
		"records reach the log in the order of the transactions": recordsAreOrdered,
		"records become visible with their transaction":          recordsAreAtomic,
		"records of failed updates never reach the log":          failedRecordsVanish,
		"a log that fails lets the commit fail":                  failingLogFailsCommit,
		"a record for a log that is not attached is refused":     unknownLogIsRefused,
		"a log is not bound by the limits and sees its writes":   logWritesFreely,
		"a log cannot append":                                    logCannotAppend,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, newSubject(t, open))
		})
	}
}

// logName is the log that each store under test has.
const logName = "journal"

// A subject is a store under test and what it takes to open it again.
type subject struct {
	kv.Store
	open    Open
	dir     string
	journal *journal
}

func newSubject(t *testing.T, open Open) *subject {
	t.Helper()
	s := &subject{open: open, dir: t.TempDir(), journal: &journal{}}
	s.Store = s.openIn(t, s.dir)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return s
}

func (s *subject) openIn(t testing.TB, dir string) kv.Store {
	t.Helper()
	return s.open(t, dir, map[string]kv.Log{logName: s.journal})
}

// put writes pairs of keys and values in one update.
func put(t testing.TB, store kv.Store, pairs ...string) {
	t.Helper()
	err := store.Update(context.Background(), func(tx kv.Tx) error { return putAll(tx, pairs...) })
	if err != nil {
		t.Fatalf("Update(put %q) = %v", pairs, err)
	}
}

func putAll(tx kv.Tx, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := tx.Put([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
			return fmt.Errorf("put %q: %w", pairs[i], err)
		}
	}
	return nil
}

// all is a range of everything that a test writes.
func all() kv.Range { return kv.Range{Limit: 1 << 20} }

// collect returns a range as `key=value` strings.
func collect(r kv.Reader, within kv.Range) ([]string, error) {
	var pairs []string
	for p, err := range r.Scan(within) {
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, string(p.Key)+"="+string(p.Value))
	}
	return pairs, nil
}

// contents returns everything in the store.
func contents(t testing.TB, store kv.Store) []string {
	t.Helper()
	var pairs []string
	err := store.View(context.Background(), func(r kv.Reader) (err error) {
		pairs, err = collect(r, all())
		return err
	})
	if err != nil {
		t.Fatalf("View = %v", err)
	}
	return pairs
}

var errTest = errors.New("kvtest: an error of the test")
