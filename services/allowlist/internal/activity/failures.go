package activity

import (
	"fmt"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// remembered is the number of failures that are kept for one endpoint. watched is the number of
	// endpoints with kept failures; those whose last failure is oldest are dropped.
	remembered = 16
	watched    = 1024
)

// A Failure is a message of a partner that failed to decrypt or verify.
type Failure struct {
	Time time.Time
	// Stage is the stage that failed.
	Stage string
	// Bytes is the length of the body and Hash its SHA-256.
	Bytes int
	Hash  [32]byte
	// Versions are the resource names of the versions that were tried.
	Versions []string
	// Request is the ID of the request.
	Request string
	// Cause is the cause as a sentence, if it may be revealed.
	Cause string
}

// Failures remembers the last failures of endpoints. It is safe for concurrent use.
type Failures struct {
	mu   sync.Mutex
	last *lru.Cache[string, []Failure] // by the endpoint's uid, the newest last
}

// NewFailures returns an empty Failures.
func NewFailures() (*Failures, error) {
	last, err := lru.New[string, []Failure](watched)
	if err != nil {
		return nil, fmt.Errorf("prepare failures: %w", err)
	}
	return &Failures{last: last}, nil
}

// Add remembers a failure.
func (f *Failures) Add(endpoint string, failure Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, _ := f.last.Get(endpoint)
	known = append(slices.Clone(known), failure)
	f.last.Add(endpoint, known[max(0, len(known)-remembered):])
}

// Of returns the failures of an endpoint, newest first.
func (f *Failures) Of(endpoint string) []Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, _ := f.last.Peek(endpoint)
	newest := slices.Clone(known)
	slices.Reverse(newest)
	return newest
}
