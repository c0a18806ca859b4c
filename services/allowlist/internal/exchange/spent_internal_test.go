package exchange

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// A desk is a record of answers in a real store.
type desk struct {
	*spent
	store *kvtest.FaultyStore
	at    time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	d := &desk{store: kvtest.Faulty(kvtest.Rerun(db)), at: time.Unix(1_900_000_000, 0)}
	d.start()
	return d
}

// start opens the same store as after a restart.
func (d *desk) start() {
	d.spent = &spent{kv: d.store, key: [32]byte{1}, now: func() time.Time { return d.at }}
}

func (d *desk) answer(t *testing.T, key string, a answer) error {
	t.Helper()
	err := d.note(t.Context(), payload.Exchange{Key: []byte(key), IV: []byte("iv")}, a)
	if err != nil && !fault.Is(err, ReasonInvalid) && !errors.Is(err, errStore) {
		t.Fatalf("note = %v", err)
	}
	return err
}

// count counts all records in the store.
func (d *desk) count(t *testing.T) (records int) {
	t.Helper()
	err := d.store.View(t.Context(), func(r kv.Reader) error {
		records = 0
		for pair, err := range r.Scan(kv.Range{Limit: 10_000}) {
			if err != nil {
				return err
			}
			for _, known := range []string{"the key", "pong"} {
				if bytes.Contains(pair.Key, []byte(known)) || bytes.Contains(pair.Value, []byte(known)) {
					t.Errorf("the store holds %q", known)
				}
			}
			records++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

var errStore = errors.New("the store fails")

func TestOnlyTheSameAnswerIsGivenAgain(t *testing.T) {
	t.Parallel()
	pong := answer{endpoint: "e", revision: 1, body: []byte("pong")}
	other, resaved, elsewhere, signed := pong, pong, pong, pong
	other.body, resaved.revision, elsewhere.endpoint, signed.unique = []byte("other"), 2, "f", true
	d := newDesk(t)
	if err := d.answer(t, "the key", pong); err != nil {
		t.Fatal(err)
	}
	for _, start := range []string{"before", "after"} {
		if err := d.answer(t, "the key", pong); err != nil {
			t.Errorf("%s a restart: the same answer = %v", start, err)
		}
		for what, a := range map[string]answer{
			"another answer": other, "it under another configuration": resaved, "of another endpoint": elsewhere, "it with a signature inside": signed,
		} {
			if d.answer(t, "the key", a) == nil {
				t.Errorf("%s a restart: %s is given", start, what)
			}
		}
		d.start()
	}
	if err := d.answer(t, "another key", other); err != nil {
		t.Errorf("the answer to another question = %v", err)
	}
	if err := d.answer(t, "a third key", signed); err != nil {
		t.Fatal(err)
	}
	if d.answer(t, "a third key", signed) == nil {
		t.Error("an answer with a signature inside is given twice")
	}
	d.count(t)
}

func TestAnAnswerThatWasLostIsSpent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pong, other := answer{body: []byte("pong")}, answer{body: []byte("other")}
	d.store.FailReplies(errStore) // it is recorded, and the response is lost
	if !errors.Is(d.answer(t, "the key", pong), errStore) {
		t.Fatal("an answer is returned that could not be recorded")
	}
	d.store.FailReplies(nil)
	d.start()
	if d.answer(t, "the key", other) == nil {
		t.Error("another answer is given after the crash")
	}
	if err := d.answer(t, "the key", pong); err != nil {
		t.Errorf("the same answer after the crash = %v", err)
	}
	d.store.FailCommits(errStore)
	if !errors.Is(d.answer(t, "another key", pong), errStore) {
		t.Error("an answer is returned that is not recorded")
	}
}

func TestAnswersAreForgottenAndRemoved(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pong, other := answer{body: []byte("pong")}, answer{body: []byte("other")}
	const many = 2*sweepBatch + 3
	for i := range many {
		if err := d.answer(t, string(rune('a'+i)), pong); err != nil {
			t.Fatal(err)
		}
	}
	d.at = d.at.Add(noted - time.Second)
	if err := d.answer(t, "a", pong); err != nil { // remembered for longer
		t.Fatal(err)
	}
	if d.answer(t, "b", other) == nil {
		t.Error("another answer is given while the first is remembered")
	}
	sweep := func(want int) {
		t.Helper()
		if err := d.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := d.count(t); got != want {
			t.Errorf("%d records are left, want %d", got, want)
		}
	}
	sweep(2 * many)
	d.at = d.at.Add(time.Second)
	sweep(2)
	if d.answer(t, "a", other) == nil {
		t.Error("an answer that was given again is forgotten with the first")
	}
	if err := d.answer(t, "b", other); err != nil {
		t.Errorf("the answer to an expired question = %v", err)
	}
	d.at = d.at.Add(noted)
	if err := d.answer(t, "a", other); err != nil { // expired, but not removed yet
		t.Errorf("the answer to an expired question = %v", err)
	}
	sweep(2)
}

func TestExchangesOfAnEarlierReleaseAreValidForOneLifetime(t *testing.T) {
	t.Parallel()
	store := newDesk(t).store
	folder := t.TempDir()
	if err := kek.CreateFile(filepath.Join(folder, "key")); err != nil {
		t.Fatal(err)
	}
	key, err := kek.File(filepath.Join(folder, "key"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(t.Context(), store, keyring.Local("file:key", key), "allowlist")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_900_000_000, 0)
	made, err := newTokens(keys, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	old, err := keys.Seal([]byte("text"), []byte(tokenUse))
	if err != nil {
		t.Fatal(err)
	}
	mine, err := made.seal([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	opens := func(what, token string, want bool) {
		t.Helper()
		if text, err := made.open(token); (err == nil) != want || want && string(text) != "text" {
			t.Errorf("%s: open = %q, %v, want it to open: %v", what, text, err, want)
		}
	}
	encode := func(sealed []byte) string { return encoding.EncodeToString(sealed) }
	opens("ours", mine, true)
	opens("the keyset's", encode(old), true)
	another, err := keys.Seal([]byte("text"), []byte("another use"))
	if err != nil {
		t.Fatal(err)
	}
	opens("another use of the keyset", encode(another), false)
	opens("nothing", "", false)
	opens("a byte", encode([]byte{1}), false)
	opens("invalid base64url", "!", false)
	at = at.Add(lifetime)
	opens("the keyset's after a lifetime", encode(old), false)
	opens("ours after a lifetime", mine, true) // its own expiry is inside
}
