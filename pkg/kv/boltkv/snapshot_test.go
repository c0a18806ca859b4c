package boltkv_test

import (
	"bytes"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// snapshotOf returns all rows of a store in their stored form.
func snapshotOf(t *testing.T, db *boltkv.DB) (all []kv.Pair, err error) {
	t.Helper()
	err = db.Snapshot(t.Context(), func(_ kv.Reader, rows iter.Seq2[kv.Pair, error]) error {
		for pair, err := range rows {
			if err != nil {
				return err
			}
			all = append(all, kv.Pair{Key: bytes.Clone(pair.Key), Value: bytes.Clone(pair.Value)})
		}
		return nil
	})
	return all, err
}

func yielded(rows ...kv.Pair) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func TestSnapshotIsWrittenAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	db := openGeneration(t, filepath.Join(folder, "store"), 1)
	keys := []string{"a", "k", "l", "le1", "m", "z"} // in both buckets
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		var errs []error
		for _, key := range keys {
			errs = append(errs, tx.Put([]byte(key), []byte("value of "+key)))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	before, err := snapshotOf(t, db)
	if err != nil || len(before) != len(keys) {
		t.Fatalf("the snapshot has %d rows, %v", len(before), err)
	}
	again := filepath.Join(folder, "again")
	if err := boltkv.Write(again, yielded(before...)); err != nil {
		t.Fatal(err)
	}
	after, err := snapshotOf(t, openGeneration(t, again, 1))
	same := func(a, b kv.Pair) bool { return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) }
	if err != nil || !slices.EqualFunc(before, after, same) {
		t.Errorf("the written store has the rows %q, %v, want %q", after, err, before)
	}
	if err := boltkv.Write(again, yielded(before...)); err == nil {
		t.Error("Write replaced a file")
	}
}

func TestSnapshotHasNoRowThatFailsVerification(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	if err := boltkv.Write(path, yielded(kv.Pair{Key: []byte("a"), Value: bytes.Repeat([]byte{1}, 40)})); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshotOf(t, openGeneration(t, path, 1)); !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("the snapshot with a forged row = %v, want %v", err, kv.ErrCorrupt)
	}
}

func TestWriteRefusesRowsThatAreNoSnapshot(t *testing.T) {
	t.Parallel()
	row := func(key string) kv.Pair { return kv.Pair{Key: []byte(key), Value: []byte("v")} }
	for what, rows := range map[string][]kv.Pair{
		"a row twice":     {row("a"), row("a")},
		"no order":        {row("b"), row("a")},
		"an empty key":    {row("")},
		"an empty value":  {{Key: []byte("a")}},
		"a key too large": {row(string(bytes.Repeat([]byte{'k'}, kv.MaxKey+1)))},
	} {
		if err := boltkv.Write(filepath.Join(t.TempDir(), "store"), yielded(rows...)); !errors.Is(err, boltkv.ErrRows) {
			t.Errorf("%s: Write = %v, want %v", what, err, boltkv.ErrRows)
		}
	}
}
