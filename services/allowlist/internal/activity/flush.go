package activity

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"
)

// Interval is the time between two flushes.
const Interval = time.Minute

const (
	// reported is how many uses one report holds.
	reported = 30
	// maxUnsent is how many reports are kept for a vault that is away; then the oldest
	// are dropped.
	maxUnsent = 256
)

// ErrRefused is in the chain of the error for a report that the vault will never take.
var ErrRefused = errors.New("usage: the vault refuses the report")

// A Report tells the vault of uses of secrets of one workspace, `workspaces/{workspace}`.
// A report that is sent again under its id counts once. What is not [ErrRefused] is.
type Report func(ctx context.Context, workspace, id string, uses []Total) error

// A batch is a report that waits to be sent.
type batch struct {
	workspace, id string
	uses          []Total
}

// Flush saves and reports what was counted since the last one. What cannot be reported
// is kept and sent with the next flush; what is refused is dropped, so that it holds up
// nothing else.
func (m *Meter) Flush(ctx context.Context) error {
	m.flushing.Lock()
	defer m.flushing.Unlock()
	deltas := m.take()
	m.unsent = append(m.unsent, batches(deltas)...)
	m.unsent = m.unsent[max(0, len(m.unsent)-maxUnsent):]
	return errors.Join(m.add(ctx, deltas), m.send(ctx))
}

func (m *Meter) send(ctx context.Context) error {
	var refused []error
	for len(m.unsent) > 0 {
		next := m.unsent[0]
		err := m.report(ctx, next.workspace, next.id, next.uses)
		if err != nil && !errors.Is(err, ErrRefused) {
			return errors.Join(append(refused, err)...)
		}
		if err != nil {
			refused = append(refused, err)
		}
		m.unsent = m.unsent[1:]
	}
	return errors.Join(refused...)
}

// batches divides uses into reports. The vault does not hear which endpoint it was.
func batches(deltas []Total) []batch {
	byWorkspace := make(map[string]map[Key]Total)
	for _, delta := range deltas {
		workspace, _, _ := strings.Cut(delta.Secret, "/secrets/")
		if byWorkspace[workspace] == nil {
			byWorkspace[workspace] = make(map[Key]Total)
		}
		key := delta.Key
		key.Endpoint = ""
		sum := byWorkspace[workspace][key]
		sum.Key = key
		sum.Used += delta.Used
		sum.Failed += delta.Failed
		sum.Opened += delta.Opened
		if delta.Last.After(sum.Last) {
			sum.Last = delta.Last
		}
		byWorkspace[workspace][key] = sum
	}
	var all []batch
	for workspace, sums := range byWorkspace {
		uses := make([]Total, 0, len(sums))
		for _, sum := range sums {
			uses = append(uses, sum)
		}
		for some := range slices.Chunk(uses, reported) {
			all = append(all, batch{workspace: workspace, id: rand.Text(), uses: some})
		}
	}
	return all
}

// Run flushes at each interval until the context ends. Failures go to the given function.
// The last flush is the caller's, when no message is under way any more.
func (m *Meter) Run(ctx context.Context, failed func(error)) {
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := m.Flush(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}
