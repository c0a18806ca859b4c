package reload_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/reload"
)

// pace is the time between two looks in tests.
const pace = 5 * time.Millisecond

// A loader loads a file whose content must not be `broken`, and keeps what it loaded.
type loader struct {
	path string

	mu      sync.Mutex
	content string
	loads   int
	log     bytes.Buffer
}

func (l *loader) load() error {
	text, err := os.ReadFile(l.path)
	if err != nil {
		return errors.New("cannot be read")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loads++
	if string(text) == "broken" {
		return errors.New("is broken")
	}
	l.content = string(text)
	return nil
}

func (l *loader) state() (content string, loads int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.content, l.loads
}

// Write is what the logger writes to.
func (l *loader) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func (l *loader) logged(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.log.String(), text)
}

// follow starts a reloader over the file that path names.
func follow(t *testing.T, path string) (*loader, *prometheus.Registry) {
	t.Helper()
	l, metrics := &loader{path: path}, prometheus.NewRegistry()
	r, err := reload.New(reload.Options{
		Name: "test", Files: []string{path}, Load: l.load,
		Log: slog.New(slog.NewTextHandler(l, nil)), Metrics: metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx, pace)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return l, metrics
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace renames a complete file into place. A file that is written in place is empty for a moment, and a slow
// machine may load that.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, text)
	return path
}

func (l *loader) eventually(t *testing.T, want string) {
	t.Helper()
	eventually(t, "loading of "+want, func() bool { content, _ := l.state(); return content == want })
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s did not happen in time", what)
		}
	}
}

// gauge returns the value of a metric.
func gauge(t *testing.T, metrics *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestChangesAreNoticedHoweverTheyAreMade(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
	}{
		{"written in place", func(t *testing.T, path string) { write(t, path, "two") }},
		{"written in place with size and time as before", func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, "two")
			if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}},
		{"renamed into place", func(t *testing.T, path string) {
			write(t, path+".new", "two")
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}},
		{"gone for a while", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, "two")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := file(t, "one")
			l, _ := follow(t, path)
			tt.change(t, path)
			l.eventually(t, "two")
		})
	}
}

// Kubernetes mounts a volume as links into a folder `..data`, itself a link, which
// it replaces by a rename.
func TestSwapOfAFolderBehindALinkIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, version := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "policy"), version)
	}
	link := func(target, path string) {
		if err := os.Symlink(target, filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	link("one", "..data")
	link("..data/policy", "policy")
	l, _ := follow(t, filepath.Join(dir, "policy"))
	l.eventually(t, "one")
	link("two", "..next")
	if err := os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	l.eventually(t, "two")
}

func TestBrokenFileLeavesTheOldOneInForceAndRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	path := file(t, "one")
	l, metrics := follow(t, path)
	failed := func() bool { return gauge(t, metrics, "keyward_reload_failed") == 1 }
	if failed() {
		t.Error("the alarm is on after the start")
	}
	replace(t, path, "broken")
	eventually(t, "the alarm", failed)
	content, loads := l.state()
	if content != "one" {
		t.Errorf("%q is in force after a broken file, want the one before", content)
	}
	eventually(t, "the error in the log", func() bool { return l.logged("level=ERROR") == 1 })
	replace(t, path, "two")
	l.eventually(t, "two")
	eventually(t, "the end of the alarm", func() bool { return !failed() })
	if _, now := l.state(); now != loads+1 || l.logged("level=ERROR") != 1 {
		t.Errorf("%d loads and %d errors logged for one broken file", now-1, l.logged("level=ERROR"))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the alarm for a missing file", failed)
	l.eventually(t, "two")
}

func TestFileThatStaysIsLoadedOnce(t *testing.T) {
	t.Parallel()
	path, other := file(t, "one"), file(t, "one")
	l, _ := follow(t, path)
	later, _ := follow(t, other)
	replace(t, path, "one") // the same again is no change
	replace(t, other, "two")
	later.eventually(t, "two")
	if _, loads := l.state(); loads != 1 {
		t.Errorf("an unchanged file was loaded %d times, want once", loads)
	}
}

func TestBrokenFileAtTheStartIsAnError(t *testing.T) {
	t.Parallel()
	l := &loader{path: file(t, "broken")}
	_, err := reload.New(reload.Options{
		Name: "test", Files: []string{l.path}, Load: l.load,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err == nil {
		t.Error("New() of a broken file = nil, want an error")
	}
}
