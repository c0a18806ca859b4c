package secret

import (
	"slices"
	"time"
)

const (
	// maxReplaced is the number of formerly current versions that a secret remembers: some more than
	// maxPrevious, because some may be disabled.
	maxReplaced = 8
	// maxPrevious is the maximum number of them that are returned.
	maxPrevious = 4
	// previousAge is how long after their replacement they are returned.
	previousAge = 30 * 24 * time.Hour
)

// A Replacement is a version that was current before.
type Replacement struct {
	Version uint32
	// Time is when another version last replaced it as the current one.
	Time    time.Time
	Unknown []byte
}

// promote makes a version the current one, and remembers the previous one unless it is destroyed.
func (s *Secret) promote(number uint32, at time.Time) {
	before := make([]Replacement, 0, maxReplaced+1)
	if s.State != Destroyed {
		before = append(before, Replacement{Version: s.Current, Time: at})
	}
	before = append(before, without(s.Replaced, number)...)
	s.Replaced = before[:min(len(before), maxReplaced)]
	s.Current, s.State = number, Enabled
}

// without returns the replacements except for that of a version.
func without(all []Replacement, number uint32) []Replacement {
	return slices.DeleteFunc(slices.Clone(all), func(r Replacement) bool { return r.Version == number })
}

// previous returns the formerly current versions that may still be resolved.
func (s Secret) previous(now time.Time) []Replacement {
	var previous []Replacement
	for _, replaced := range s.Replaced {
		if now.Sub(replaced.Time) > previousAge || len(previous) == maxPrevious {
			break
		}
		if s.enabled(replaced.Version) {
			previous = append(previous, replaced)
		}
	}
	return previous
}
