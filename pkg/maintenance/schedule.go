package maintenance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/filecheck"
)

// Schedule is when the program backs up its data file by itself, and where to.
type Schedule struct {
	// Folder is an existing folder for the backups, which only the user of the program may use. Copy the
	// backups to another place. Default none: no scheduled backups.
	Folder string `yaml:"folder"`
	// Every is the time between two backups, 10m to 720h. A backup that is due while the program is
	// stopped is written at the start. Default 24h.
	Every time.Duration `yaml:"every"`
	// Keep is the number of backups in the folder, 1-1000. Older ones are removed after a new one is
	// complete. Default 14.
	Keep int `yaml:"keep"`
}

// The bounds and defaults of a [Schedule].
const (
	minEvery, maxEvery, defaultEvery = 10 * time.Minute, 30 * 24 * time.Hour, 24 * time.Hour
	maxKeep, defaultKeep             = 1000, 14
)

// Check returns all errors of the schedule, without opening a file.
func (s Schedule) Check() error {
	var errs []error
	if s.Folder == "" && (s.Every != 0 || s.Keep != 0) {
		errs = append(errs, errors.New("backup.folder: must be the path of a folder, because every or keep is set"))
	}
	if s.Every != 0 && (s.Every < minEvery || s.Every > maxEvery) {
		errs = append(errs, errors.New("backup.every: must be 10m to 720h"))
	}
	if s.Keep < 0 || s.Keep > maxKeep {
		errs = append(errs, errors.New("backup.keep: must be 1 to 1000"))
	}
	return errors.Join(errs...)
}

// CheckFiles reports problems with the folder.
func (s Schedule) CheckFiles(r *filecheck.Report) {
	if s.Folder != "" {
		r.PrivateFolder("backup.folder", s.Folder)
	}
}

func (s Schedule) withDefaults() Schedule {
	if s.Every == 0 {
		s.Every = defaultEvery
	}
	if s.Keep == 0 {
		s.Keep = defaultKeep
	}
	return s
}

const (
	// firstPause and maxPause bound the time before a backup that failed is tried again.
	firstPause, maxPause = time.Minute, time.Hour
	// longestNap is the time after which the clock is read again, which may have been set.
	longestNap = time.Minute
)

// Run writes scheduled backups until ctx ends.
func (b *Backups) Run(ctx context.Context) {
	if b.Schedule.Folder == "" {
		return
	}
	f := b.folder()
	f.removePartial()
	if last, size := f.newest(b.Now()); !last.IsZero() {
		b.metrics.succeeded(last, size)
	}
	for pause := firstPause; b.nap(ctx, f.due); {
		err := b.scheduled(ctx, f)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			pause = firstPause
			continue
		}
		b.Logger.ErrorContext(ctx, "the scheduled backup failed, trying again", slog.Any("error", err), slog.Duration("wait", pause))
		again := b.Now().Add(pause)
		if !b.nap(ctx, func(time.Time) time.Time { return again }) {
			return
		}
		pause = min(2*pause, maxPause)
	}
}

// nap waits until a time, and reports false if ctx ended before.
func (b *Backups) nap(ctx context.Context, until func(now time.Time) time.Time) bool {
	for ctx.Err() == nil {
		now := b.Now()
		left := until(now).Sub(now)
		if left <= 0 {
			return true
		}
		timer := time.NewTimer(min(left, longestNap))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return false
}

// scheduled writes one backup to the folder, and removes old ones.
func (b *Backups) scheduled(ctx context.Context, f folder) error {
	select {
	case b.busy <- struct{}{}: // after a backup for a caller
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.busy }()
	return b.finish(ctx, func() (size int64, err error) {
		at := b.Now()
		err = backup.Create(filepath.Join(f.Folder, f.name(at)), f.partial(), func(file *os.File) error {
			if err := b.write(ctx, changelog.System(b.Source.Service), file); err != nil {
				return err
			}
			info, err := file.Stat()
			if err == nil {
				size = info.Size()
			}
			return err
		})
		if err != nil {
			return 0, err
		}
		b.Logger.InfoContext(ctx, "wrote a scheduled backup", slog.String("file", f.name(at)), slog.Int64("bytes", size))
		failpoint.Hit(failpoint.BackupPruning)
		if err := f.prune(f.name(at)); err != nil {
			b.Logger.WarnContext(ctx, "cannot remove an old backup", slog.Any("error", err))
		}
		return size, nil
	})
}

func (b *Backups) folder() folder {
	return folder{
		Schedule: b.Schedule.withDefaults(), service: b.Source.Service,
		own: regexp.MustCompile(`^` + regexp.QuoteMeta(b.Source.Service) + `-(\d{8}T\d{6}Z)\.backup$`),
	}
}

// A folder has the scheduled backups of a service, and may have other files, which are left alone.
type folder struct {
	Schedule

	service string
	own     *regexp.Regexp // matches the names of the backups
}

// stamp is the form of the time in a name, in UTC.
const stamp = "20060102T150405Z"

func (f folder) name(at time.Time) string {
	return f.service + "-" + at.UTC().Format(stamp) + ".backup"
}

// all returns the names of all backups, oldest first.
func (f folder) all() (names []string, err error) {
	entries, err := os.ReadDir(f.Folder)
	for _, e := range entries {
		if e.Type().IsRegular() && f.own.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, err
}

// newest returns the time and the size of the newest backup, or the zero time. Those of the future,
// from before the clock was set, do not count.
func (f folder) newest(now time.Time) (at time.Time, size int64) {
	names, err := f.all()
	if err != nil {
		return time.Time{}, 0
	}
	for _, name := range slices.Backward(names) {
		at, err := time.Parse(stamp, f.own.FindStringSubmatch(name)[1])
		info, err2 := os.Stat(filepath.Join(f.Folder, name))
		if err == nil && err2 == nil && !at.After(now) {
			return at, info.Size()
		}
	}
	return time.Time{}, 0
}

// due returns when the next backup is due.
func (f folder) due(now time.Time) time.Time {
	last, _ := f.newest(now)
	return last.Add(f.Every)
}

// partial is the pattern of the names of incomplete backups.
func (f folder) partial() string { return "." + f.service + "-*.partial" }

// removePartial removes incomplete backups of a program that ended.
func (f folder) removePartial() {
	found, _ := filepath.Glob(filepath.Join(f.Folder, f.partial())) // fails only for a malformed pattern
	for _, path := range found {
		_ = os.Remove(path) // tried again at the next start
	}
}

// prune removes all but the newest backups after one was written. That one stays, with all that seem to
// be later because they are from before the clock was set.
func (f folder) prune(written string) error {
	names, err := f.all()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names[:max(0, min(len(names)-f.Keep, slices.Index(names, written)))] {
		if err := os.Remove(filepath.Join(f.Folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove backup: %w", err))
		}
	}
	return errors.Join(errs...)
}
