package changelog_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// The log in the file is from before there were listings. It has eight entries, committed
// as a/x, a/y, then b/x, a/x and a/z together, then a/x, then b/y twice together.
func TestLogFromBeforeListingsIsReadAndExtended(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	restore(t, store, filepath.Join("testdata", "format1.txt"))
	verify(t, store, changes)
	if got := head(t, store, changes); got.Size != 8 {
		t.Errorf("size = %d, want 8", got.Size)
	}
	expectListed(t, store, changelog.Query{Scope: "workspaces/a", Limit: 9}, 5, 4, 3, 1, 0)
	expectListed(t, store, changelog.Query{Resource: "workspaces/b/secrets/y", Limit: 9}, 7, 6)
	if got, next := follow(t, store, "workspaces/b", 3, 9); !slices.Equal(got, []uint64{6, 7}) || next != 8 {
		t.Errorf("Follow() = %v, %d, want 6 and 7, and to go on at 8", got, next)
	}

	appendTogether(t, store, changes, "a x", "b y", "a x", "a z")
	verify(t, store, changes)
	expectListed(t, store, changelog.Query{Scope: "workspaces/a", Limit: 9}, 11, 10, 8, 5, 4, 3, 1, 0)
	expectListed(t, store, changelog.Query{Resource: "workspaces/a/secrets/x", Limit: 3}, 10, 8, 5)
	expectListed(t, store, changelog.Query{Resource: "workspaces/a/secrets/x", Before: new(uint64(10)), Limit: 3}, 8, 5, 3)
	if got, next := follow(t, store, "workspaces/a", 4, 4); !slices.Equal(got, []uint64{4, 5, 8, 10}) || next != 11 {
		t.Errorf("Follow() = %v, %d, want 4, 5, 8 and 10, and to go on at 11", got, next)
	}
}

func TestVerifyNoticesEachChangedByteOfAnOldLog(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	restore(t, store, filepath.Join("testdata", "format1.txt"))
	verifyNoticesEachByte(t, store, changes)
}

// A program from before listings looks at the format first and refuses the head.
func TestExtendedLogIsOfTheFormatThatHasListings(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	restore(t, store, filepath.Join("testdata", "format1.txt"))
	for _, want := range []byte{1, 2} {
		if got := get(t, store, kv.NewKey("lh")); got[0] != want {
			t.Errorf("format of the head = %d, want %d", got[0], want)
		}
		appendEntry(t, store, changes, entry("a", "x"))
	}
}

// restore puts into a store what a file lists, a key and a value a line.
func restore(t *testing.T, store kv.Store, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = store.Update(t.Context(), func(tx kv.Tx) error {
		for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), " ")
			k, err := hex.DecodeString(key)
			if err != nil {
				return err
			}
			v, err := hex.DecodeString(value)
			if err != nil {
				return err
			}
			if err := tx.Put(moved(t, k), v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// moved returns the present key of a row of the first release.
func moved(t *testing.T, key kv.Key) kv.Key {
	t.Helper()
	space, rest, err := kv.CutText(key)
	if err != nil {
		t.Fatal(err)
	}
	switch space {
	case "change":
		return append(kv.NewKey("le"), rest...)
	case "change-by-scope":
		return append(kv.NewKey("la"), rest...)
	case "change-head":
		return kv.NewKey("lh")
	case "witness":
		return key
	}
	name, sequence, err := kv.CutText(rest)
	own, ok := resource.Key(name)
	if err != nil || !ok {
		t.Fatalf("the key %q has no resource", key)
	}
	return append(append(own, 'l'), sequence...)
}

func expectListed(t *testing.T, store kv.Store, q changelog.Query, want ...uint64) {
	t.Helper()
	var got []uint64
	for _, e := range list(t, store, q) {
		got = append(got, e.Sequence)
	}
	if !slices.Equal(got, want) {
		t.Errorf("List(%+v) = %v, want %v", q, got, want)
	}
}

// appendTogether appends entries, each given as workspace and id, in one transaction.
func appendTogether(t *testing.T, store kv.Store, changes *changelog.Log, of ...string) {
	t.Helper()
	err := store.Update(t.Context(), func(tx kv.Tx) error {
		for _, each := range of {
			workspace, id, _ := strings.Cut(each, " ")
			if err := changes.Append(tx, entry(workspace, id), changelog.Row{Value: []byte("state")}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
