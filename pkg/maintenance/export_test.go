package maintenance

import (
	"context"
	"io"
	"time"

	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
)

// Parts returns a writer that sends parts and waits for a caller for some time.
func Parts(ctx context.Context, patience time.Duration, send func(*maintenancev1.BackupResponse) error) io.Writer {
	return parts{ctx, send, patience}
}
