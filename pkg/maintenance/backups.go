package maintenance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// BackedUp is the action of the entry about a backup.
const BackedUp = "backed_up"

// Config holds the dependencies of [Backups]. All are required.
type Config struct {
	// Source is what is backed up.
	Source backup.Source
	// Path is the path of the data file.
	Path string
	// Schedule is when backups are written without a request.
	Schedule Schedule
	// Report is called with the errors of backups, and returns them. Some say that stored data was
	// changed by something other than the service.
	Report func(ctx context.Context, err error) error
	Logger *slog.Logger
	Now    func() time.Time
}

// Backups writes the backups of a service, one at a time. It is safe for concurrent use.
type Backups struct {
	Config

	busy    chan struct{} // holds one element while a backup is written or sent
	metrics metrics
}

// NewBackups returns the backups of a service. [Backups.Run] starts the scheduled ones.
func NewBackups(cfg Config) *Backups {
	return &Backups{Config: cfg, busy: make(chan struct{}, 1), metrics: newMetrics(cfg.Source.Service, cfg.Schedule)}
}

// Backup writes a backup to a caller. It fails with RATE_LIMITED while another one is written or sent.
func (b *Backups) Backup(ctx context.Context, author changelog.Author, to io.Writer) error {
	select {
	case b.busy <- struct{}{}:
	default:
		return fault.Exhausted("", "another backup is running", time.Minute)
	}
	defer func() { <-b.busy }()
	return b.finish(ctx, func() (int64, error) {
		spool, err := unnamed(b.Path)
		if err != nil {
			return 0, err
		}
		size, err := b.send(ctx, author, spool, to)
		return size, errors.Join(err, spool.Close())
	})
}

// send writes a backup to a file, and then its content to a caller.
func (b *Backups) send(ctx context.Context, author changelog.Author, spool *os.File, to io.Writer) (int64, error) {
	if err := b.write(ctx, author, spool); err != nil {
		return 0, err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return io.CopyBuffer(to, struct{ io.Reader }{spool}, make([]byte, partSize)) // in parts of this size
}

// unnamed creates a file in the folder of the data file that vanishes when it is closed. If the program
// ends before its name is removed, the next one removes it with the other remains of the store.
func unnamed(path string) (*os.File, error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-backup-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// write records a backup and writes it.
func (b *Backups) write(ctx context.Context, author changelog.Author, to io.Writer) error {
	s := b.Source
	err := s.Store.Update(ctx, func(tx kv.Tx) error {
		return s.Log.Append(tx, changelog.Entry{
			Actor: author.Actor, Action: BackedUp, Scope: resource.Everywhere, Resource: resource.Everywhere + "/" + s.Service + "/backup",
			Reason: author.Reason, RequestID: author.RequestID,
		})
	})
	if err != nil {
		return fmt.Errorf("record backup: %w", err)
	}
	_, err = backup.Write(ctx, s, b.Now(), to)
	return err
}

// finish counts a backup, and reports its error. A caller who goes away is not a failure.
func (b *Backups) finish(ctx context.Context, do func() (size int64, err error)) error {
	size, err := do()
	switch {
	case err == nil:
		b.metrics.succeeded(b.Now(), size)
	case ctx.Err() == nil:
		b.metrics.failures.Inc()
		err = b.Report(ctx, err)
	}
	return err
}
