// Package reload keeps data that was read from files up to date: a policy, certificates, keys.
//
// A [Reloader] polls the content of files, through symbolic links. It therefore detects files that
// are written in place, files that are renamed into place, and the folders of links that
// Kubernetes replaces. It reloads when two polls in a row find the same content, so that a
// certificate is not paired with the previous key while both are being replaced.
//
// # A broken file
//
// Loading is atomic: if the loader fails, the previous data remains in force. The failure is
// logged once as an error, and the gauge `keyward_reload_failed` is 1 until a load succeeds. Alert
// on it.
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

// Interval is the usual time between two polls. A change takes effect after two polls.
const Interval = time.Second

// maxFile is the number of bytes of a file that a poll reads. Changes behind it are not detected.
const maxFile = 16 << 20

// Options are the options of a reloader. All are required.
type Options struct {
	// Name is the owner of the files, such as `server`. It is a label of the gauges.
	Name string
	// Files are the paths of all files that Load reads.
	Files []string
	// Load reads the files and applies their content, or fails and changes nothing. Its errors are
	// logged, so they must not quote the files.
	Load func() error
	// Log receives a message for each load.
	Log *slog.Logger
	// Metrics registers the gauges.
	Metrics prometheus.Registerer
}

// A Reloader reloads files when they change. It is safe for concurrent use.
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

// fingerprint identifies a state of the files.
type fingerprint [sha256.Size]byte

// New loads the files and returns a reloader.
func New(o Options) (*Reloader, error) {
	labels := prometheus.Labels{"files": o.Name}
	r := &Reloader{
		files: o.Files, load: o.Load, log: o.Log.With(slog.String("files", o.Name)),
		failed: FailedGauge(o.Name),
		since: prometheus.NewGauge(prometheus.GaugeOpts{
			Name:        "keyward_reload_last_success_timestamp_seconds",
			Help:        "When the files in force were read, in seconds since 1970.",
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

// FailedGauge returns the gauge `keyward_reload_failed` for a name, not yet registered. Data that
// is updated by other means than files uses the same alert.
func FailedGauge(name string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "keyward_reload_failed",
		Help:        "1 if the last reload of changed files failed and the previous data remains in force.",
		ConstLabels: prometheus.Labels{"files": name},
	})
}

// Reload loads the files now, even if they have not changed.
func (r *Reloader) Reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.look()
	return r.conclude(now, r.load())
}

// Run polls the files until ctx ends, and reloads them when they change. SIGHUP reloads them
// immediately.
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

// refresh loads the files if they have changed since the last load but not since the last poll.
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
		r.log.LogAttrs(ctx, slog.LevelError, "reload failed; the previous data remains in force", slog.Any("cause", err))
		return
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "reloaded")
}

// look reads all files. An unreadable file is also a state.
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
