package secret_test

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// reserve reserves nonces of the first version of a secret.
func (f *fixture) reserve(t testing.TB, sec secret.Secret, bits int, count uint64) (secret.Grant, error) {
	t.Helper()
	got, err := f.ReserveNonces(t.Context(), sec.Name, "allowlist", secret.Reservation{UID: sec.UID, Version: 1, Bits: bits, Count: count})
	got.Position = secret.Position{} // differs between runs
	return got, err
}

// ledger returns the first version with its ledger as shown.
func (f *fixture) ledger(t testing.TB, sec secret.Secret) secret.Version {
	t.Helper()
	versions, _, err := f.Versions(t.Context(), sec.Name, secret.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return versions[len(versions)-1]
}

func TestNoncesAreReservedOnceUntilTheBudgetEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	for i, tt := range []struct {
		count uint64
		want  secret.Grant
	}{
		{60_000, secret.Grant{Reserved: 60_000, Used: 60_000, Budget: 1 << 16}},
		{1, secret.Grant{Reserved: 1, Used: 60_001, Budget: 1 << 16}},
		{math.MaxUint64, secret.Grant{Reserved: 5535, Used: 1 << 16, Budget: 1 << 16}},
	} {
		if got, err := f.reserve(t, sec, 64, tt.count); err != nil || got != tt.want {
			t.Fatalf("reservation %d of %d = %+v, %v, want %+v", i, tt.count, got, err, tt.want)
		}
		f.Store = f.open(t) // as after a crash
	}
	_, err := f.reserve(t, sec, 64, 1)
	if refusal, ok := fault.From(err); !ok || refusal.Reason != secret.NonceBudgetExhausted || refusal.Metadata["budget"] != "65536" {
		t.Errorf("a reservation after the end = %v, want %s with the budget", err, secret.NonceBudgetExhausted)
	}
	if _, err := f.Update(t.Context(), secret.Call{}, sec.Name, secret.Change{Value: value(t, "next")}); err != nil {
		t.Fatal(err)
	}
	got, err := f.ReserveNonces(t.Context(), sec.Name, "allowlist", secret.Reservation{UID: sec.UID, Version: 2, Bits: 64, Count: 1})
	got.Position = secret.Position{}
	if want := (secret.Grant{Reserved: 1, Used: 1, Budget: 1 << 16}); err != nil || got != want {
		t.Errorf("a reservation of the next version = %+v, %v, want %+v", got, err, want)
	}
}

func TestFewestRandomBitsDecideTheBudget(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	steps := []struct {
		what  string
		bits  int
		count uint64
		want  secret.Grant
	}{
		{"AES-CBC", 128, 70_000, secret.Grant{Reserved: 70_000, Used: 70_000, Budget: 1 << 48}},
		{"AES-GCM after it", 96, 10, secret.Grant{Reserved: 10, Used: 70_010, Budget: 1 << 32}},
		{"AES-CBC again", 128, 10, secret.Grant{Reserved: 10, Used: 70_020, Budget: 1 << 32}},
	}
	for _, tt := range steps {
		if got, err := f.reserve(t, sec, tt.bits, tt.count); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", tt.what, got, err, tt.want)
		}
	}
	// An exceeded budget has nothing left for anyone.
	for _, bits := range []int{64, 96, 128} {
		if _, err := f.reserve(t, sec, bits, 1); !fault.Is(err, secret.NonceBudgetExhausted) {
			t.Errorf("%d bits after Triple DES asked = %v, want %s", bits, err, secret.NonceBudgetExhausted)
		}
	}
}

func TestLedgerOutlivesChangesOfItsVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	if _, err := f.reserve(t, sec, 96, 100); err != nil {
		t.Fatal(err)
	}
	at := sec.Name.Version(1)
	changes := []func(context.Context, secret.Call, secret.VersionName, string) (secret.Version, error){f.Disable, f.Enable, f.Restore}
	for i, change := range changes {
		if _, err := change(t.Context(), secret.Call{}, at, ""); err != nil {
			t.Fatal(err)
		}
		if got := f.ledger(t, sec).Nonces; got == nil || got.Used != 100 {
			t.Errorf("after change %d of the version the ledger is %+v", i, got)
		}
	}
	if _, err := f.Destroy(t.Context(), secret.Call{}, at, secret.Deletion{Force: true}); err != nil {
		t.Fatal(err)
	}
	if got := f.ledger(t, sec).Nonces; got == nil || got.Used != 100 {
		t.Errorf("after it was destroyed the ledger is %+v", got)
	}
}

func TestOnlyHoldersOfUsableKeysReserve(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "key", "v")
	ask := func(holder, uid string, version uint32) error {
		_, err := f.ReserveNonces(t.Context(), sec.Name, holder, secret.Reservation{UID: uid, Version: version, Bits: 96, Count: 1})
		return err
	}
	if err := ask("allowlist", sec.UID, 1); !fault.Is(err, secret.NotBound) {
		t.Errorf("without a binding = %v, want %s", err, secret.NotBound)
	}
	f.bind(t, "key", "bank", "op")
	for what, refused := range map[string]struct {
		err  error
		want fault.Reason
	}{
		"another holder":                {ask("another", sec.UID, 1), secret.NotBound},
		"another life":                  {ask("allowlist", "uid", 1), secret.NotFound},
		"a version that does not exist": {ask("allowlist", sec.UID, 2), secret.VersionNotFound},
	} {
		if !fault.Is(refused.err, refused.want) {
			t.Errorf("%s = %v, want %s", what, refused.err, refused.want)
		}
	}
	if _, err := f.Disable(t.Context(), secret.Call{}, sec.Name.Version(1), ""); err != nil {
		t.Fatal(err)
	}
	if err := ask("allowlist", sec.UID, 1); !fault.Is(err, secret.VersionDisabled) {
		t.Errorf("a disabled version = %v, want %s", err, secret.VersionDisabled)
	}
	salt, err := f.Create(t.Context(), secret.Call{}, name("salt"), secret.Draft{Usage: secret.Parameter, Value: value(t, "v")})
	if err != nil {
		t.Fatal(err)
	}
	req := secret.BindRequest{Usage: secret.Parameter, Referrer: "workspaces/acme/endpoints/bank", Operation: "op"}
	if _, _, err := f.Bind(t.Context(), secret.Call{}, salt.Name, "allowlist", req); err != nil {
		t.Fatal(err)
	}
	if _, err := f.reserve(t, salt, 96, 1); !fault.Is(err, secret.UsageNotAllowed) {
		t.Errorf("a parameter = %v, want %s", err, secret.UsageNotAllowed)
	}
}

func TestConcurrentReservationsNeverOverlap(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	var mu sync.Mutex
	taken := make(map[uint64]bool) // the end of each block of 7
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				got, err := f.reserve(t, sec, 96, 7)
				mu.Lock()
				if err != nil || got.Reserved != 7 || got.Used%7 != 0 || taken[got.Used] {
					t.Errorf("reservation = %+v, %v", got, err)
				}
				taken[got.Used] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if got := f.ledger(t, sec).Nonces.Used; got != 8*20*7 {
		t.Errorf("%d are used at the end, want %d", got, 8*20*7)
	}
}

func TestEndOfABudgetIsProjectedAndWarnedOf(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	heard := new(servertest.Log)
	f.logger = slog.New(slog.NewTextHandler(heard, nil))
	f.Store = f.open(t)
	sec := f.create(t, "key", "v")
	f.bind(t, "key", "bank", "op")
	take := func(count uint64) {
		t.Helper()
		if _, err := f.reserve(t, sec, 96, count); err != nil {
			t.Fatal(err)
		}
	}
	warnings := func(want int) {
		t.Helper()
		if got := strings.Count(heard.String(), "1/16 of the nonce budget"); got != want {
			t.Errorf("the log warns %d times, want %d:\n%s", got, want, heard.String())
		}
	}
	take(1 << 20)
	if end := f.ledger(t, sec).NoncesEnd; !end.IsZero() {
		t.Errorf("one reservation projects an end, %v", end)
	}
	f.clock.advance(time.Hour)
	take(1 << 27)
	if v := f.ledger(t, sec); v.Nonces.Warned() {
		t.Errorf("less than 1/16 is %+v", v.Nonces)
	}
	warnings(0)
	left := float64(1<<32 - 1<<27 - 1<<20)
	want := f.clock.read().Add(time.Duration(left / (1 << 27) * float64(time.Hour)))
	if end := f.ledger(t, sec).NoncesEnd; end.Sub(want).Abs() > time.Second {
		t.Errorf("the projected end is %v, want %v", end, want)
	}
	take(1 << 28)
	take(1)
	warnings(1)
	if v := f.ledger(t, sec); !v.Nonces.Warned() || v.Nonces.Exhausted() {
		t.Errorf("more than 1/16 is %+v", v.Nonces)
	}
	take(math.MaxUint64)
	if v := f.ledger(t, sec); !v.Nonces.Exhausted() || !v.NoncesEnd.IsZero() {
		t.Errorf("the end is %+v, projected for %v", v.Nonces, v.NoncesEnd)
	}
	if got := strings.Count(heard.String(), "is used up"); got != 1 {
		t.Errorf("the log reports the end %d times, want once:\n%s", got, heard.String())
	}
}

func TestAnEndThatIsFarAwayIsNotProjected(t *testing.T) {
	t.Parallel()
	first := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	slow := &secret.Nonces{Used: 11, Bits: 128, First: first, Base: 10}
	if end := slow.ProjectedEnd(first.Add(time.Second)); !end.IsZero() {
		t.Errorf("2^48 values at one per second end at %v", end)
	}
	if end := slow.ProjectedEnd(first.Add(-time.Second)); !end.IsZero() {
		t.Errorf("after the clock was set back the end is %v", end)
	}
	if end := (*secret.Nonces)(nil).ProjectedEnd(first); !end.IsZero() {
		t.Errorf("without a ledger the end is %v", end)
	}
}
