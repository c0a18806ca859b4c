package secret

import (
	"context"
	"math"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// Uses counts the reported uses of a version.
type Uses struct {
	// Used is the number of successful uses.
	Used uint64
	// Failed is the number of messages that failed to decrypt or verify.
	Failed uint64
	// Opened is the number of successful uses that decrypted an incoming message.
	Opened uint64
	// Last is the time of the last successful use, or zero.
	Last    time.Time
	Unknown []byte
}

// reported reports whether there are any uses.
func (u Uses) reported() bool { return u.Used > 0 || u.Failed > 0 || u.Opened > 0 || !u.Last.IsZero() }

// A Count is the report about one version.
type Count struct {
	Name    Name
	UID     string
	Version uint32
	Uses    Uses
}

// Report adds counts to the uses of versions. It drops the count of a secret that the holder is
// not bound to, of another incarnation of its name, and of a version that does not exist. A
// repeated report counts once.
//
// A report has at most 30 counts, so that they fit in one transaction.
func (s *Store) Report(ctx context.Context, request replay.Request, holder string, counts []Count) error {
	now := s.timestamp()
	return s.kv.Update(ctx, func(tx kv.Tx) error {
		_, seen, err := s.ledger.Lookup(tx, request)
		if fault.Is(err, fault.RequestIDReused) {
			return fault.New(fault.InvalidArgument, fault.RequestIDReused, "the report ID was used for another report; use a new one").
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

// known reports whether the version of the count exists and the holder is bound to its secret.
func (c Count) known(r kv.Reader, holder string) (bool, error) {
	sec, err := loadLife(r, c.Name, c.UID)
	if err == nil {
		err = sec.checkHolder(holder)
	}
	if fault.Is(err, NotFound) || fault.Is(err, NotBound) {
		return false, nil
	}
	return err == nil && sec.has(c.Version), err
}

// add adds the count to the uses of its version.
func (c Count) add(tx kv.Tx, now time.Time) error {
	uses, err := loadUses(tx, c.Name, c.UID, c.Version)
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
	return writing("uses", put(tx, usesKey(c.Name, c.UID, c.Version), uses.message()))
}

// sum adds two numbers and saturates instead of overflowing.
func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// loadUses returns the reported uses of a version, which are zero without reports.
func loadUses(r kv.Reader, n Name, uid string, number uint32) (uses Uses, err error) {
	var m stored.Uses
	if _, err := get(r, usesKey(n, uid, number), &m); err != nil {
		return Uses{}, read("uses", err)
	}
	return usesFrom(&m), nil
}
