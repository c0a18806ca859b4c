package secret

import (
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

const (
	// maxReplaced is how many versions a secret remembers that were current before: some
	// more than are told, as some may be disabled.
	maxReplaced = 8
	// maxPrevious is how many of them are told.
	maxPrevious = 4
	// previousAge is for how long they are told.
	previousAge = 30 * 24 * time.Hour
)

// A Replacement is a version that was current before.
type Replacement struct {
	Version uint32 `json:"version"`
	// Time is when another version became current in its place, the last time.
	Time time.Time `json:"time"`
}

// replaced returns what the secret is to remember once another version is current.
func (s Secret) replaced(at time.Time) []Replacement {
	all := append(make([]Replacement, 0, maxReplaced), Replacement{Version: s.Current, Time: at})
	for _, r := range s.Replaced {
		if r.Version != s.Current && len(all) < maxReplaced {
			all = append(all, r)
		}
	}
	return all
}

// loadPrevious returns the versions that were current before and may still be resolved.
func loadPrevious(r kv.Reader, sec Secret, now time.Time) ([]Replacement, error) {
	var previous []Replacement
	for _, replaced := range sec.Replaced {
		if now.Sub(replaced.Time) > previousAge || len(previous) == maxPrevious {
			break
		}
		if replaced.Version == sec.Current {
			continue // it became current again
		}
		v, err := loadVersion(r, sec, replaced.Version)
		if err != nil {
			return nil, err
		}
		if v.State == Enabled {
			previous = append(previous, replaced)
		}
	}
	return previous, nil
}
