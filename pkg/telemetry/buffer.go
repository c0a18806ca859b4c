package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// flushInterval is the longest time for which a line waits for its write.
	flushInterval = 100 * time.Millisecond
	// flushBytes is the number of waiting bytes that are written without waiting any longer.
	flushBytes = 64 << 10
	// maxWaiting is the maximum number of bytes that wait while the output is stuck.
	maxWaiting = 1 << 20
	// maxStuck is the longest time for which a warning or an error waits for a stuck output.
	maxStuck = time.Second
)

// A buffer collects the lines of a log and writes many of them at once. Each call of Write is one
// whole line, and lines do not interleave.
//
// A line waits for at most 100 ms, so a crash of the process can lose the lines of its last moment.
// If the output is stuck, for example because no one reads the pipe, callers do not wait for it:
// when 1 MiB of lines wait, further lines are dropped and counted, and a warning with their number
// follows the lines that waited.
type buffer struct {
	to      io.Writer
	dropped prometheus.Counter
	report  *slog.Logger // writes directly to the output

	mutex   sync.Mutex // guards the fields below
	waiting []byte
	lost    int64
	timer   *time.Timer

	writing sync.Mutex // held by the one that writes; taken before mutex
	spare   []byte     // guarded by writing
}

func newBuffer(to io.Writer, service string) *buffer {
	b := &buffer{to: to, report: NewLogger(to, slog.LevelWarn, service), dropped: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "keyward_log_dropped_lines_total",
		Help: "Log lines that were dropped because the output of the log was stuck.",
	})}
	b.timer = time.AfterFunc(flushInterval, b.flush)
	return b
}

// Write adds a line. It does not wait for the output, and its error is always nil.
func (b *buffer) Write(line []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	before := len(b.waiting)
	if before+len(line) > maxWaiting {
		b.lost++
		b.dropped.Inc()
		return len(line), nil
	}
	b.waiting = append(b.waiting, line...)
	switch {
	case before == 0:
		b.timer.Reset(flushInterval)
	case before < flushBytes && len(b.waiting) >= flushBytes:
		b.timer.Reset(0)
	}
	return len(line), nil
}

// flush writes all waiting lines.
func (b *buffer) flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mutex.Lock()
	lines, lost := b.waiting, b.lost
	b.waiting, b.lost = b.spare[:0], 0
	b.mutex.Unlock()
	if len(lines) > 0 {
		_, _ = b.to.Write(lines) // the log is the place for errors, and it does not work
	}
	b.spare = lines
	if lost > 0 {
		b.report.LogAttrs(context.Background(), slog.LevelWarn, "log lines were dropped because the output was stuck", slog.Int64("lines", lost))
	}
}

// flushSoon writes all waiting lines and waits until they are written, unless the output is stuck.
func (b *buffer) flushSoon() {
	written := make(chan struct{})
	go func() {
		b.flush()
		close(written)
	}()
	limit := time.NewTimer(maxStuck)
	defer limit.Stop()
	select {
	case <-written:
	case <-limit.C:
	}
}

// urgent is a handler that has warnings and errors written at once.
type urgent struct {
	slog.Handler
	buffer *buffer
}

// Handle writes a record, and does not return before a warning or an error is written.
func (u urgent) Handle(ctx context.Context, record slog.Record) error {
	err := u.Handler.Handle(ctx, record)
	if record.Level >= slog.LevelWarn {
		u.buffer.flushSoon() //nolint:contextcheck // the lines are not those of this context only
	}
	return err
}

// WithAttrs returns a handler whose records have the attributes.
func (u urgent) WithAttrs(attrs []slog.Attr) slog.Handler {
	return urgent{u.Handler.WithAttrs(attrs), u.buffer}
}

// WithGroup returns a handler whose further attributes are in the group.
func (u urgent) WithGroup(name string) slog.Handler {
	return urgent{u.Handler.WithGroup(name), u.buffer}
}
