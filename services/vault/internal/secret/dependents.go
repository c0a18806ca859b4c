package secret

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

const (
	// surveySlice is the number of names that one transaction reads.
	surveySlice = 200
	// surveyShare is the part of the time that an exact count uses, and shownShare that of a count for
	// display.
	surveyShare = 0.5
	shownShare  = 0.1
	// shownAge is the age at which numbers for display are counted again.
	shownAge = time.Minute
)

// DependsOn returns the number of versions and key pairs of sealed values by the ID of the key on which
// they depend. It reads all versions, in short transactions and in half of the time, which takes about
// a second for 100,000 of them. A key without a number that is not the primary key can be destroyed
// (see "No new dependence" in rewrap.go). A row that cannot be read is an error, because its key is
// unknown.
func (s *Store) DependsOn(ctx context.Context) (map[string]uint64, error) {
	if err := s.beginPass(ctx); err != nil {
		return nil, err
	}
	found, err := s.survey(ctx, surveyShare, true)
	if err != nil {
		return nil, fmt.Errorf("count dependents: %w", err)
	}
	pairs, err := s.sealing.DependsOn(ctx)
	if err != nil {
		return nil, err
	}
	for id, n := range pairs {
		found.keys[id] += n
	}
	return found.keys, nil
}

// Count returns the number of secrets.
func (s *Store) Count(ctx context.Context) (uint64, error) {
	found, err := s.survey(ctx, surveyShare, false)
	if err != nil {
		return 0, fmt.Errorf("count secrets: %w", err)
	}
	return found.secrets, nil
}

// A survey is what a count found.
type survey struct {
	secrets uint64
	keys    map[string]uint64 // the number of versions by key
}

// survey counts secrets and, if versions is set, their versions. It uses a share of the time.
func (s *Store) survey(ctx context.Context, share float64, versions bool) (all survey, err error) {
	all.keys = make(map[string]uint64)
	for position, first := []byte(nil), true; first || position != nil; first = false {
		begin := time.Now()
		var part survey
		var next []byte
		err := s.kv.View(ctx, func(r kv.Reader) (err error) {
			part = survey{keys: make(map[string]uint64)}
			next, err = part.read(r, position, versions)
			return err
		})
		if err != nil {
			return survey{}, err
		}
		position, all.secrets = next, all.secrets+part.secrets
		for id, n := range part.keys {
			all.keys[id] += n
		}
		if err := pause(ctx, time.Duration(float64(time.Since(begin))*(1/share-1))); err != nil {
			return survey{}, err
		}
	}
	return all, nil
}

// pause waits, or returns the error of a context that ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ctx.Err()
	}
}

// read counts the next names and returns the position behind them, which is nil at the end.
func (s *survey) read(r kv.Reader, position []byte, versions bool) (next []byte, err error) {
	for range surveySlice {
		group, err := groupAt(r, position)
		if err != nil {
			return nil, err
		}
		if group.Key == nil {
			return nil, nil
		}
		if group.Value != nil {
			s.secrets++
		}
		if versions {
			if err := s.readVersions(r, group.Key); err != nil {
				return nil, err
			}
		}
		position = kv.After(group.Key)
	}
	return position, nil
}

// readVersions counts the versions of a name.
func (s *survey) readVersions(r kv.Reader, name []byte) error {
	within := versionsOfName(name)
	for more := true; more; {
		scanned := 0
		for pair, err := range r.Scan(within) {
			if err != nil {
				return read("version", err)
			}
			id, ok := wrappingKey(pair.Value)
			if !ok {
				return read("version", errRecord)
			}
			if id != "" {
				s.keys[id]++
			}
			within = within.Behind(pair.Key)
			scanned++
		}
		more = scanned == versionSlice
	}
	return nil
}

// shown are the numbers of versions by key for display.
type shown struct {
	hint chan struct{} // holds one element

	mu   sync.Mutex
	keys map[string]uint64
	at   time.Time
}

// Shown returns the number of versions by the ID of the key on which they depend, as they were counted
// last, and whether they were counted since the start. If that is more than a minute ago, they are
// counted again in the background.
func (s *Store) Shown() (keys map[string]uint64, counted bool) {
	s.shown.mu.Lock()
	defer s.shown.mu.Unlock()
	if s.shown.at.IsZero() || time.Since(s.shown.at) > shownAge {
		select {
		case s.shown.hint <- struct{}{}:
		default: // a count is pending
		}
	}
	return maps.Clone(s.shown.keys), !s.shown.at.IsZero()
}

// countShown counts after each hint, until ctx ends.
func (s *Store) countShown(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.shown.hint:
		}
		switch found, err := s.survey(ctx, shownShare, true); {
		case err == nil:
			s.shown.mu.Lock()
			s.shown.keys, s.shown.at = found.keys, time.Now()
			s.shown.mu.Unlock()
		case ctx.Err() == nil && !errors.Is(err, kv.ErrClosed):
			s.logger.WarnContext(ctx, "counting the versions that depend on each key failed", slog.Any("error", err))
		}
	}
}

// RotateSealing creates the key pair of sealed values for the primary key of the keyring, unless there
// is one. Call it after the keyring got another primary key.
func (s *Store) RotateSealing(ctx context.Context) error { return s.sealing.Rotate(ctx, s.keys) }

// RewrapSealing seals the key pairs of sealed values under the primary key of the keyring.
func (s *Store) RewrapSealing(ctx context.Context) error { return s.sealing.Rewrap(ctx, s.keys) }
