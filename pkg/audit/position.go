package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// A position is the progress of a pass. It is stored under the key `audit`, as the time when the
// pass began, the stage, and next.
type position struct {
	begin time.Time
	// stage is 0 in the log and n in the n-th space.
	stage int
	// next is the sequence number of the next entry, or the first key that may be next. It is nil at
	// the begin of a stage.
	next []byte
}

func positionKey() kv.Key { return kv.NewKey("audit") }

func (p *position) sequence() uint64 {
	if len(p.next) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(p.next)
}

func (p *position) setSequence(n uint64) { p.next = binary.BigEndian.AppendUint64(nil, n) }

func (p *position) encode() []byte {
	value := binary.BigEndian.AppendUint64(nil, uint64(p.begin.UnixNano()))
	return append(append(value, byte(p.stage)), p.next...)
}

// decodePosition returns a stored position. A malformed one is that of a new pass.
func decodePosition(value []byte, spaces int) position {
	if len(value) < 9 || int(value[8]) > spaces {
		return position{begin: time.Now()}
	}
	return position{
		begin: time.Unix(0, int64(binary.BigEndian.Uint64(value))), stage: int(value[8]), next: value[9:],
	}
}

// resume returns the saved position, or that of a new pass.
func (a *Auditor) resume(ctx context.Context) (p position, err error) {
	err = a.Store.View(ctx, func(r kv.Reader) error {
		value, err := r.Get(positionKey())
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return a.judge(ctx, InBackground, err)
		}
		p = decodePosition(value, len(a.Resources.Spaces()))
		return nil
	})
	if p.begin.IsZero() {
		p.begin = time.Now()
	}
	return p, err
}

// save saves the position if it is time.
func (a *Auditor) save(ctx context.Context) error {
	if time.Since(a.saved) < a.Save {
		return nil
	}
	a.saved = time.Now()
	value := a.at.encode()
	err := a.Store.Update(ctx, func(tx kv.Tx) error { return tx.Put(positionKey(), value) })
	if err != nil {
		return fmt.Errorf("save position: %w", err)
	}
	return nil
}

// forget removes the saved position, if any.
func (a *Auditor) forget(ctx context.Context) error {
	saved := false
	err := a.Store.View(ctx, func(r kv.Reader) error {
		_, err := r.Get(positionKey())
		saved = !errors.Is(err, kv.ErrNotFound)
		return nil
	})
	if err != nil || !saved {
		return err
	}
	return a.Store.Update(ctx, func(tx kv.Tx) error { return tx.Delete(positionKey()) })
}
