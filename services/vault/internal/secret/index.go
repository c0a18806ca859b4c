package secret

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/search"
)

// fillBatch is the number of names that are added to the search index at a time. Changes that
// create or delete a secret wait for at most one batch.
const fillBatch = 1000

// The pause before the filling of the search index is tried again, which doubles with each failure.
const (
	firstFillPause = 100 * time.Millisecond
	lastFillPause  = time.Minute
)

// fillIndex adds all names to the search index, until it succeeds or ctx ends. The store already
// serves: until the index is complete, List examines the secrets themselves.
func (s *Store) fillIndex(ctx context.Context) {
	var last []byte // where to continue, also after a failure
	next := func() (batch []search.ID, more bool, err error) {
		var read []byte
		err = s.kv.View(ctx, func(r kv.Reader) (err error) {
			batch, read, err = readNames(r, last)
			return err
		})
		if err == nil {
			last = read
		}
		return batch, read != nil, err
	}
	for pause := firstFillPause; ; pause = min(2*pause, lastFillPause) {
		err := s.index.Fill(ctx, next)
		if err == nil || ctx.Err() != nil || errors.Is(err, kv.ErrClosed) {
			return
		}
		s.logger.WarnContext(ctx, "filling the search index failed, trying again; searches are slow until then", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// readNames returns some names after the key last, and the key at which to continue, which is nil at
// the end. The name of a secret that cannot be read is one of them: a search that finds it fails, and
// names it.
func readNames(r kv.Reader, last []byte) (names []search.ID, next []byte, err error) {
	for pair, err := range r.Scan(allSecrets(kv.NewKey(spaceSecret), fillBatch).Behind(last)) {
		damaged := errors.Is(err, kv.ErrCorrupt) && pair.Key != nil
		if err != nil && !damaged {
			return nil, nil, err
		}
		next = pair.Key
		if pair.Value == nil && !damaged {
			continue // deleted
		}
		name, _, err := cutName(pair.Key, spaceSecret)
		if err != nil {
			return nil, nil, err
		}
		names = append(names, search.ID(name))
	}
	return names, next, nil
}

// Scans reports whether List may have to examine the secrets themselves for a query that it would
// otherwise find in the search index, which is not complete yet. Its pages are then complete too,
// but may be short. The answer holds for a List that starts after it.
func (s *Store) Scans(q Query) bool { return q.searches() && !s.index.Complete() }

// settle completes a change that created or removed a name. It returns err, or the error of
// updating the index. Only a refusal is certain to have changed nothing: after any other error the
// change may have been committed without a confirmation.
func (s *Store) settle(ctx context.Context, name Name, err error) error {
	if _, refused := fault.From(err); refused {
		return err
	}
	followed := s.follow(ctx, name)
	if err != nil {
		return err
	}
	return followed
}

// follow updates the index entry of a name from the store.
func (s *Store) follow(ctx context.Context, name Name) error {
	// The change is committed. A caller that disconnects now must not prevent the index update.
	ctx = context.WithoutCancel(ctx)
	return s.index.Set(name.Workspace, name.ID, func() (present bool, err error) {
		err = s.kv.View(ctx, func(r kv.Reader) error {
			_, err := r.Get(secretKey(name))
			present = err == nil
			if errors.Is(err, kv.ErrNotFound) {
				return nil
			}
			return err
		})
		return present, err
	})
}
