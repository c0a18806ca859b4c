package accesslog

import (
	"bytes"
	"testing"
	"time"
)

// A Slow is a file whose writes end when the test says so.
type Slow struct {
	begun chan string
	ends  chan end
}

type end struct {
	after int
	err   error
}

// NewSlow returns a log that writes to a slow file.
func NewSlow() (*Log, *Slow) {
	s := &Slow{begun: make(chan string), ends: make(chan end)}
	return newLog(s), s
}

// Write waits for the end of the write.
func (s *Slow) Write(records []byte) (int, error) {
	s.begun <- string(records)
	e := <-s.ends
	if e.err != nil {
		return e.after, e.err
	}
	return len(records), nil
}

// Close does nothing.
func (s *Slow) Close() error { return nil }

// Begun waits for a write to begin and returns its records, which must be those wanted, if any.
func (s *Slow) Begun(t *testing.T, want string) string {
	t.Helper()
	got := <-s.begun
	if want != "" && got != want {
		t.Errorf("the write has the records %q, want %q", got, want)
	}
	return got
}

// End ends the write that has begun.
func (s *Slow) End(err error) { s.ends <- end{err: err} }

// EndAfter ends the write that has begun with an error after some bytes.
func (s *Slow) EndAfter(n int, err error) { s.ends <- end{n, err} }

// Waiting waits until n records wait for the next write.
func Waiting(t *testing.T, l *Log, n int) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(time.Millisecond) {
		l.mutex.Lock()
		now := bytes.Count(l.next.records, []byte("\n"))
		l.mutex.Unlock()
		if now == n {
			return
		}
	}
	t.Fatalf("%d records do not wait", n)
}
