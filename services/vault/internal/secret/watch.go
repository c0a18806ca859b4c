package secret

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// The intervals and sizes of a watch.
const (
	// heartbeat is the maximum time between two messages of a watch. The contract promises twice this
	// time.
	heartbeat = 250 * time.Millisecond
	// beatsPerHead is the number of heartbeats between two heads of the log: one second.
	beatsPerHead = 4
	// watchBatch is the number of log entries that are read at once.
	watchBatch = 256
)

// A Position is a place in the change log.
type Position struct {
	// Epoch identifies the history of the store. It lasts across restarts. The history of a restored
	// store differs from what watchers received, so each restore begins another epoch (package
	// restore). A data file that someone replaced by an earlier one, without saying so, keeps the
	// epoch. Watchers notice that by the heads of the log.
	Epoch string
	// Sequence is the number of changes before this place.
	Sequence uint64
	// Run identifies the run of the vault that states the position.
	Run string
}

// A Notice invalidates cached values of a secret.
type Notice struct {
	Secret, UID string
	// Sequence is the position of the change in the log.
	Sequence uint64
	// Deleted is whether the secret was deleted, and DeleteReason the reason of that.
	Deleted      bool
	DeleteReason string
}

// A Message is one message to a watcher. A message without notices reports that there were no
// changes after its position when it was created.
type Message struct {
	Notices []Notice
	// Position is the position after the notices, at which to resume.
	Position Position
	// Checkpoint is the signed head of the log. It is set in the first message, and after a change
	// in a heartbeat, at most once a second.
	Checkpoint string
}

// Watch sends the changes in a workspace, or in all workspaces for [resource.Any], after a
// position, or from now on if the position is nil. It sends something a few times a second, until
// ctx ends or send fails. It fails with POSITION_OUT_OF_RANGE for a position of another epoch, also
// when a restore is found meanwhile, for a position behind the end of the log, and for one that is too
// far back, initially or because send is too slow. It holds no transaction open between messages.
func (s *Store) Watch(ctx context.Context, workspace string, from *Position, send func(Message) error) error {
	scope := ""
	if workspace != resource.Any {
		scope = resource.WorkspaceName(workspace)
	}
	at, err := s.begin(ctx, from)
	if err != nil {
		return err
	}
	headed, err := s.stateHead(ctx, at, send)
	if err != nil {
		return err
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	beats := 0
	for due := true; ; {
		// Changes committed from here on are either read below or wake the loop.
		changed := s.commits.wait()
		if at, err = s.catchUp(ctx, scope, at, send); err != nil {
			return err
		}
		switch {
		case due && beats >= beatsPerHead && at != headed:
			beats = 0
			headed, err = s.stateHead(ctx, at, send)
		case due:
			err = send(Message{Position: at})
		}
		if err != nil {
			return err
		}
		select {
		case <-changed:
			due = false
		case <-tick.C:
			due = true
			beats++
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stateHead sends a heartbeat with the head of the log, and returns its position.
func (s *Store) stateHead(ctx context.Context, at Position, send func(Message) error) (Position, error) {
	m := Message{Position: at}
	err := s.kv.View(ctx, func(r kv.Reader) error {
		head, err := restore.Checkpoint(r, s.log)
		m.Checkpoint = head.Checkpoint
		return err
	})
	if err != nil {
		return at, err
	}
	return at, send(m)
}

// begin returns the position at which to begin.
func (s *Store) begin(ctx context.Context, from *Position) (at Position, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) error {
		at, err = s.position(r)
		return err
	})
	switch {
	case err != nil || from == nil:
		return at, err
	case from.Epoch != at.Epoch || from.Sequence > at.Sequence:
		return Position{}, outOfRange()
	}
	at.Sequence = from.Sequence
	return at, nil // the first read of the log checks whether it is in reach
}

// Epoch identifies the history of the store; see [Position].
func (s *Store) Epoch() string { return s.restores.Epoch() }

// Run identifies this run of the vault.
func (s *Store) Run() string { return s.run }

// committed returns a position before which all changes are visible to a view that begins now.
func (s *Store) committed() Position {
	return Position{Epoch: s.Epoch(), Sequence: s.commits.size.Load(), Run: s.run}
}

// position returns the position up to which r sees all changes.
func (s *Store) position(r kv.Reader) (Position, error) {
	size, err := changelog.Size(r)
	return Position{Epoch: s.Epoch(), Sequence: size, Run: s.run}, err
}

// catchUp sends the changes after a position, and returns the position after them.
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

// poll reads a part of the log after a position, and reports whether there may be more.
func (s *Store) poll(ctx context.Context, scope string, at Position) (m Message, more bool, err error) {
	var entries []changelog.Entry
	m.Position = at
	if at.Epoch != s.Epoch() {
		return Message{}, false, outOfRange()
	}
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
			n := Notice{Secret: e.Resource, UID: e.UID, Sequence: e.Sequence}
			if e.Action == Deleted || e.Action == ForceDeleted {
				n.Deleted, n.DeleteReason = true, e.Reason
			}
			m.Notices = append(m.Notices, n)
		}
	}
	return m, len(entries) == watchBatch, nil
}

// matters reports whether an entry changes the result of a resolve. It returns true for an unknown
// action on a secret. How values arrive, the heads of resolvers, and the keyring are not secrets.
func matters(e changelog.Entry) bool {
	if _, err := ParseName(e.Resource); err != nil {
		return false
	}
	switch e.Action {
	// A new uid has no cached values. A value that was resolved for a message remains valid when the
	// purpose is sealed. An upgrade changes no value, and neither does another wrap of its data key. A
	// purge follows a deletion, and a check only compares.
	case Created, Bound, Unbound, SealedPurpose, RefusedEqual, Upgraded, Rewrapped, Purged, ValueChecked:
		return false
	case Updated:
		return slices.ContainsFunc(e.Fields, func(field string) bool {
			return field != FieldDescription && field != FieldLabels && field != FieldRotationPeriod && field != FieldKeepVersions
		})
	}
	return true
}

func outOfRange() error {
	return fault.New(fault.OutOfRange, PositionOutOfRange,
		"the position is too old or belongs to another epoch of the vault; drop cached values and start without a position")
}

// commits wakes goroutines that wait for changes of the store. The zero value is ready to use.
type commits struct {
	mu   sync.Mutex
	next chan struct{} // nil if no goroutine waits

	// size is a number of entries in the log that are committed. There may be more: an update counts
	// its own after it returned.
	size atomic.Uint64
}

// begin reads the size of the log.
func (c *commits) begin(r kv.Reader) error {
	size, err := changelog.Size(r)
	c.grow(size)
	return err
}

// grow sets the size, unless it is greater.
func (c *commits) grow(size uint64) {
	for known := c.size.Load(); known < size; known = c.size.Load() {
		if c.size.CompareAndSwap(known, size) {
			return
		}
	}
}

// wait returns a channel that is closed after the next commit.
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

// noticed is a store that wakes waiting goroutines after each update, even after a failed one,
// which may have been committed.
type noticed struct {
	kv.Store
	commits *commits
}

// Update implements [kv.Store].
func (n noticed) Update(ctx context.Context, fn func(kv.Tx) error) error {
	defer n.commits.wake()
	var size uint64
	err := n.Store.Update(ctx, func(tx kv.Tx) (err error) {
		if err := fn(tx); err != nil {
			return err
		}
		size, err = changelog.Next(tx)
		return err
	})
	if err != nil {
		return err
	}
	n.commits.grow(size)
	return nil
}
