package secret

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/replay"
)

// Uses count how a version was used, as far as was reported.
type Uses struct {
	// Used is how often with success.
	Used uint64 `json:"used,omitempty"`
	// Failed is how often what it was used on did not open or verify.
	Failed uint64 `json:"failed,omitempty"`
	// Opened is how often of them a message was opened that came in.
	Opened uint64 `json:"opened,omitempty"`
	// Last is when it was last used with success; the zero time: never.
	Last time.Time `json:"last,omitzero"`
}

// A Count is what is reported of one version.
type Count struct {
	Name    Name
	UID     string
	Version uint32
	Uses    Uses
}

// Report adds counts to what is known of the uses of versions. A count of a secret that
// the holder is not bound to is dropped, as is one of another life of its name and one
// of a version that does not exist. A report that is repeated counts once.
//
// There are at most 30 counts, so that they fit in one transaction.
func (s *Store) Report(ctx context.Context, request replay.Request, holder string, counts []Count) error {
	now := s.timestamp()
	return s.kv.Update(ctx, func(tx kv.Tx) error {
		_, seen, err := s.ledger.Lookup(tx, request)
		if fault.Is(err, fault.RequestIDReused) {
			return fault.New(fault.InvalidArgument, fault.RequestIDReused, "the report id was used for another report; use a new one").
				At("report_id", "must not have been used for another report in the last 24 hours")
		}
		if err != nil || seen {
			return err
		}
		for _, c := range counts {
			known, err := c.known(tx, holder)
			if err != nil {
				return err
			}
			if !known {
				continue
			}
			if err := c.add(tx, now); err != nil {
				return err
			}
		}
		return s.ledger.Record(tx, request, "")
	})
}

// known reports whether the count is of a version that there is, of a secret that the
// holder is bound to.
func (c Count) known(r kv.Reader, holder string) (bool, error) {
	sec, err := loadLife(r, c.Name, c.UID)
	if err == nil {
		err = checkHolder(r, c.UID, holder)
	}
	if err == nil {
		_, err = loadVersion(r, sec, c.Version)
	}
	if fault.Is(err, NotFound) || fault.Is(err, NotBound) || fault.Is(err, VersionNotFound) {
		return false, nil
	}
	return err == nil, err
}

// add adds the count to the version's uses.
func (c Count) add(tx kv.Tx, now time.Time) error {
	uses, err := loadUses(tx, c.UID, c.Version)
	if err != nil {
		return err
	}
	uses.Used = sum(uses.Used, c.Uses.Used)
	uses.Failed = sum(uses.Failed, c.Uses.Failed)
	uses.Opened = sum(uses.Opened, c.Uses.Opened)
	last := c.Uses.Last
	if last.After(now) {
		last = now
	}
	if last.After(uses.Last) {
		uses.Last = last
	}
	if _, err := put(tx, usesKey(c.UID, c.Version), uses); err != nil {
		return fmt.Errorf("write uses: %w", err)
	}
	return nil
}

// sum adds without falling back to zero.
func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// loadUses returns what was reported of a version: nothing, if nothing was.
func loadUses(r kv.Reader, uid string, number uint32) (uses Uses, err error) {
	stored, err := r.Get(usesKey(uid, number))
	if errors.Is(err, kv.ErrNotFound) {
		return Uses{}, nil
	}
	if err != nil {
		return Uses{}, fmt.Errorf("read uses: %w", err)
	}
	if err := decode(stored, &uses); err != nil {
		return Uses{}, fmt.Errorf("read uses: %w", err)
	}
	return uses, nil
}
