package maintenance

import (
	"context"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
)

const (
	// partSize is the maximum size of one message of a stream.
	partSize = 1 << 20
	// patience is the time for which a caller may receive nothing.
	patience = 30 * time.Second
)

// parts is a writer that sends what it gets in messages of partSize.
type parts struct {
	ctx  context.Context //nolint:containedctx // the stream's own
	send func(*maintenancev1.BackupResponse) error
	next []byte
}

// Write implements [io.Writer].
func (p *parts) Write(data []byte) (n int, err error) {
	for len(data) > 0 {
		if p.next == nil {
			p.next = make([]byte, 0, partSize)
		}
		taken := min(len(data), partSize-len(p.next))
		p.next = append(p.next, data[:taken]...)
		data, n = data[taken:], n+taken
		if len(p.next) < partSize {
			continue
		}
		if err := p.flush(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// flush sends what was not sent yet. It fails with RATE_LIMITED if the caller receives nothing.
func (p *parts) flush() error {
	if len(p.next) == 0 {
		return nil
	}
	part := &maintenancev1.BackupResponse{Data: p.next}
	p.next = nil // belongs to the message from here on
	sent := make(chan error, 1)
	go func() { sent <- p.send(part) }() // it ends with the stream
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case err := <-sent:
		return err
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-late.C:
		return fault.Exhausted(fault.QuotaCaller, "the caller received nothing for 30 seconds", patience)
	}
}
