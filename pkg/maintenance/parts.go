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

// parts is a writer that sends what it gets, in messages of at most partSize.
type parts struct {
	ctx      context.Context //nolint:containedctx // the stream's own
	send     func(*maintenancev1.BackupResponse) error
	patience time.Duration
}

// Write implements [io.Writer]. It fails with RATE_LIMITED if the caller receives nothing.
func (p parts) Write(data []byte) (n int, err error) {
	for n < len(data) {
		end := min(n+partSize, len(data))
		if err := p.sendPart(data[n:end]); err != nil {
			return n, err
		}
		n = end
	}
	return n, nil
}

func (p parts) sendPart(data []byte) error {
	sent := make(chan error, 1)
	go func() { sent <- p.send(&maintenancev1.BackupResponse{Data: data}) }() // it ends with the stream
	late := time.NewTimer(p.patience)
	defer late.Stop()
	select {
	case err := <-sent:
		return err
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-late.C:
		return fault.Exhausted(fault.QuotaCaller, "the caller received nothing for 30 seconds", p.patience)
	}
}
