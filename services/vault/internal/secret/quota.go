package secret

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// # Quotas
//
// A vault may limit what a workspace uses: secrets, versions that are not destroyed, and the bytes of
// their encrypted values. The counts are in memory only, so that they need no rows and no upgrade, and
// cannot be wrong after a restore. The first change that needs the count of a workspace counts it,
// in parts, while other changes go on.
//
// The count is exact. Each part states the position in the change log at which it was read, and each
// change has a position, so a change is added to a part if, and only if, the part was read before it. A
// transaction reserves what it adds before its commit, so that two transactions never share the
// last place. If it is unknown whether a commit happened, the workspace is counted again.

const (
	// countBatch is the number of rows from which a part ends, with the rows of a secret.
	countBatch = 2000
	// countPatience is how long a change waits for the count.
	countPatience = 2 * time.Second
)

// Used is what a workspace uses, or what a change adds to that, which may be negative.
type Used struct {
	Secrets int64
	// Versions is the number of versions that are not destroyed, and Bytes is the size of their
	// encrypted values.
	Versions, Bytes int64
}

func (u Used) plus(v Used) Used {
	return Used{u.Secrets + v.Secrets, u.Versions + v.Versions, u.Bytes + v.Bytes}
}

// freed returns what is no longer used.
func (u Used) freed() Used { return Used{-u.Secrets, -u.Versions, -u.Bytes} }

// added returns the use without what is freed.
func (u Used) added() Used { return Used{max(0, u.Secrets), max(0, u.Versions), max(0, u.Bytes)} }

// used returns what a version uses.
func (v Version) used() Used {
	if v.State == Destroyed {
		return Used{}
	}
	return Used{Versions: 1, Bytes: int64(len(v.Sealed.Ciphertext))}
}

// used returns what the version of a value uses.
func (s Stored) used() Used { return Used{Versions: 1, Bytes: int64(len(s.Sealed.Ciphertext))} }

// account adds to what a workspace uses, once tx is committed. Call it before the entry of the change.
// The transaction fails with QUOTA_EXCEEDED if it would add more than is left.
func (s *Store) account(tx *writes, name Name, change Used) (err error) {
	if !s.quotas.limited() {
		return nil
	}
	h := tx.held
	if h.change == (Used{}) {
		h.name = name
		h.sequence, err = tx.next()
	}
	h.change = h.change.plus(change)
	return err
}

// accountRemoved is account for a secret that is removed for good, with all its versions.
func (s *Store) accountRemoved(tx *writes, sec Secret) error {
	if !s.quotas.limited() {
		return nil
	}
	removed := Used{Secrets: 1}
	for pair, err := range tx.Scan(kv.Prefix(versionsKey(sec.Name, sec.UID), int(sec.Last))) {
		if err != nil {
			return read("versions", err)
		}
		v, err := usedBy(pair.Value)
		if err != nil {
			return err
		}
		removed = removed.plus(v)
	}
	return s.account(tx, sec.Name, removed.freed())
}

// usedBy returns what the version of a row uses.
func usedBy(row []byte) (Used, error) {
	var m stored.Version
	if err := decode(row, &m); err != nil {
		return Used{}, read("version", err)
	}
	if m.GetState() == stored.State_STATE_DESTROYED {
		return Used{}, nil
	}
	return Used{Versions: 1, Bytes: int64(len(m.GetValue().GetCiphertext()))}, nil
}

// held is what a transaction adds to the use of a workspace.
type held struct {
	name     Name
	sequence uint64 // of an entry of the change
	change   Used
	reserved Used
}

// quotas counts what the workspaces use. The zero value has no limits.
type quotas struct {
	limit      Used
	store      *Store
	background context.Context

	mu     sync.Mutex
	spaces map[string]*space
}

// A space is what a workspace uses.
type space struct {
	reserved Used   // by transactions that are not settled
	count    *count // nil: not counted
}

// A count is the use of a workspace.
type count struct {
	done  chan struct{} // closed at the end
	ended bool
	total Used
	parts []part
	// later are changes that were committed while the count was made.
	later []held
}

// A part of a count covers the secrets up to an ID.
type part struct {
	last string // empty for the last part
	size uint64 // of the change log
}

// start sets the limits.
func (q *quotas) start(ctx context.Context, s *Store, limit Used) {
	q.limit, q.store, q.background, q.spaces = limit, s, ctx, make(map[string]*space)
}

func (q *quotas) limited() bool { return q.limit != Used{} }

// of returns a workspace. The quotas are locked.
func (q *quotas) of(workspace string) *space {
	if q.spaces[workspace] == nil {
		q.spaces[workspace] = new(space)
	}
	return q.spaces[workspace]
}

// ready waits until the use of a workspace is counted, for a limited time.
func (q *quotas) ready(ctx context.Context, workspace string) error {
	if !q.limited() {
		return nil
	}
	q.mu.Lock()
	sp := q.of(workspace)
	c := sp.count
	if c == nil {
		c = &count{done: make(chan struct{})}
		sp.count = c
		q.store.stopped.Go(func() { q.run(workspace, c) })
	}
	q.mu.Unlock()
	patience := time.NewTimer(countPatience)
	defer patience.Stop()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("count the workspace: %w", ctx.Err())
	case <-patience.C:
		return uncounted()
	}
}

func uncounted() error {
	return fault.New(fault.Unavailable, fault.Unreachable, "what the workspace uses is being counted; try again").Retry(time.Second)
}

// run counts a workspace.
func (q *quotas) run(workspace string, c *count) {
	total, parts, err := q.scan(workspace)
	if err != nil && q.background.Err() == nil && !errors.Is(err, kv.ErrClosed) {
		q.store.logger.WarnContext(q.background, "counting a workspace for its quota failed", slog.Any("error", err))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	defer close(c.done)
	if err != nil {
		if sp := q.of(workspace); sp.count == c {
			sp.count = nil // the next change tries again
		}
		return
	}
	c.ended, c.total, c.parts = true, total, parts
	for _, h := range c.later {
		c.add(h)
	}
	c.later = nil
}

// add adds a committed change, unless it was counted.
func (c *count) add(h held) {
	i := slices.IndexFunc(c.parts, func(p part) bool { return p.last == "" || h.name.ID <= p.last })
	if i >= 0 && h.sequence >= c.parts[i].size {
		c.total = c.total.plus(h.change)
	}
}

// reserve reserves what a transaction adds, or fails with QUOTA_EXCEEDED. It is called at the end of
// each run of the transaction.
func (q *quotas) reserve(h *held) error {
	added := h.change.added()
	if added == (Used{}) {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	sp := q.of(h.name.Workspace)
	if sp.count == nil || !sp.count.ended {
		return uncounted()
	}
	after := sp.count.total.plus(sp.reserved).plus(added)
	if err := q.exceeded(after, added); err != nil {
		return err
	}
	h.reserved = added
	sp.reserved = sp.reserved.plus(added)
	return nil
}

// exceeded fails if a limit is exceeded by something that a change adds.
func (q *quotas) exceeded(after, added Used) error {
	for _, of := range [...]struct {
		name                string
		limit, after, added int64
	}{
		{"secrets", q.limit.Secrets, after.Secrets, added.Secrets},
		{"versions", q.limit.Versions, after.Versions, added.Versions},
		{"bytes", q.limit.Bytes, after.Bytes, added.Bytes},
	} {
		if of.limit > 0 && of.added > 0 && of.after > of.limit {
			return fault.New(fault.ResourceExhausted, QuotaExceeded,
				"the workspace has reached its quota of "+of.name+"; delete secrets or destroy versions that are not needed").
				With("quota", of.name).With("limit", strconv.FormatInt(of.limit, 10))
		}
	}
	return nil
}

// release undoes what an earlier run of a transaction accounted and reserved.
func (q *quotas) release(h *held) {
	if h.reserved != (Used{}) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.of(h.name.Workspace).release(h)
	}
	*h = held{}
}

func (sp *space) release(h *held) { sp.reserved = sp.reserved.plus(h.reserved.freed()) }

// errUnsettled is the error of a transaction that panicked.
var errUnsettled = errors.New("the transaction did not return")

// settle ends a transaction. Only a refusal is certain to have changed nothing: after any other error,
// the workspace is counted again.
func (q *quotas) settle(h *held, err error) {
	if h.change == (Used{}) && h.reserved == (Used{}) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	sp := q.of(h.name.Workspace)
	sp.release(h)
	switch _, refused := fault.From(err); {
	case refused || sp.count == nil:
	case err != nil:
		sp.count = nil
	case !sp.count.ended:
		sp.count.later = append(sp.count.later, *h)
	default:
		sp.count.add(*h)
	}
}

// scan counts a workspace in parts.
func (q *quotas) scan(workspace string) (total Used, parts []part, err error) {
	var last kv.Key
	for {
		var found Used
		var of part
		err := q.store.kv.View(q.background, func(r kv.Reader) (err error) {
			if of.size, err = changelog.Size(r); err == nil {
				found, of.last, err = usedIn(r, workspace, last)
			}
			return err
		})
		if err != nil {
			return Used{}, nil, fmt.Errorf("count secrets: %w", err)
		}
		total, parts = total.plus(found), append(parts, of)
		if of.last == "" {
			return total, parts, nil
		}
		last = secretKey(Name{Workspace: workspace, ID: of.last})
	}
}

// usedIn counts the secrets with the keys after those of a secret, and returns the ID of the last one,
// which is empty at the end.
func usedIn(r kv.Reader, workspace string, after kv.Key) (found Used, last string, err error) {
	prefix := secretsKey(workspace)
	all := kv.Prefix(prefix, math.MaxInt32) // ends with a secret
	if after != nil {
		all.Start = kv.After(after)
	}
	rows := 0
	var id string
	var uid [uidSize]byte // of the secret, whose row comes first
	for pair, err := range r.Scan(all) {
		if err != nil {
			return Used{}, "", err
		}
		of, rest, err := kv.CutText(pair.Key[len(prefix):])
		if err != nil {
			return Used{}, "", err
		}
		if of != id {
			if rows >= countBatch {
				return found, id, nil
			}
			id, uid = of, [uidSize]byte{}
		}
		rows++
		switch {
		case len(rest) == 0:
			sec, err := parseSecret(Name{}, pair.Value)
			if err != nil {
				return Used{}, "", err
			}
			uid = rawUID(sec.UID)
			found.Secrets++
		case rest[0] == byte(kindVersion) && len(rest) == 1+uidSize+numberSize && [uidSize]byte(rest[1:1+uidSize]) == uid:
			v, err := usedBy(pair.Value)
			if err != nil {
				return Used{}, "", err
			}
			found = found.plus(v)
		}
	}
	return found, "", nil
}
