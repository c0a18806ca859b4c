package changelog_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

func TestHeadIsASignedCheckpointOfTheTree(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	verifier, err := note.NewVerifier(changes.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	if got := head(t, store, changes); got.Size != 0 || got.Note != nil {
		t.Errorf("Head() of an empty log = %+v, want none", got)
	}
	for size := range 40 {
		appendEntry(t, store, changes, entry("a", fmt.Sprint(size)))
		want := merkleRoot(leaves(t, store))
		got := head(t, store, changes)
		if got.Size != uint64(size+1) || got.Root != want {
			t.Errorf("Head() after %d entries = %d, %v, want root %v", size+1, got.Size, got.Root, want)
		}
		opened, err := note.Open(got.Note, note.VerifierList(verifier))
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("keyward.dev/vault\n%d\n%v\n", size+1, want); opened.Text != text {
			t.Errorf("the note of the head says %q, want %q", opened.Text, text)
		}
	}
	verify(t, store, changes)
}

// Proofs of the tree are made from stored hashes; those must be where tlog looks.
func TestStoredHashesProveEntriesAndGrowth(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	const size = 21
	var roots []tlog.Hash
	for i := range size {
		appendEntry(t, store, changes, entry("a", fmt.Sprint(i)))
		roots = append(roots, head(t, store, changes).Root)
	}
	all := leaves(t, store)
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range indexes {
			level, number := tlog.SplitStoredHashIndex(index)
			value := get(t, store, entryKey((number+1)<<level-1))
			hashes = append(hashes, tlog.Hash(value[2+32*level:][:32]))
		}
		return hashes, nil
	})
	for i := range int64(size) {
		record, err := tlog.ProveRecord(size, i, reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(record, size, roots[size-1], i, tlog.RecordHash(all[i])); err != nil {
			t.Errorf("proof of entry %d: %v", i, err)
		}
		growth, err := tlog.ProveTree(size, i+1, reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(growth, size, roots[size-1], i+1, roots[i]); err != nil {
			t.Errorf("proof of growth from %d: %v", i+1, err)
		}
	}
}

func TestVerifyNoticesEachChangedByte(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	for i := range 4 {
		appendEntry(t, store, changes, entry("a", fmt.Sprint(i)))
	}
	appendTogether(t, store, changes, "a 0", "b 0", "a 0", "a 1")
	verifyNoticesEachByte(t, store, changes)
}

func verifyNoticesEachByte(t *testing.T, store kv.Store, changes *changelog.Log) {
	t.Helper()
	verify(t, store, changes)
	for _, pair := range dump(t, store) {
		for i := range pair.Value {
			changed := bytes.Clone(pair.Value)
			changed[i] ^= 1 << (i % 8)
			expectTampered(t, store, changes, fmt.Sprintf("byte %d of %q", i, pair.Key), func(tx kv.Tx) error {
				return tx.Put(pair.Key, changed)
			})
		}
		expectTampered(t, store, changes, fmt.Sprintf("longer %q", pair.Key), func(tx kv.Tx) error {
			return tx.Put(pair.Key, append(bytes.Clone(pair.Value), 0))
		})
		expectTampered(t, store, changes, fmt.Sprintf("without %q", pair.Key), func(tx kv.Tx) error {
			return tx.Delete(pair.Key)
		})
	}
}

func TestVerifyNoticesForgedKeys(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	for i := range 4 {
		appendEntry(t, store, changes, entry("a", fmt.Sprint(i)))
	}
	first, second := get(t, store, entryKey(0)), get(t, store, entryKey(2))
	for name, forge := range map[string]func(kv.Tx) error{
		"an entry at the end":    func(tx kv.Tx) error { return tx.Put(entryKey(4), first) },
		"an entry far off":       func(tx kv.Tx) error { return tx.Put(entryKey(1<<40), first) },
		"a key that is no entry": func(tx kv.Tx) error { return tx.Put(entryKey(3).Text("x"), first) },
		"entries in another order": func(tx kv.Tx) error {
			return errors.Join(tx.Put(entryKey(0), second), tx.Put(entryKey(2), first))
		},
		"an index key of nothing": func(tx kv.Tx) error {
			return tx.Put(resourceKey("a", "0").Uint(3), nil)
		},
		"an index key before those of a resource": func(tx kv.Tx) error {
			return tx.Put(resourceKey("a", "3").Uint(2), nil)
		},
		"an index key with an entry twice": func(tx kv.Tx) error {
			return tx.Put(resourceKey("a", "3").Uint(0), kv.Key{}.Uint(3))
		},
		"an index key after the end of the log": func(tx kv.Tx) error {
			return tx.Put(resourceKey("a", "2").Uint(7), nil)
		},
		"an entry without its last index key": func(tx kv.Tx) error {
			return errors.Join(
				tx.Delete(scopeKey("workspaces/a").Uint(3)),
				tx.Put(scopeKey("workspaces/b").Uint(3), nil))
		},
		"an entry that two listings name": func(tx kv.Tx) error {
			listing := scopeKey("workspaces/a")
			return errors.Join(tx.Put(listing.Uint(0), kv.Key{}.Uint(1)), tx.Delete(listing.Uint(3)))
		},
		"listings that overlap": func(tx kv.Tx) error {
			listing := scopeKey("workspaces/a")
			return errors.Join(tx.Put(listing.Uint(0), kv.Key{}.Uint(3)), tx.Delete(listing.Uint(3)))
		},
		"an index key that is no text": func(tx kv.Tx) error {
			listing := scopeKey("workspaces/a").Uint(3)
			return errors.Join(tx.Put(append(kv.NewKey("la"), 1), nil), tx.Delete(listing))
		},
	} {
		expectTampered(t, store, changes, name, forge)
	}
}

func TestLogCutShortIsNoticed(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "0"))
	appendEntry(t, store, changes, entry("a", "1"))
	expectTampered(t, store, changes, "without its last entry", func(tx kv.Tx) error {
		return errors.Join(
			tx.Delete(entryKey(1)),
			tx.Delete(scopeKey("workspaces/a").Uint(1)),
			tx.Delete(resourceKey("a", "1").Uint(1)))
	})
	expectTampered(t, store, changes, "without anything but its entries", func(tx kv.Tx) error {
		return tx.Delete(kv.NewKey("lh"))
	})
}

func TestTamperedHeadIsNotExtended(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	for i := range 3 {
		appendEntry(t, store, changes, entry("a", fmt.Sprint(i)))
	}
	key := kv.NewKey("lh")
	good := get(t, store, key)
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 1 << (i % 8)
		put(t, store, key, changed)
		err := store.Update(t.Context(), func(tx kv.Tx) error { return changes.Append(tx, entry("a", "x")) })
		if !errors.Is(err, changelog.ErrTampered) {
			t.Errorf("Update() with byte %d of the head changed = %v, want ErrTampered", i, err)
		}
	}
	put(t, store, key, good)
	appendEntry(t, store, changes, entry("a", "3"))
	verify(t, store, changes)
}

func TestVerifyReadsBeyondOneScan(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	for range 40 {
		err := store.Update(t.Context(), func(tx kv.Tx) error {
			for i := range 60 {
				if err := changes.Append(tx, entry("a", fmt.Sprint(i))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	verify(t, store, changes)
	key := entryKey(2399)
	put(t, store, key, append(get(t, store, key), ' '))
	if err := store.View(t.Context(), changes.Verify); !errors.Is(err, changelog.ErrTampered) {
		t.Errorf("Verify() with a space behind the last entry = %v, want ErrTampered", err)
	}
}

// merkleRoot is the tree hash of RFC 6962, word for word from section 2.1.
func merkleRoot(leaves [][]byte) tlog.Hash {
	if len(leaves) == 1 {
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	left, right := merkleRoot(leaves[:k]), merkleRoot(leaves[k:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// expectTampered checks that Verify notices a change, and puts the store back.
func expectTampered(t *testing.T, store kv.Store, changes *changelog.Log, name string, change func(kv.Tx) error) {
	t.Helper()
	undo := errors.New("undo")
	var got error
	err := store.Update(t.Context(), func(tx kv.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		got = changes.Verify(tx)
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	if !errors.Is(got, changelog.ErrTampered) {
		t.Errorf("%s: Verify() = %v, want ErrTampered", name, got)
	}
}

func entryKey(sequence int64) kv.Key { return kv.NewKey("le").Uint(uint64(sequence)) }

func scopeKey(scope string) kv.Key { return kv.NewKey("la").Text(scope) }

func resourceKey(workspace, id string) kv.Key {
	return append(kv.NewKey("s").Text(workspace).Text(id), 'l')
}

// leaves returns the leaves of all entries, as the drawing of the format has them.
func leaves(t testing.TB, store kv.Store) (leaves [][]byte) {
	t.Helper()
	for _, pair := range dump(t, store) {
		if bytes.HasPrefix(pair.Key, kv.NewKey("le")) {
			leaves = append(leaves, pair.Value[2+32*int(pair.Value[1]):])
		}
	}
	return leaves
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

func get(t testing.TB, store kv.Store, key []byte) (value []byte) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) (err error) {
		value, err = r.Get(key)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func put(t testing.TB, store kv.Store, key, value []byte) {
	t.Helper()
	if err := store.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(key, value) }); err != nil {
		t.Fatal(err)
	}
}
