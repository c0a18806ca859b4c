package secret

import (
	"slices"
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

// promote makes a version the current one, and remembers the one before unless that is
// destroyed.
func (s *Secret) promote(number uint32, at time.Time) {
	before := make([]Replacement, 0, maxReplaced+1)
	if s.State != Destroyed {
		before = append(before, Replacement{Version: s.Current, Time: at})
	}
	before = append(before, without(s.Replaced, number)...)
	s.Replaced = before[:min(len(before), maxReplaced)]
	s.Current, s.State = number, Enabled
}

// without returns the replacements but for that of a version.
func without(all []Replacement, number uint32) []Replacement {
	return slices.DeleteFunc(slices.Clone(all), func(r Replacement) bool { return r.Version == number })
}

// loadPrevious returns the versions that were current before and may still be resolved.
func loadPrevious(r kv.Reader, sec Secret, now time.Time) ([]Replacement, error) {
	var previous []Replacement
	for _, replaced := range sec.Replaced {
		if now.Sub(replaced.Time) > previousAge || len(previous) == maxPrevious {
			break
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
