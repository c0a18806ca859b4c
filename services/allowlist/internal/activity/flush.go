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
	// reported is the maximum number of uses in one report.
	reported = 30
	// maxUnsent is the maximum number of reports that are kept while the vault is unreachable; above
	// it, the oldest are dropped.
	maxUnsent = 256
)

// ErrRefused is in the error chain for a report that the vault will never accept.
var ErrRefused = errors.New("activity: the vault refused the report")

// A Report reports uses of secrets of one workspace, `workspaces/{workspace}`, to the vault. A
// report that is sent again under its ID counts once. A report that fails is sent again, unless
// the error is [ErrRefused].
type Report func(ctx context.Context, workspace, id string, uses []Total) error

// A batch is a report that waits to be sent.
type batch struct {
	workspace, id string
	uses          []Total
}

// Flush saves and reports the counts since the last flush. Reports that cannot be sent are kept
// for the next flush; refused ones are dropped, so that they do not block others.
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

// batches divides uses into reports. The vault does not learn the endpoint.
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

// Run flushes at each interval until the context ends, and passes errors to failed. The caller
// makes the last flush, when no messages are in progress.
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
