package secret

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/keyward/keyward/pkg/budget"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// projectable is how far away the end of a budget may be that is projected.
const projectable = 100 * 365 * 24 * time.Hour

// Nonces are a version's ledger of values that are encrypted under random IVs. It is part
// of the version's record, so that it cannot be lost without the version. It only grows.
type Nonces struct {
	// Used is how many values are reserved.
	Used uint64 `json:"used"`
	// Bits is the smallest number of random bits that a reservation named; 0: there was
	// no reservation.
	Bits int `json:"bits,omitempty"`
	// First is when the first reservation was made, and Base what was used after it. The
	// rate of use is measured from there.
	First time.Time `json:"first,omitzero"`
	Base  uint64    `json:"base,omitempty"`
}

// Reserved reports whether there was a reservation. A nil ledger has none.
func (n *Nonces) Reserved() bool { return n != nil && n.Bits > 0 }

// Budget returns how many values may be encrypted.
func (n *Nonces) Budget() uint64 { return budget.Of(n.Bits) }

// Exhausted reports whether the budget is used up.
func (n *Nonces) Exhausted() bool { return n.Used >= n.Budget() }

// Warned reports whether owners are to be warned.
func (n *Nonces) Warned() bool { return budget.Warned(n.Used, n.Budget()) }

// ProjectedEnd returns when the budget will be used up if use goes on as it did since the
// first reservation: the zero time where that is past, unknown, or too far away.
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

// A Reservation is what a workload asks of a ledger.
type Reservation struct {
	UID     string
	Version uint32
	// Bits is the number of random bits in which two values differ.
	Bits int
	// Count is how many values are wanted.
	Count uint64
}

// A Grant is what was reserved.
type Grant struct {
	Reserved, Used, Budget uint64
}

// ReserveNonces reserves values that a holder of a binding may encrypt with a version, as
// many as are wanted or as are left. What is reserved is never reserved again.
//
// For a version stored before there were ledgers, the ledger starts with the reported uses.
//
// It fails with SECRET_NOT_FOUND, NOT_BOUND, USAGE_NOT_ALLOWED, VERSION_NOT_FOUND,
// VERSION_DISABLED, VERSION_DESTROYED or NONCE_BUDGET_EXHAUSTED.
func (s *Store) ReserveNonces(ctx context.Context, name Name, holder string, want Reservation) (Grant, error) {
	var granted Grant
	var before, after Nonces
	now := s.timestamp()
	err := s.kv.Update(ctx, func(tx kv.Tx) error {
		v, err := s.loadCounted(tx, name, holder, want)
		if err != nil {
			return err
		}
		before = *v.Nonces
		granted = v.Nonces.reserve(want, now)
		after = *v.Nonces
		if _, err := put(tx, versionKey(want.UID, v.Number), v); err != nil {
			return fmt.Errorf("write version: %w", err)
		}
		return nil
	})
	if err != nil {
		return Grant{}, err
	}
	s.tellNonces(ctx, name.Version(want.Version), before, after)
	if granted.Reserved == 0 {
		return Grant{}, fault.New(fault.FailedPrecondition, NonceBudgetExhausted,
			"the version has encrypted as many values under random IVs as one key may; store a new version with another value").
			With("budget", strconv.FormatUint(granted.Budget, 10))
	}
	return granted, nil
}

// loadCounted returns the version that keeps the ledger of the one of a reservation, with
// the ledger.
func (s *Store) loadCounted(tx kv.Tx, name Name, holder string, want Reservation) (Version, error) {
	sec, err := loadLife(tx, name, want.UID)
	if err != nil {
		return Version{}, err
	}
	if err := checkHolder(tx, want.UID, holder); err != nil {
		return Version{}, err
	}
	if err := (BindRequest{Usage: Key}).allowedBy(sec); err != nil {
		return Version{}, err
	}
	v, err := loadUsed(tx, sec, want.Version)
	if err != nil {
		return Version{}, err
	}
	if err := v.usable(); err != nil {
		return Version{}, err
	}
	if v, err = v.keeper(tx, sec); err != nil {
		return Version{}, err
	}
	if v.Nonces == nil {
		return s.adopt(tx, sec, v)
	}
	return v, nil
}

// showNonces puts the ledger that counts for a version into it, for people to see.
func (v *Version) showNonces(r kv.Reader, sec Secret, now time.Time) error {
	keeper, err := v.keeper(r, sec)
	if err != nil {
		return err
	}
	v.Nonces, v.NoncesEnd = keeper.Nonces, keeper.Nonces.ProjectedEnd(now)
	return nil
}

// reserve takes what is wanted, or what is left. A smaller number of random bits is noted
// even where nothing is left.
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

// tellNonces logs once when a ledger reaches the point of warning, and once when it is used up.
func (s *Store) tellNonces(ctx context.Context, version VersionName, before, after Nonces) {
	was := func(in func(*Nonces) bool) bool { return before.Reserved() && in(&before) }
	about := []any{slog.String("version", version.String()), slog.Uint64("used", after.Used), slog.Uint64("budget", after.Budget())}
	switch {
	case after.Exhausted() && !was((*Nonces).Exhausted):
		s.logger.WarnContext(ctx, "the nonce budget of a key is used up; it encrypts nothing more until a new version is stored", about...)
	case after.Warned() && !was((*Nonces).Warned):
		s.logger.WarnContext(ctx, "1/16 of the nonce budget of a key is used; plan to store a new version", about...)
	}
}
