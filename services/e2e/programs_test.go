package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that should take a moment; the machine may be
// busy.
const patience = 60 * time.Second

// scratch is a folder for all tests of one run.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "keyward-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// programs builds the programs once for all tests and returns their folder.
var programs = sync.OnceValues(func() (string, error) { return build("bin", "../cmd/...") })

// build builds packages in a folder of this run. args are those of go build.
func build(name string, args ...string) (folder string, err error) {
	folder = filepath.Join(scratch, name)
	cmd := exec.Command("go", append([]string{"build", "-o", folder + string(filepath.Separator)}, args...)...)
	cmd.Env = append(os.Environ(), "GOEXPERIMENT=runtimesecret") // as the Makefile does
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return folder, nil
}

// A process is a running program of Keyward and its output.
type process struct {
	t      testing.TB
	name   string
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // valid once exited is closed

	mu     sync.Mutex
	stdout bytes.Buffer
	stderr bytes.Buffer
	lines  chan string
}

// start runs a program until the test ends at the latest.
func start(t testing.TB, name string, args ...string) *process {
	t.Helper()
	folder, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return startCommand(t, name, exec.Command(filepath.Join(folder, name), args...))
}

// startCommand runs a command with the given name until the test ends at the latest.
func startCommand(t testing.TB, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, exited: make(chan struct{}), lines: make(chan string, 1024)}
	p.cmd.Stderr = writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.stderr.Write(b)
	})
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(stdout)
	t.Cleanup(p.kill)
	return p
}

func (p *process) follow(stdout io.Reader) {
	defer close(p.lines)
	scanner := bufio.NewScanner(stdout)
	for scanner.Scan() {
		p.mu.Lock()
		fmt.Fprintln(&p.stdout, scanner.Text())
		p.mu.Unlock()
		select {
		case p.lines <- scanner.Text():
		default: // no reader is that far behind
		}
	}
	p.err = p.cmd.Wait()
	close(p.exited)
}

// waitFor returns the rest of the first line on standard output that starts with
// a prefix.
func (p *process) waitFor(prefix string) string {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%s ended before it printed %q:\n%s", p.name, prefix, p.output())
			}
			if rest, found := strings.CutPrefix(strings.TrimSpace(line), prefix); found {
				return strings.TrimSpace(rest)
			}
		case <-deadline:
			p.t.Fatalf("%s did not print %q within %v:\n%s", p.name, prefix, patience, p.output())
		}
	}
}

// output returns the output so far.
func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String() + p.stderr.String()
}

// kill ends the process at once, as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.exited
}

// stop asks the process to end and checks that it exits cleanly.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stop %s: %v", p.name, err)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("%s did not stop within %v:\n%s", p.name, patience, p.output())
	}
	if p.err != nil {
		p.t.Errorf("%s ended with %v:\n%s", p.name, p.err, p.output())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// eventually polls until check succeeds, and fails the test if it does not in time.
func eventually(t testing.TB, limit time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	if err := within(t.Context(), limit, check); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// within polls until check succeeds, and returns its last error if it does not in time.
func within(ctx context.Context, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // the time limit explains nothing
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", limit, last)
		case <-tick.C:
		}
	}
}
