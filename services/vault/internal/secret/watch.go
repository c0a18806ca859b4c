package secret

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// The pace of a watch.
const (
	// heartbeat is how often a watcher hears something at least. The contract
	// promises twice this time.
	heartbeat = 250 * time.Millisecond
	// watchBatch is how many entries of the log are read at once.
	watchBatch = 256
)

// A Position is a place in the change log.
type Position struct {
	// Epoch identifies the run of the vault. A store is restored while no vault runs
	// on it, and a restored one has a past that differs from what watchers heard; so
	// positions are good within a run only, and nobody has to tell the vault that its
	// store was restored.
	Epoch string
	// Sequence is how many changes come before.
	Sequence uint64
}

// A Notice says that what somebody keeps of a secret is no longer right.
type Notice struct {
	Secret, UID string
	// Sequence is that of the change in the log.
	Sequence uint64
	// Deleted is whether the secret is gone.
	Deleted bool
}

// A Message is what a watcher hears at once. Without notices it says that there was
// nothing beyond its position when it was made.
type Message struct {
	Notices []Notice
	// Position is behind the notices; resume there.
	Position Position
}

// Watch sends what changes in a workspace, or in all for [resource.Any], behind a
// position, or from now on for nil. It sends something a few times a second, until
// ctx ends or send fails. It fails with POSITION_OUT_OF_RANGE for a position of
// another run, and for one that is too far behind: from the beginning, or because
// send takes too long. Between two messages it holds nothing of the store.
func (s *Store) Watch(ctx context.Context, workspace string, from *Position, send func(Message) error) error {
	scope := ""
	if workspace != resource.Any {
		scope = resource.WorkspaceName(workspace)
	}
	at, err := s.begin(ctx, from)
	if err != nil {
		return err
	}
	if err := send(Message{Position: at}); err != nil {
		return err
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for due := true; ; {
		// What is committed from here on is either read below or wakes the loop.
		changed := s.commits.wait()
		if at, err = s.catchUp(ctx, scope, at, send); err != nil {
			return err
		}
		if due {
			if err := send(Message{Position: at}); err != nil {
				return err
			}
		}
		select {
		case <-changed:
			due = false
		case <-tick.C:
			due = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin returns the position to begin at.
func (s *Store) begin(ctx context.Context, from *Position) (at Position, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) error {
		at, err = s.position(r)
		return err
	})
	switch {
	case err != nil || from == nil:
		return at, err
	case from.Epoch != at.Epoch:
		return Position{}, outOfRange()
	}
	return *from, nil // the first look at the log says whether it is in reach
}

// position returns the place of all that r sees.
func (s *Store) position(r kv.Reader) (Position, error) {
	size, err := changelog.Size(r)
	return Position{Epoch: s.epoch, Sequence: size}, err
}

// catchUp sends what there is behind a position, and returns how far that is.
func (s *Store) catchUp(ctx context.Context, scope string, at Position, send func(Message) error) (Position, error) {
	for {
		m, more, err := s.poll(ctx, scope, at)
		if err != nil {
			return at, err
		}
		if len(m.Notices) > 0 {
			if err := send(m); err != nil {
				return at, err
			}
		}
		if at = m.Position; !more {
			return at, nil
		}
	}
}

// poll reads a part of the log behind a position, and whether there may be more.
func (s *Store) poll(ctx context.Context, scope string, at Position) (m Message, more bool, err error) {
	var entries []changelog.Entry
	m.Position = at
	err = s.kv.View(ctx, func(r kv.Reader) error {
		size, err := changelog.Size(r)
		if err != nil {
			return err
		}
		if at.Sequence > size || size-at.Sequence > s.reach {
			return outOfRange()
		}
		entries, m.Position.Sequence, err = changelog.Follow(r, scope, at.Sequence, watchBatch)
		return err
	})
	if err != nil {
		return Message{}, false, err
	}
	for _, e := range entries {
		if matters(e) {
			deleted := e.Action == Deleted || e.Action == ForceDeleted
			m.Notices = append(m.Notices, Notice{Secret: e.Resource, UID: e.UID, Sequence: e.Sequence, Deleted: deleted})
		}
	}
	return m, len(entries) == watchBatch, nil
}

// matters reports whether an entry changes what a holder of a binding resolves. An
// action that it does not know does.
func matters(e changelog.Entry) bool {
	switch e.Action {
	// Nobody keeps anything of a uid that begins, and what is resolved for a message stays right
	// when its purpose is sealed. How values arrive concerns no secret.
	case Created, Bound, Unbound, SealedPurpose, RefusedEqual, RequiredSealing, NotRequiredSealing:
		return false
	case Updated:
		return slices.ContainsFunc(e.Fields, func(field string) bool {
			return field != FieldDescription && field != FieldLabels && field != FieldRotationPeriod
		})
	}
	return true
}

func outOfRange() error {
	return fault.New(fault.OutOfRange, PositionOutOfRange,
		"the position is too old or of another run of the vault; drop what is kept and begin without one")
}

// commits wakes those who wait for the store to change. The zero value is ready.
type commits struct {
	mu   sync.Mutex
	next chan struct{} // nil if nobody waits
}

// wait returns what is closed after the next commit.
func (c *commits) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	return c.next
}

func (c *commits) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}

// noticed is a store that wakes those who wait after each update, also after one that
// failed: it may have been committed all the same.
type noticed struct {
	kv.Store
	commits *commits
}

// Update implements [kv.Store].
func (n noticed) Update(ctx context.Context, fn func(kv.Tx) error) error {
	defer n.commits.wake()
	return n.Store.Update(ctx, fn)
}
