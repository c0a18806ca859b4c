package changelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/changelog/internal/stored"
	"github.com/keyward/keyward/pkg/kv"
)

// seeds returns the seeds of keys that are named by numbers, newest first.
func seeds(numbers ...byte) [][32]byte {
	all := make([][32]byte, len(numbers))
	for i, n := range numbers {
		all[i] = [32]byte{n}
	}
	return all
}

// keyOf returns the verifier key that is named by a number.
func keyOf(t testing.TB, number byte) string {
	t.Helper()
	return newKey(t, [32]byte{number}, "vault").VerifierKey()
}

func succeed(t testing.TB, store kv.Store, changes *changelog.Log, next byte) {
	t.Helper()
	if err := trySucceed(t, store, changes, next); err != nil {
		t.Fatalf("Succeed() = %v", err)
	}
}

func trySucceed(t testing.TB, store kv.Store, changes *changelog.Log, next byte) error {
	t.Helper()
	return store.Update(t.Context(), func(tx kv.Tx) error { return changes.Succeed(tx, [32]byte{next}) })
}

func use(t testing.TB, changes *changelog.Log, numbers ...byte) {
	t.Helper()
	if err := changes.Use(seeds(numbers...)); err != nil {
		t.Fatalf("Use() = %v", err)
	}
}

// rotate replaces the key, and keeps the seed of the one before.
func rotate(t testing.TB, store kv.Store, changes *changelog.Log, now, next byte) {
	t.Helper()
	succeed(t, store, changes, next)
	use(t, changes, next, now)
}

// reopen returns a log with these keys on the same store.
func reopen(t testing.TB, store kv.Store, path string, numbers ...byte) (*changelog.Log, kv.Store) {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	changes, err := changelog.New(seeds(numbers...), "vault", noonNow)
	if err != nil {
		t.Fatal(err)
	}
	return changes, attach(t, path, changes)
}

func successions(t testing.TB, store kv.Store, changes *changelog.Log) (all []string) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) (err error) {
		all, err = changes.Successions(r)
		return err
	})
	if err != nil {
		t.Fatalf("Successions() = %v", err)
	}
	return all
}

// signedBy fails unless a key verifies the head, and the claim says so.
func signedBy(t testing.TB, c changelog.Claim, number byte, successions int) {
	t.Helper()
	if c.Key != keyOf(t, number) || len(c.Successions) != successions {
		t.Errorf("Checkpoint() has the key %s and %d successions, want key %d and %d", c.Key, len(c.Successions), number, successions)
	}
	if _, err := changelog.OpenCheckpoint(c.Checkpoint, c.Key); err != nil {
		t.Errorf("the key of Checkpoint() does not verify its head: %v", err)
	}
}

func TestTheOldKeySignsTheNewOne(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "0"))
	signedBy(t, claim(t, store, changes), 1, 0)
	succeed(t, store, changes, 2)
	signedBy(t, claim(t, store, changes), 1, 0) // not in use yet
	appendEntry(t, store, changes, entry("a", "1"))
	signedBy(t, claim(t, store, changes), 1, 0)
	verify(t, store, changes)
	use(t, changes, 2, 1)
	signedBy(t, claim(t, store, changes), 2, 1) // signed when requested
	verify(t, store, changes)
	appendEntry(t, store, changes, entry("a", "2"))
	signedBy(t, claim(t, store, changes), 2, 1)
	use(t, changes, 2) // the old key is gone
	appendEntry(t, store, changes, entry("a", "3"))
	rotate(t, store, changes, 2, 3)
	signedBy(t, claim(t, store, changes), 3, 2)
	verify(t, store, changes)
	if got, want := successions(t, store, changes), claim(t, store, changes).Successions; !slices.Equal(got, want) {
		t.Errorf("Successions() = %q, want %q", got, want)
	}
}

func TestAnEmptyLogIsSignedWithTheNewestKey(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	rotate(t, store, changes, 1, 2)
	signedBy(t, claim(t, store, changes), 2, 1)
	verify(t, store, changes)
}

func TestASuccessionIsStoredOnce(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	succeed(t, store, changes, 2)
	succeed(t, store, changes, 2)
	use(t, changes, 2, 1)
	appendEntry(t, store, changes, entry("a", "0"))
	succeed(t, store, changes, 2)
	verify(t, store, changes)
	if got := len(successions(t, store, changes)); got != 1 {
		t.Errorf("there are %d successions, want 1", got)
	}
	if err := trySucceed(t, store, changes, 1); err == nil {
		t.Error("Succeed() returns to the key before")
	}
	succeed(t, store, changes, 3)
	if err := trySucceed(t, store, changes, 4); err == nil {
		t.Error("Succeed() signs a second successor of one key")
	}
	verify(t, store, changes)
}

func TestTheFirstKeyDoesNotSucceedItself(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	if err := trySucceed(t, store, changes, 1); err == nil {
		t.Error("Succeed() with the present key succeeds")
	}
}

func TestASuccessionThatIsNotCommittedChangesNothing(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "0"))
	failure := errors.New("no")
	err := store.Update(t.Context(), func(tx kv.Tx) error { return errors.Join(changes.Succeed(tx, [32]byte{2}), failure) })
	if !errors.Is(err, failure) {
		t.Fatal(err)
	}
	signedBy(t, claim(t, store, changes), 1, 0)
	appendEntry(t, store, changes, entry("a", "1"))
	verify(t, store, changes)
	rotate(t, store, changes, 1, 3)
	appendEntry(t, store, changes, entry("a", "2"))
	signedBy(t, claim(t, store, changes), 3, 1)
}

// TestACrashAfterASuccessionIsNoTampering opens the log again at each moment of a succession.
func TestACrashAfterASuccessionIsNoTampering(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	changes, store := openLog(t, path)
	appendEntry(t, store, changes, entry("a", "0"))
	succeed(t, store, changes, 2)
	changes, store = reopen(t, store, path, 2, 1)
	verify(t, store, changes)
	signedBy(t, claim(t, store, changes), 2, 1)
	appendEntry(t, store, changes, entry("a", "1"))
	changes, store = reopen(t, store, path, 2, 1)
	verify(t, store, changes)
	changes, store = reopen(t, store, path, 2)
	verify(t, store, changes)
	appendEntry(t, store, changes, entry("a", "2"))
	signedBy(t, claim(t, store, changes), 2, 1)
	succeed(t, store, changes, 3)
	changes, store = reopen(t, store, path, 3, 2)
	appendEntry(t, store, changes, entry("a", "3"))
	signedBy(t, claim(t, store, changes), 3, 2)
	verify(t, store, changes)
}

// TestAReaderFromBeforeASuccessionIsNoTampering reads with a view that is older than the keys in use.
func TestAReaderFromBeforeASuccessionIsNoTampering(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "0"))
	err := store.View(t.Context(), func(r kv.Reader) error {
		for _, all := range [][]byte{{2, 1}, {3, 2, 1}, {4, 3, 2, 1}} {
			succeed(t, store, changes, all[0])
			use(t, changes, all...)
			appendEntry(t, store, changes, entry("a", fmt.Sprint(all[0])))
		}
		c, err := changes.Checkpoint(r)
		signedBy(t, c, 1, 0)
		_, checked := changes.CheckHead(r)
		return errors.Join(err, checked, changes.Verify(r))
	})
	if err != nil {
		t.Errorf("an older reader = %v", err)
	}
	verify(t, store, changes)
}

// chains are rows that an attacker with write access to the store can produce, who has no key of the
// log.
func chains(t *testing.T, row kv.Key, genuine []byte) map[string]func(kv.Tx) error {
	t.Helper()
	// An attacker has a key and a log of the same name.
	foreign, other := follows(t, 66, "vault", 0), follows(t, 66, "vault", 0)
	rotate(t, foreign.store, foreign.Log, 66, 67)
	rotate(t, other.store, other.Log, 66, 3) // ends with the genuine key
	put := func(value []byte) func(kv.Tx) error { return func(tx kv.Tx) error { return tx.Put(row, value) } }
	notes := split(t, genuine)
	forged := split(t, get(t, other.store, row))
	return map[string]func(kv.Tx) error{
		"a removed row":                              func(tx kv.Tx) error { return tx.Delete(row) },
		"a chain to another key":                     put(get(t, foreign.store, row)),
		"a chain from another key to the newest":     put(get(t, other.store, row)),
		"no succession":                              put(nil),
		"without the last":                           put(join(notes[0], notes[2:3])),
		"without the first":                          put(join(notes[0], notes[2:])),
		"without the first, and its key":             put(join(keyOf(t, 2), notes[2:])),
		"in another order":                           put(join(notes[0], []string{notes[2], notes[1]})),
		"one twice":                                  put(join(notes[0], []string{notes[1], notes[1], notes[2]})),
		"all twice":                                  put(join(notes[0], append(notes[1:3:3], notes[1:]...))),
		"the last by another key":                    put(join(notes[0], []string{notes[1], forged[1]})),
		"one more by another key":                    put(join(notes[0], append(notes[1:3:3], split(t, get(t, foreign.store, row))[1]))),
		"a row after it":                             func(tx kv.Tx) error { return tx.Put(row.Text("x"), genuine) },
		"of another log":                             put(join(notes[0], []string{strings.Replace(notes[1], "vault", "other", 1), notes[2]})),
		"with a space at the end of a note":          put(join(notes[0], []string{notes[1], notes[2] + " "})),
		"with a second signature":                    put(join(notes[0], []string{notes[1], notes[2] + notes[2][strings.Index(notes[2], "— "):]})),
		"with the first note for the second, resent": put(join(keyOf(t, 2), []string{notes[2], notes[2]})),
	}
}

func TestChangedSuccessionsAreNoticed(t *testing.T) {
	t.Parallel()
	row := kv.NewKey("lk")
	for name := range chainNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store")
			changes, store := rotatedTwice(t, path)
			change := chains(t, row, get(t, store, row))[name]
			expectTampered(t, store, changes, name, change)
			expectPartTampered(t, store, changes, name, change)
			if err := store.Update(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			if name == "a row after it" {
				return // a commit does not look for it
			}
			_, err := view(t, store, changes.Checkpoint)
			if !errors.Is(err, changelog.ErrTampered) {
				t.Errorf("Checkpoint() = %v, want ErrTampered", err)
			}
			changes, store = reopen(t, store, path, 3, 2, 1)
			err = store.Update(t.Context(), func(tx kv.Tx) error { return changes.Append(tx, entry("a", "x")) })
			if !errors.Is(err, changelog.ErrTampered) {
				t.Errorf("the first commit after a start = %v, want ErrTampered", err)
			}
			if err := trySucceed(t, store, changes, 4); !errors.Is(err, changelog.ErrTampered) {
				t.Errorf("Succeed() = %v, want ErrTampered", err)
			}
		})
	}
}

// split returns the first key and the notes of a stored row.
func split(t testing.TB, value []byte) []string {
	t.Helper()
	m := new(stored.Successions)
	if err := proto.Unmarshal(value, m); err != nil {
		t.Fatal(err)
	}
	return append([]string{m.GetFirstKey()}, m.GetNotes()...)
}

func join(key string, notes []string) []byte {
	value, err := proto.Marshal(&stored.Successions{FirstKey: key, Notes: notes})
	if err != nil {
		panic(err)
	}
	return value
}

// rotatedTwice returns a log of the keys 3, 2 and 1.
func rotatedTwice(t testing.TB, path string) (*changelog.Log, kv.Store) {
	t.Helper()
	changes, store := openLog(t, path)
	appendEntry(t, store, changes, entry("a", "0"))
	rotate(t, store, changes, 1, 2)
	appendEntry(t, store, changes, entry("a", "1"))
	succeed(t, store, changes, 3)
	use(t, changes, 3, 2, 1)
	appendEntry(t, store, changes, entry("a", "2"))
	return changes, store
}

func chainNames(t *testing.T) map[string]func(kv.Tx) error {
	t.Helper()
	_, store := rotatedTwice(t, filepath.Join(t.TempDir(), "store"))
	row := kv.NewKey("lk")
	return chains(t, row, get(t, store, row))
}

func view[T any](t testing.TB, store kv.Store, read func(kv.Reader) (T, error)) (got T, err error) {
	t.Helper()
	err = store.View(t.Context(), func(r kv.Reader) error {
		got, err = read(r)
		return err
	})
	return got, err
}

func TestVerifyNoticesEachChangedByteOfSuccessions(t *testing.T) {
	t.Parallel()
	changes, store := rotatedTwice(t, filepath.Join(t.TempDir(), "store"))
	verifyNoticesEachByte(t, store, changes)
	use(t, changes, 3) // the others are forgotten
	row := kv.NewKey("lk")
	genuine := get(t, store, row)
	for i := range genuine {
		changed := bytes.Clone(genuine)
		changed[i] ^= 1 << (i % 8)
		expectTampered(t, store, changes, fmt.Sprintf("byte %d without the earlier keys", i), func(tx kv.Tx) error {
			return tx.Put(row, changed)
		})
	}
}

func TestKeysThatTheSuccessionsDoNotNameAreNotUsed(t *testing.T) {
	t.Parallel()
	for name, numbers := range map[string][]byte{
		"an unknown key":       {9, 3, 2, 1},
		"no succession to it":  {4, 3},
		"an earlier key first": {2, 3, 1},
		"only an earlier key":  {2},
		"another order":        {3, 1, 2},
	} {
		path := filepath.Join(t.TempDir(), "store")
		changes, store := rotatedTwice(t, path)
		use(t, changes, numbers...)
		err := store.Update(t.Context(), func(tx kv.Tx) error { return changes.Append(tx, entry("a", "x")) })
		if !errors.Is(err, changelog.ErrTampered) {
			t.Errorf("%s: a commit after Use() = %v, want ErrTampered", name, err)
		}
		if err := store.View(t.Context(), changes.Verify); !errors.Is(err, changelog.ErrTampered) {
			t.Errorf("%s: Verify() = %v, want ErrTampered", name, err)
		}
		changes, store = reopen(t, store, path, numbers...)
		if err := store.View(t.Context(), changes.Verify); !errors.Is(err, changelog.ErrTampered) {
			t.Errorf("%s: Verify() after a start = %v, want ErrTampered", name, err)
		}
	}
}

func TestALogNeedsAKey(t *testing.T) {
	t.Parallel()
	if _, err := changelog.New(nil, "vault", noonNow); err == nil {
		t.Error("New() without a seed succeeds")
	}
	changes, _ := newLog(t)
	if err := changes.Use(nil); err == nil || changes.VerifierKey() != keyOf(t, 1) {
		t.Errorf("Use() without a seed = %v", err)
	}
}

// TestKeysAreReplacedWhileTheLogIsInUse needs the race detector.
func TestKeysAreReplacedWhileTheLogIsInUse(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	stop := make(chan struct{})
	var group sync.WaitGroup
	until := func(work func() error) {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := work(); err != nil {
					t.Errorf("while keys are replaced: %v", err)
					return
				}
			}
		})
	}
	for range 2 {
		until(func() error {
			return store.Update(t.Context(), func(tx kv.Tx) error { return changes.Append(tx, entry("a", "x")) })
		})
	}
	until(func() error {
		c, err := view(t, store, changes.Checkpoint)
		if err == nil {
			_, err = changelog.OpenCheckpoint(c.Checkpoint, c.Key)
		}
		return err
	})
	until(func() error {
		_, err := view(t, store, changes.CheckHead)
		return err
	})
	all := []byte{1}
	for next := byte(2); next < 12; next++ {
		all = append([]byte{next}, all...)
		succeed(t, store, changes, next)
		use(t, changes, all...)
	}
	close(stop)
	group.Wait()
	verify(t, store, changes)
	signedBy(t, claim(t, store, changes), 11, 10)
}

func TestCheckpointsOfEarlierKeysAreIncluded(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	var checkpoints []string
	for next := byte(2); next < 5; next++ {
		appendEntry(t, store, changes, entry("a", fmt.Sprint(next)))
		checkpoints = append(checkpoints, checkpoint(t, store, changes))
		rotate(t, store, changes, next-1, next)
	}
	appendEntry(t, store, changes, entry("a", "last"))
	use(t, changes, 4)
	includes := func(text string) error {
		return store.View(t.Context(), func(r kv.Reader) error { return changes.Includes(r, text) })
	}
	for i, text := range append(checkpoints, checkpoint(t, store, changes)) {
		if err := includes(text); err != nil {
			t.Errorf("Includes(checkpoint of key %d) = %v", i+1, err)
		}
	}
	fork := follows(t, 1, "vault", 1)
	if includes(fork.head(t).Checkpoint) == nil {
		t.Error("Includes() accepts another log that an earlier key signs")
	}
	if other := follows(t, 9, "vault", 0); includes(other.head(t).Checkpoint) == nil {
		t.Error("Includes() accepts an unknown key")
	}
}

// TestSuccessionsVerifyWithoutThisPackage verifies with golang.org/x/mod/sumdb/note only. The file has
// the first verifier key, and then two successions.
func TestSuccessionsVerifyWithoutThisPackage(t *testing.T) {
	t.Parallel()
	changes, store := rotatedTwice(t, filepath.Join(t.TempDir(), "store"))
	golden, err := os.ReadFile(filepath.Join("testdata", "successions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	key, rest, _ := strings.Cut(string(golden), "\n")
	all := successions(t, store, changes)
	if got := strings.Join(all, ""); got != rest {
		t.Errorf("the successions are\n%s\nwant those of the file:\n%s", got, rest)
	}
	for i, succession := range all {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := note.Open([]byte(succession), note.VerifierList(verifier))
		if err != nil {
			t.Fatalf("note.Open of succession %d = %v", i, err)
		}
		lines := strings.Split(opened.Text, "\n")
		if len(lines) != 4 || lines[0] != "keyward.dev/vault" || lines[1] != "log key" || lines[3] != "" {
			t.Fatalf("the text of succession %d is %q", i, opened.Text)
		}
		key = lines[2]
	}
	if key != changes.VerifierKey() {
		t.Errorf("the successions end with %s, want %s", key, changes.VerifierKey())
	}
}
