package secret

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/keyward/keyward/pkg/budget"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// projectable is the limit for the projected end of a budget.
const projectable = 100 * 365 * 24 * time.Hour

// Nonces is a version's ledger of values that are encrypted under random IVs. It only grows.
type Nonces struct {
	// Used is the number of reserved values.
	Used uint64
	// Bits is the smallest number of random bits of any reservation, or 0 without reservations.
	Bits int
	// First is the time of the first reservation, and Base is Used after it. The average rate is
	// measured from there.
	First   time.Time
	Base    uint64
	Unknown []byte
}

// Reserved reports whether the ledger has a reservation. A nil ledger has none.
func (n *Nonces) Reserved() bool { return n != nil && n.Bits > 0 }

// Budget returns the number of values that may be encrypted.
func (n *Nonces) Budget() uint64 { return budget.Of(n.Bits) }

// Exhausted reports whether the budget is used up.
func (n *Nonces) Exhausted() bool { return n.Used >= n.Budget() }

// Warned reports whether owners should be warned.
func (n *Nonces) Warned() bool { return budget.Warned(n.Used, n.Budget()) }

// ProjectedEnd returns when the budget will be used up at the average rate since the first
// reservation. It returns the zero time if that is past, unknown, or too far away.
func (n *Nonces) ProjectedEnd(now time.Time) time.Time {
	if !n.Reserved() || n.Exhausted() || n.Used <= n.Base || !now.After(n.First) {
		return time.Time{}
	}
	perValue := float64(now.Sub(n.First)) / float64(n.Used-n.Base)
	left := perValue * float64(n.Budget()-n.Used)
	if left > float64(projectable) {
		return time.Time{}
	}
	return now.Add(time.Duration(left))
}

// A Reservation is a workload's request to a ledger.
type Reservation struct {
	UID     string
	Version uint32
	// Bits is the number of random bits that distinguish two values.
	Bits int
	// Count is the number of requested values.
	Count uint64
}

// A Grant is the result of a reservation.
type Grant struct {
	Reserved, Used, Budget uint64
	// Position is the position in the change log at which the values were reserved.
	Position Position
}

// ReserveNonces reserves values that a holder of a binding may encrypt with a version: the
// requested number, or the rest of the budget. A reserved value is never reserved again.
//
// ReserveNonces fails with SECRET_NOT_FOUND, NOT_BOUND, USAGE_NOT_ALLOWED, SECRET_EXPIRED,
// VERSION_NOT_FOUND, VERSION_DISABLED, VERSION_DESTROYED, or NONCE_BUDGET_EXHAUSTED.
func (s *Store) ReserveNonces(ctx context.Context, name Name, holder string, want Reservation) (Grant, error) {
	var granted Grant
	var before, after Nonces
	now := s.timestamp()
	err := s.kv.Update(ctx, func(tx kv.Tx) error {
		keeper, ledger, err := loadCounted(tx, name, holder, want, now)
		if err != nil {
			return err
		}
		before = *ledger
		granted = ledger.reserve(want, now)
		if granted.Position, err = s.position(tx); err != nil {
			return err
		}
		after = *ledger
		return writing("nonces", put(tx, noncesKey(name, want.UID, keeper), ledger.message()))
	})
	if err != nil {
		return Grant{}, err
	}
	s.logNonces(ctx, name.Version(want.Version), before, after)
	if granted.Reserved == 0 {
		return Grant{}, fault.New(fault.FailedPrecondition, NonceBudgetExhausted,
			"the version has encrypted the maximum number of values under random IVs; store a new version with another value").
			With("budget", strconv.FormatUint(granted.Budget, 10))
	}
	return granted, nil
}

// loadCounted returns the ledger that counts for the version of a reservation, and the number of
// the version that keeps it.
func loadCounted(r kv.Reader, name Name, holder string, want Reservation, now time.Time) (keeper uint32, ledger *Nonces, err error) {
	sec, err := loadLife(r, name, want.UID)
	if err != nil {
		return 0, nil, err
	}
	if err := sec.checkHolder(holder); err != nil {
		return 0, nil, err
	}
	if err := (BindRequest{Usage: Key}).allowedBy(sec); err != nil {
		return 0, nil, err
	}
	if err := sec.unexpired(now); err != nil {
		return 0, nil, err
	}
	v, err := loadVersion(r, sec, want.Version)
	if err != nil {
		return 0, nil, err
	}
	if err := v.usable(); err != nil {
		return 0, nil, err
	}
	ledger, err = v.loadNonces(r, sec)
	return v.keeper(), ledger, err
}

// loadNonces returns the ledger that counts for a version of a KEY.
func (v Version) loadNonces(r kv.Reader, sec Secret) (*Nonces, error) {
	var m stored.Nonces
	present, err := get(r, noncesKey(sec.Name, sec.UID, v.keeper()), &m)
	if err != nil {
		return nil, read("nonces", err)
	}
	if !present {
		return nil, tampered("the ledger of a version is missing")
	}
	return noncesFrom(&m), nil
}

// showNonces sets the ledger of a version to the one that counts for it, for display.
func (v *Version) showNonces(r kv.Reader, sec Secret, now time.Time) (err error) {
	if sec.Usage != Key {
		return nil
	}
	if sec.Deferred > 0 {
		v.Nonces = new(Nonces)
		return nil
	}
	if v.Nonces, err = v.loadNonces(r, sec); err != nil {
		return err
	}
	v.NoncesEnd = v.Nonces.ProjectedEnd(now)
	return nil
}

// reserve takes the requested number of values, or the rest. A smaller number of random bits is
// recorded even if nothing is left.
func (n *Nonces) reserve(want Reservation, now time.Time) Grant {
	first := !n.Reserved()
	if first || want.Bits < n.Bits {
		n.Bits = want.Bits
	}
	limit := n.Budget()
	granted := min(want.Count, limit-min(n.Used, limit))
	n.Used += granted
	if first {
		n.First, n.Base = now, n.Used
	}
	return Grant{Reserved: granted, Used: n.Used, Budget: limit}
}

// logNonces logs once when a ledger reaches the warning threshold, and once when it is used up.
func (s *Store) logNonces(ctx context.Context, version VersionName, before, after Nonces) {
	was := func(in func(*Nonces) bool) bool { return before.Reserved() && in(&before) }
	about := []any{slog.String("version", version.String()), slog.Uint64("used", after.Used), slog.Uint64("budget", after.Budget())}
	switch {
	case after.Exhausted() && !was((*Nonces).Exhausted):
		s.logger.WarnContext(ctx, "nonce budget of a key is used up; the key encrypts nothing until a new version is stored", about...)
	case after.Warned() && !was((*Nonces).Warned):
		s.logger.WarnContext(ctx, "1/16 of the nonce budget of a key is used; plan to store a new version", about...)
	}
}
