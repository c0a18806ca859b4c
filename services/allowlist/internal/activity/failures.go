package activity

import (
	"fmt"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// remembered is how many failures are kept of one endpoint, and watched of how many
	// endpoints: those that something failed at last.
	remembered = 16
	watched    = 1024
)

// A Failure is a message of a partner that did not open or verify.
type Failure struct {
	Time time.Time
	// Stage is where it stopped.
	Stage string
	// Bytes is the length of the body and Hash its SHA-256.
	Bytes int
	Hash  [32]byte
	// Versions are the resource names of the versions that were tried.
	Versions []string
	// Request is the id of the request.
	Request string
	// Cause is what was wrong, as a sentence, where that may be told.
	Cause string
}

// Failures remembers the last failures of endpoints. It may be used from many goroutines.
type Failures struct {
	mu   sync.Mutex
	last *lru.Cache[string, []Failure] // by the endpoint's uid, the newest last
}

// NewFailures returns an empty memory.
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

// Of returns the failures of an endpoint, the newest first.
func (f *Failures) Of(endpoint string) []Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, _ := f.last.Peek(endpoint)
	newest := slices.Clone(known)
	slices.Reverse(newest)
	return newest
}
