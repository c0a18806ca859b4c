package accesslog_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/keyward/keyward/pkg/accesslog"
)

func open(t testing.TB) (*accesslog.Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := accesslog.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, path
}

func lines(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func TestRecordIsInTheFileWhenWriteReturns(t *testing.T) {
	t.Parallel()
	l, path := open(t)
	for i := range 3 {
		record := fmt.Sprintf(`{"n":%d}`, i)
		if err := l.Write(t.Context(), []byte(record)); err != nil {
			t.Fatal(err)
		}
		if got := lines(t, path); got[len(got)-1] != record {
			t.Errorf("the last line is %q, want %q", got[len(got)-1], record)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v, want 0600", info.Mode(), err)
	}
}

func TestConcurrentRecordsAreWholeLines(t *testing.T) {
	t.Parallel()
	l, path := open(t)
	const callers, each = 64, 50
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := range each {
				record := fmt.Sprintf(`{"caller":%d,"n":%d,"padding":%q}`, c, i, strings.Repeat("x", c*i))
				if err := l.Write(t.Context(), []byte(record)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	last := make(map[int]int)
	got := lines(t, path)
	for _, line := range got {
		var c, i int
		if _, err := fmt.Sscanf(line, `{"caller":%d,"n":%d,`, &c, &i); err != nil || line != fmt.Sprintf(`{"caller":%d,"n":%d,"padding":%q}`, c, i, strings.Repeat("x", c*i)) {
			t.Fatalf("the line %q is not a whole record", line)
		}
		if i != last[c] {
			t.Fatalf("record %d of caller %d is in the place of record %d", i, c, last[c])
		}
		last[c]++
	}
	if len(got) != callers*each {
		t.Errorf("the file has %d lines, want %d", len(got), callers*each)
	}
}

func TestAnExistingFileIsContinued(t *testing.T) {
	t.Parallel()
	l, path := open(t)
	if err := errors.Join(l.Write(t.Context(), []byte("1")), l.Close()); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(t.Context(), []byte("2")); !errors.Is(err, accesslog.ErrClosed) {
		t.Errorf("Write() to a closed log = %v, want ErrClosed", err)
	}
	again, err := accesslog.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.Write(t.Context(), []byte("3")), again.Close()); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 2 || got[1] != "3" {
		t.Errorf("the file has the lines %q, want 1 and 3", got)
	}
}

func TestFilesOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"group": 0o640, "all": 0o604, "runs": 0o700} {
		if err := errors.Join(os.WriteFile(path(name), nil, 0o600), os.Chmod(path(name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path("pipe"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	for _, name := range []string{"group", "all", "runs", "pipe"} {
		if _, err := accesslog.Open(path(name)); !errors.Is(err, accesslog.ErrFile) {
			t.Errorf("%s: Open() = %v, want ErrFile", name, err)
		}
		if err := accesslog.CheckFile(path(name)); !errors.Is(err, accesslog.ErrFile) {
			t.Errorf("%s: CheckFile() = %v, want ErrFile", name, err)
		}
	}
	if _, err := accesslog.Open(path("missing/file")); err == nil {
		t.Error("Open() in a folder that does not exist = nil, want an error")
	}
}

func TestLongRecordsAreRefused(t *testing.T) {
	t.Parallel()
	l, path := open(t)
	long := bytes.Repeat([]byte("x"), accesslog.MaxRecord+1)
	if err := l.Write(t.Context(), long); !errors.Is(err, accesslog.ErrTooLong) {
		t.Errorf("Write() of %d bytes = %v, want ErrTooLong", len(long), err)
	}
	if err := l.Write(t.Context(), long[1:]); err != nil || len(lines(t, path)) != 1 {
		t.Errorf("Write() of %d bytes = %v, and %d lines", len(long)-1, err, len(lines(t, path)))
	}
}

// The reader of the test is the writer's other end, so the test decides when a write ends.
func TestCallersWhoWaitShareAWriteAndItsError(t *testing.T) {
	t.Parallel()
	l, file := accesslog.NewSlow()
	first := write(t.Context(), l, "first")
	file.Begun(t, "first\n")
	var waiting []<-chan error
	for range 64 {
		waiting = append(waiting, write(t.Context(), l, "next"))
	}
	left, leave := context.WithCancelCause(t.Context())
	gone, reason := write(left, l, "gone"), errors.New("gone")
	leave(reason)
	if err := <-gone; !errors.Is(err, reason) {
		t.Errorf("Write() of a caller who leaves = %v, want the cause of the end", err)
	}
	accesslog.Waiting(t, l, 65)
	file.End(nil)
	if err := <-first; err != nil {
		t.Errorf("Write() = %v, want nil", err)
	}
	full := errors.New("no space left")
	begun := file.Begun(t, "")
	if n := strings.Count(begun, "\n"); n != 65 {
		t.Errorf("the second write has %d records, want 65", n)
	}
	file.EndAfter(6, full) // within the second record
	for _, w := range waiting {
		if err := <-w; !errors.Is(err, full) {
			t.Errorf("Write() = %v, want the error of the write", err)
		}
	}
	last := write(t.Context(), l, "last")
	file.Begun(t, "\n") // ends the torn line
	file.End(nil)
	file.Begun(t, "last\n")
	file.End(nil)
	if err := <-last; err != nil {
		t.Errorf("Write() after a failure = %v, want nil", err)
	}
}

func write(ctx context.Context, l *accesslog.Log, record string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- l.Write(ctx, []byte(record)) }()
	return done
}

// A record that was acknowledged survives the end of the process by SIGKILL.
func TestRecordsSurviveAKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	cmd := child(t, path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := make(map[string]bool)
	for said := bufio.NewScanner(out); said.Scan(); {
		acknowledged[said.Text()] = true
		if len(acknowledged) == 500 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	for _, line := range lines(t, path) {
		delete(acknowledged, line)
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged records are not in the file", len(acknowledged))
	}
}
