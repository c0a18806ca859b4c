package secret_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// A fixture is a store over a real file that runs every closure twice: assignments of the first
// run must not show.
type fixture struct {
	*secret.Store
	kv     kv.Store
	keys   *keyring.Keyring
	log    *changelog.Log
	clock  *clock
	logger *slog.Logger
	reach  uint64
	quota  secret.Used
	grace  time.Duration

	kek   tink.AEAD
	alarm *audit.Alarm
}

// A clock is set manually. The tasks of a store read it at any time.
type clock struct{ nanos atomic.Int64 }

func newClock(now time.Time) *clock {
	c := &clock{}
	c.set(now)
	return c
}

func (c *clock) read() time.Time          { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *clock) set(now time.Time)        { c.nanos.Store(now.UnixNano()) }
func (c *clock) advance(by time.Duration) { c.nanos.Add(int64(by)) }

func newFixture(t testing.TB) *fixture {
	t.Helper()
	folder := t.TempDir()
	if err := kek.CreateFile(filepath.Join(folder, "key")); err != nil {
		t.Fatal(err)
	}
	key, err := kek.File(filepath.Join(folder, "key"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := boltkv.Open(filepath.Join(folder, "store"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := &fixture{kv: kvtest.Rerun(db), kek: key, clock: newClock(time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC))}
	if f.keys, err = keyring.Open(t.Context(), f.kv, keyring.Local("file:key", key), "vault"); err != nil {
		t.Fatal(err)
	}
	if f.log, err = changelog.New([][32]byte{f.keys.Derive("log")}, "vault", f.clock.read); err != nil {
		t.Fatal(err)
	}
	db.Attach(changelog.Name, f.log)
	f.Store = f.open(t)
	return f
}

// open returns a store as after a start.
func (f *fixture) open(t testing.TB) *secret.Store {
	t.Helper()
	s, err := secret.NewStore(t.Context(), secret.Config{
		KV: f.kv, Keys: f.keys, Log: f.log, Now: f.clock.read, Logger: f.logger, Reach: f.reach, Alarm: f.alarm, Quota: f.quota, Grace: f.grace,
		Ledger: replay.NewLedger(f.keys.Derive("ledger"), f.clock.read),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// List returns the secrets of a page as they are.
func (f *fixture) List(ctx context.Context, q secret.Query) ([]secret.Secret, []byte, error) {
	return secret.List(ctx, f.Store, q, func(sec *secret.Secret) secret.Secret { return *sec })
}

// Delete deletes a secret. Few tests need the time of the purge.
func (f *fixture) Delete(ctx context.Context, call secret.Call, name secret.Name, d secret.Deletion) error {
	_, err := f.Store.Delete(ctx, call, name, d)
	return err
}

func name(id string) secret.Name { return secret.Name{Workspace: "acme", ID: id} }

// value returns a value, which may be weak: most tests are about something else.
func value(t testing.TB, text string) secret.Value {
	t.Helper()
	v, err := secret.NewValue([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v.Acknowledged("to be read in a test")
}

func (f *fixture) create(t testing.TB, id, text string) secret.Secret {
	t.Helper()
	made, err := f.Create(t.Context(), secret.Call{}, name(id), secret.Draft{Usage: secret.Key, Value: value(t, text)})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (f *fixture) bind(t testing.TB, id, referrer, operation string) secret.Binding {
	t.Helper()
	b, _, err := f.Bind(t.Context(), secret.Call{}, name(id), "allowlist", secret.BindRequest{
		Usage: secret.Key, Purpose: purpose(), Referrer: "workspaces/acme/endpoints/" + referrer, Operation: operation,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// purpose returns the default purpose of the keys in these tests.
func purpose() secret.Purpose {
	return secret.NewPurpose([]string{"raw > HMAC-SHA256(of=message)"}, 0, false)
}

func (f *fixture) resolve(ctx context.Context, name secret.Name, uid string, number uint32) (secret.Resolved, error) {
	return f.Resolve(ctx, secret.Call{}, "allowlist", secret.Wanted{Name: name, UID: uid, Number: number, Purpose: purpose().Digest()})
}

func (f *fixture) unbind(t testing.TB, id, operation string) {
	t.Helper()
	if err := f.Unbind(t.Context(), secret.Call{}, name(id), "allowlist", operation); err != nil {
		t.Fatal(err)
	}
}

// keysOf counts the stored keys of a uid.
func (f *fixture) keysOf(t testing.TB, uid string) int {
	t.Helper()
	count := 0
	err := f.kv.View(t.Context(), func(r kv.Reader) error {
		count = 0
		for pair, err := range r.Scan(kv.Range{Limit: 10000}) {
			if err != nil {
				return err
			}
			if secret.IsOf(pair.Key, uid) {
				count++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// eventually polls until done returns true, and fails the test after a few seconds.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("did not happen in time: %s", what)
		case <-tick.C:
		}
	}
}

func TestEveryVersionOfAUIDResolvesToItsValue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "value 1")
	f.bind(t, "key", "bank", "op")
	for i := 2; i <= 5; i++ {
		updated, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, fmt.Sprintf("value %d", i))})
		if err != nil || updated.Current != uint32(i) || updated.Last != uint32(i) {
			t.Fatalf("update %d: current %d, last %d, %v", i, updated.Current, updated.Last, err)
		}
	}
	for number := range uint32(6) {
		got, err := f.resolve(t.Context(), name("key"), made.UID, number)
		want := number
		if number == 0 {
			want = 5
		}
		if err != nil || string(got.Plain.Reveal()) != fmt.Sprintf("value %d", want) || got.Version != want {
			t.Errorf("Resolve(version %d) = version %d, %v, want version %d and its value", number, got.Version, err, want)
		}
	}
	if _, err := f.resolve(t.Context(), name("key"), made.UID, 6); !fault.Is(err, secret.VersionNotFound) {
		t.Errorf("Resolve(version 6) = %v, want %s", err, secret.VersionNotFound)
	}
}

func TestValueIsOverwrittenWithZerosOnceItIsStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for step, store := range []func(secret.Value) error{
		func(v secret.Value) error {
			_, err := f.Create(t.Context(), secret.Call{}, name("key"), secret.Draft{Usage: secret.Key, Value: v})
			return err
		},
		func(v secret.Value) error {
			_, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: v})
			return err
		},
		func(v secret.Value) error { // refused, but zeroed
			_, err := f.Create(t.Context(), secret.Call{}, name("key"), secret.Draft{Usage: secret.Key, Value: v})
			if !fault.Is(err, secret.Exists) {
				return fmt.Errorf("got %w, want %s", err, secret.Exists)
			}
			return nil
		},
	} {
		plain := []byte("plaintext of a key")
		v, err := secret.NewValue(plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := store(v); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if !slices.Equal(plain, make([]byte, len(plain))) {
			t.Errorf("step %d: the plaintext is still in memory", step)
		}
	}
}

func TestDeletionRemovesMoreThanOneTransactionHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "v")
	for i := range 80 { // 80 keys of versions, 160 of bindings
		if _, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, "v")}); err != nil {
			t.Fatal(err)
		}
		f.bind(t, "key", fmt.Sprintf("e%d", i), "op"+fmt.Sprint(i))
	}
	const versions, ledgers, bindings = 81, 1, 160
	if got := f.keysOf(t, made.UID); got != versions+ledgers+bindings {
		t.Fatalf("the secret has %d keys, want %d", got, versions+ledgers+bindings)
	}
	err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{})
	if e, ok := fault.From(err); !ok || e.Reason != secret.InUse || e.Metadata["count"] != "80" {
		t.Fatalf("Delete while bound = %v, want %s with count 80", err, secret.InUse)
	}
	if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{Force: true}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the keys of the deleted secret are removed", func() bool { return f.keysOf(t, made.UID) == 0 })
}

func TestGarbageOfACrashedDeletionIsRemovedAtTheNextStart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "v")
	f.Close() // the collector stops
	if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	if f.keysOf(t, made.UID) == 0 {
		t.Fatal("a closed store still collects garbage")
	}
	f.open(t)
	eventually(t, "the keys of the deleted secret are removed", func() bool { return f.keysOf(t, made.UID) == 0 })
}

func TestUpdateTimeGrowsAlthoughTheClockGoesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	last := f.create(t, "key", "v")
	for i := range 3 {
		f.clock.advance(-time.Hour)
		text := fmt.Sprint(i)
		updated, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Description: &text})
		if err != nil || !updated.Updated.After(last.Updated) {
			t.Fatalf("update time %v after %v, %v", updated.Updated, last.Updated, err)
		}
		last = updated
	}
	found, _, err := f.List(t.Context(), secret.Query{Workspace: "acme", ByUpdate: true, Page: secret.Page{Limit: 10}})
	if err != nil {
		t.Fatal(err)
	}
	last.LastChange, last.Purpose, last.Deferred = 0, nil, 0 // lists do not read them
	if diff := cmp.Diff([]secret.Secret{last}, found, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the list by update time differs (-want +got):\n%s", diff)
	}
}

func TestEtagOfAnEarlierIncarnationDoesNotMatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.create(t, "key", "v")
	if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{Etag: first.Etag()}); err != nil {
		t.Fatal(err)
	}
	f.create(t, "key", "v")
	if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{Etag: first.Etag()}); !fault.Is(err, fault.EtagMismatch) {
		t.Errorf("Delete with the etag of the previous incarnation = %v, want %s", err, fault.EtagMismatch)
	}
}

func TestReferrersAreCountedOnceEach(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "v")
	count := func() uint32 {
		sec, _, err := f.Get(t.Context(), name("key"))
		if err != nil {
			t.Fatal(err)
		}
		return sec.References
	}
	f.bind(t, "key", "bank", "op1")
	f.bind(t, "key", "bank", "op2")
	f.bind(t, "key", "shop", "op3")
	f.bind(t, "key", "shop", "op3")
	if got := count(); got != 2 {
		t.Errorf("three bindings of two referrers count as %d, want 2", got)
	}
	for i, want := range []uint32{2, 2, 1, 0, 0} {
		op := []string{"op9", "op1", "op2", "op3", "op3"}[i]
		if err := f.Unbind(t.Context(), secret.Call{}, name("key"), "allowlist", op); err != nil {
			t.Fatal(err)
		}
		if got := count(); got != want {
			t.Errorf("after Unbind(%s) %d referrers are left, want %d", op, got, want)
		}
	}
}

func TestPagesOfAFilteredListAreBoundedAndComplete(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 60 {
		usage := secret.Key
		if i%10 == 3 {
			usage = secret.Parameter
		}
		draft := secret.Draft{Usage: usage, Value: value(t, "v"), Labels: map[string]string{"n": fmt.Sprint(i % 2)}}
		f.clock.advance(time.Duration(i*7%60) * time.Second)
		if _, err := f.Create(t.Context(), secret.Call{}, name(fmt.Sprintf("Key-%02d", i)), draft); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		query secret.Query
		want  int
	}{
		{"no filter", secret.Query{}, 60},
		{"by usage", secret.Query{Usage: secret.Parameter}, 6},
		{"by label and value", secret.Query{Label: "n=1"}, 30},
		{"by label", secret.Query{Label: "n"}, 60},
		{"by a label of no secret", secret.Query{Label: "m"}, 0},
		{"by state", secret.Query{State: secret.Enabled}, 60},
		{"by a state of no secret", secret.Query{State: secret.Destroyed}, 0},
		{"by a part of the name", secret.Query{Substring: "EY-1"}, 10},
		{"by all filters", secret.Query{Substring: "3", Usage: secret.Parameter, Label: "n=1"}, 6},
		{"of another workspace", secret.Query{Workspace: "other"}, 0},
	}
	for _, tt := range tests {
		for _, order := range []secret.Query{{}, {Descending: true}, {ByUpdate: true}, {ByUpdate: true, Descending: true}} {
			q := tt.query
			q.ByUpdate, q.Descending = order.ByUpdate, order.Descending
			if q.Workspace == "" {
				q.Workspace = "acme"
			}
			f.checkPages(t, tt.name, q, tt.want)
		}
	}
}

// checkPages reads a list page by page and checks count and order.
func (f *fixture) checkPages(t *testing.T, what string, q secret.Query, want int) {
	t.Helper()
	for _, limit := range []int{1, 7, 1000} {
		q.Page = secret.Page{Limit: limit}
		var all []secret.Secret
		for {
			found, next, err := f.List(t.Context(), q)
			if err != nil || len(found) > limit {
				t.Fatalf("%s: a page of %d, %v, limit %d", what, len(found), err, limit)
			}
			all = append(all, found...)
			if q.Cursor = next; next == nil {
				break
			}
		}
		if len(all) != want {
			t.Errorf("%s, by update %v, descending %v, pages of %d: %d secrets, want %d", what, q.ByUpdate, q.Descending, limit, len(all), want)
		}
		if !slices.IsSortedFunc(all, func(a, b secret.Secret) int { return order(q, a, b) }) {
			t.Errorf("%s, by update %v, descending %v, pages of %d: out of order", what, q.ByUpdate, q.Descending, limit)
		}
	}
}

func order(q secret.Query, a, b secret.Secret) int {
	c := 0
	if q.ByUpdate {
		c = a.Updated.Compare(b.Updated)
	}
	if c == 0 {
		c = slices.Compare([]byte(a.Name.ID), []byte(b.Name.ID))
	}
	if q.Descending {
		return -c
	}
	return c
}
