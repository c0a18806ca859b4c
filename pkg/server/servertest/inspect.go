package servertest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/fault"
)

// Log keeps what is logged. It may be used from many goroutines.
type Log struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	flushes []func()
}

// follow has lines that a server still collects written before the log is read.
func (l *Log) follow(flush func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushes = append(l.flushes, flush)
}

// Write adds to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns all that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	flushes := l.flushes
	l.mu.Unlock()
	for _, flush := range flushes {
		flush()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Lines returns the lines that were logged.
func (l *Log) Lines() []string { return strings.Split(strings.TrimSpace(l.String()), "\n") }

// MustNotHold fails the test if text holds the canary in any usual spelling: as it
// is, in hex or in base64, whatever comes before it. A canary has 12 bytes or more:
// the spellings of a shorter one occur by chance.
func MustNotHold(t testing.TB, what, text, canary string) {
	t.Helper()
	if len(canary) < 12 {
		t.Fatalf("the canary %q is too short to look for", canary)
	}
	lower := strings.ToLower(text)
	if strings.Contains(lower, strings.ToLower(canary)) || strings.Contains(lower, hex.EncodeToString([]byte(canary))) {
		t.Errorf("%s holds the canary:\n%s", what, text)
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 { // the canary may begin at any byte of a group of three
			if strings.Contains(text, inner(encoding, canary[shift:])) {
				t.Errorf("%s holds the canary in base64:\n%s", what, text)
			}
		}
	}
}

// inner encodes text without the last characters, which depend on what follows.
func inner(encoding *base64.Encoding, text string) string {
	return encoding.EncodeToString([]byte(text[:len(text)/3*3]))
}

// Reason returns the reason that an error from a call carries, or nothing.
func Reason(err error) string { return info(err).GetReason() }

// Metadata returns the metadata of the reason.
func Metadata(err error) map[string]string { return info(err).GetMetadata() }

func info(err error) *errdetails.ErrorInfo {
	return detail[*errdetails.ErrorInfo](err)
}

// Violations returns the fields that an error from a call complains about.
func Violations(err error) []fault.Violation {
	var all []fault.Violation
	for _, v := range detail[*errdetails.BadRequest](err).GetFieldViolations() {
		all = append(all, fault.Violation{Field: v.GetField(), Description: v.GetDescription()})
	}
	return all
}

// RequestID returns the request id that an error from a call carries, or nothing.
func RequestID(err error) string { return detail[*errdetails.RequestInfo](err).GetRequestId() }

// Retryable reports whether an error from a call asks to be tried again.
func Retryable(err error) bool { return detail[*errdetails.RetryInfo](err).GetRetryDelay() != nil }

func detail[M any](err error) (found M) {
	for _, d := range status.Convert(err).Details() {
		if m, ok := d.(M); ok {
			return m
		}
	}
	return found
}
