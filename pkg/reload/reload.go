// Package reload keeps what is read from files in step with them: a policy,
// certificates, keys.
//
// A [Reloader] looks at the files again and again, by their content and through
// symbolic links, so that it notices a file that is written in place, one that is
// renamed into place, and the folder of links that Kubernetes swaps. It loads
// anew when two looks in a row find the same, so that a certificate is not paired
// with the key of the one before while both are being replaced.
//
// # A broken file
//
// Loading is all or nothing, and the loader's business: if it fails, what was
// loaded before stays in force. That is an error in the log, once, and the gauge
// `keyward_reload_failed` is 1 until a load succeeds: the alarm to set.
package reload

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Interval is the usual time between two looks. A change is in force within two.
const Interval = time.Second

// maxFile bounds what a look reads of a file. What is behind it goes unnoticed.
const maxFile = 16 << 20

// Options are what a reloader works with. All are required.
type Options struct {
	// Name says whose files these are, such as `server`. It is a label of the gauges.
	Name string
	// Files are the paths of all that Load reads.
	Files []string
	// Load reads the files and puts what they hold in force, or fails and changes
	// nothing. Its errors are logged, so they quote nothing of the files.
	Load func() error
	// Log hears of each load.
	Log *slog.Logger
	// Metrics gets the gauges.
	Metrics prometheus.Registerer
}

// A Reloader loads files anew when they change. It may be used by many goroutines.
type Reloader struct {
	files  []string
	load   func() error
	log    *slog.Logger
	failed prometheus.Gauge
	since  prometheus.Gauge

	mu     sync.Mutex
	loaded fingerprint // of what was loaded, or refused, last
	seen   fingerprint // at the last look
}

// fingerprint tells two states of the files apart.
type fingerprint [sha256.Size]byte

// New returns a reloader that has loaded the files once, or the error of that.
func New(o Options) (*Reloader, error) {
	labels := prometheus.Labels{"files": o.Name}
	r := &Reloader{
		files: o.Files, load: o.Load, log: o.Log.With(slog.String("files", o.Name)),
		failed: FailedGauge(o.Name),
		since: prometheus.NewGauge(prometheus.GaugeOpts{
			Name:        "keyward_reload_last_success_timestamp_seconds",
			Help:        "When the files that are in force were read, in seconds since 1970.",
			ConstLabels: labels,
		}),
	}
	if err := r.Reload(); err != nil {
		return nil, err
	}
	for _, c := range []prometheus.Collector{r.failed, r.since} {
		if err := o.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of reloads: %w", err)
		}
	}
	return r, nil
}

// FailedGauge returns the gauge `keyward_reload_failed` for what the name says, not
// registered yet. What is followed by other means than files has the same alarm.
func FailedGauge(name string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "keyward_reload_failed",
		Help:        "1 while the last attempt to read changed files was refused, and what was read before is in force.",
		ConstLabels: prometheus.Labels{"files": name},
	})
}

// Reload loads the files now, changed or not.
func (r *Reloader) Reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.look()
	return r.conclude(now, r.load())
}

// Run looks at the files until ctx ends, and loads them anew when they have changed.
// SIGHUP makes it load them at once.
func (r *Reloader) Run(ctx context.Context, every time.Duration) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			r.report(ctx, r.Reload())
		case <-tick.C:
			if loaded, err := r.refresh(); loaded {
				r.report(ctx, err)
			}
		}
	}
}

// refresh loads the files if they have changed since the last load, and not since
// the last look.
func (r *Reloader) refresh() (loaded bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.look()
	settled := now == r.seen
	r.seen = now
	if !settled || now == r.loaded {
		return false, nil
	}
	err = r.load()
	if err != nil && r.look() != now {
		return false, nil // they were being written; nothing is concluded from that
	}
	return true, r.conclude(now, err)
}

func (r *Reloader) conclude(now fingerprint, err error) error {
	r.loaded, r.seen = now, now
	if err != nil {
		r.failed.Set(1)
		return err
	}
	r.failed.Set(0)
	r.since.SetToCurrentTime()
	return nil
}

func (r *Reloader) report(ctx context.Context, err error) {
	if err != nil {
		r.log.LogAttrs(ctx, slog.LevelError, "reload refused; what was loaded before stays", slog.Any("cause", err))
		return
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "reloaded")
}

// look reads all files. One that cannot be read is a state, too.
func (r *Reloader) look() fingerprint {
	all := sha256.New()
	for _, path := range r.files {
		content, err := digest(path)
		if err != nil {
			content = make([]byte, sha256.Size) // as no content has it
		}
		all.Write(content)
	}
	return fingerprint(all.Sum(nil))
}

func digest(path string) (_ []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	hash := sha256.New()
	if _, err := io.Copy(hash, io.LimitReader(file, maxFile)); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}
