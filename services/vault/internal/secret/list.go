package secret

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/search"
	"github.com/keyward/keyward/services/vault/internal/slab"
)

// maxExamined is the maximum number of secrets that are examined for one page. A filter that few
// secrets pass therefore gives short pages, not slow ones.
const maxExamined = 5000

// maxPageBytes limits the stored size of the secrets or changes on one page, so that a response
// stays within the 4 MiB that gRPC clients accept.
const maxPageBytes = 1 << 20

// usualPage is the number of secrets for which [List] has room from the start.
const usualPage = 50

// A Page selects a part of a list.
type Page struct {
	// Cursor is the next cursor of the previous page, or nil for the first page.
	Cursor []byte
	// Limit is the maximum number of items, at least 1.
	Limit int
}

// read returns one page of the pairs whose keys start with prefix, and the cursor of the next
// page, if any. A cursor with another prefix belongs to another incarnation of the secret, whose
// list starts at the beginning: continuing at that cursor would read keys of other resources.
func (p Page) read(r kv.Reader, prefix kv.Key, reverse bool) (pairs []kv.Pair, next []byte, err error) {
	all := kv.Prefix(prefix, p.Limit+1)
	all.Reverse = reverse
	if bytes.HasPrefix(p.Cursor, prefix) {
		all = all.Behind(p.Cursor)
	}
	for pair, err := range r.Scan(all) {
		if err != nil {
			return nil, nil, err
		}
		pairs = append(pairs, pair)
	}
	if len(pairs) > p.Limit {
		pairs = pairs[:p.Limit]
		next = pairs[p.Limit-1].Key
	}
	return pairs, next, nil
}

// A Query selects and orders secrets of a workspace. The zero value of a filter matches all
// secrets.
type Query struct {
	Workspace string
	// Substring is a part of the ID, ignoring case.
	Substring string
	State     State
	Usage     Usage
	// Label is `key=value`, or `key` to match any value.
	Label string
	// DueBefore, if not nil, matches secrets that should be rotated before this time.
	DueBefore *time.Time
	// ExpiresBefore, if not nil, matches secrets that expire before this time.
	ExpiresBefore *time.Time
	// ShowDeleted also matches deleted secrets that can be brought back.
	ShowDeleted bool
	// ByUpdate orders by update time instead of name.
	ByUpdate bool
	// Descending reverses the order.
	Descending bool
	Page
}

// List returns a page of secrets, converted by show, and the cursor of the next page, which is nil only
// at the end. A page may be shorter than its limit. The secrets have no fields that only decisions
// need, such as their holders. A secret that show receives is valid until show returns; its strings,
// slices, and maps remain.
//
// A secret that cannot be read fails the whole page, because a list must not leave out a secret. The
// error names it.
func List[T any](ctx context.Context, s *Store, q Query, show func(*Secret) T) (page []T, next []byte, err error) {
	var first, last []byte
	var unread string
	outdated := 0
	err = s.kv.View(ctx, func(r kv.Reader) error {
		page, next, first, last, unread, outdated = make([]T, 0, min(q.Limit, usualPage)), nil, nil, nil, "", 0
		examined, size := 0, 0
		var l listed
		for c, err := range s.candidates(r, q, &l.texts) {
			if err != nil {
				unread = c.id
				return err
			}
			if len(page) == q.Limit || examined == maxExamined {
				next = last
				return nil
			}
			examined++
			bytes, err := c.load(r, &q, &l)
			if err != nil {
				unread = c.id
				return err
			}
			if bytes < 0 {
				outdated++
			}
			if bytes > 0 && q.admits(&l.secret) {
				if size += bytes; len(page) > 0 && size > maxPageBytes {
					next = last
					return nil
				}
				page = append(page, show(&l.secret))
			}
			if last = c.position; first == nil {
				first = c.position
			}
		}
		return nil
	})
	if q.ByUpdate && outdated >= manyOutdated {
		if q.Descending {
			first, last = last, first
		}
		s.hintOutdated(kv.Range{Start: first, End: kv.After(last)})
	}
	return page, next, listing(q.Workspace, unread, err)
}

// listing wraps the error of a list. It names the secret with an ID, unless that is empty. It must not
// be called in a transaction, whose errors may reach logs that do not show names.
func listing(workspace, id string, err error) error {
	switch {
	case err == nil:
		return nil
	case id == "":
		return fmt.Errorf("list secrets: %w", err)
	default:
		return fmt.Errorf("list secrets: %s: %w", Name{Workspace: workspace, ID: id}, err)
	}
}

// admits reports whether a secret passes the filters.
func (q *Query) admits(sec *Secret) bool {
	if q.State != "" && sec.State != q.State || q.Usage != "" && sec.Usage != q.Usage {
		return false
	}
	if sec.deleted() && !q.ShowDeleted {
		return false
	}
	if q.DueBefore != nil && (sec.RotationPeriod == 0 || !sec.RotationDue.Before(*q.DueBefore)) {
		return false
	}
	if q.ExpiresBefore != nil && (sec.Expires.IsZero() || !sec.Expires.Before(*q.ExpiresBefore)) {
		return false
	}
	if q.Label == "" {
		return true
	}
	key, want, exact := strings.Cut(q.Label, "=")
	value, present := sec.Labels[key]
	return present && (!exact || value == want)
}

// A candidate is a secret that a list examines.
type candidate struct {
	// position is the cursor after the candidate.
	position []byte
	id       string
	// stored is the record, if the scan already read it. It is nil for the name of a deleted secret.
	stored []byte
	read   bool
	// at is the update time in the candidate's row, if the list is in that order.
	at uint64
}

// load reads the candidate's secret and returns its stored size, which is 0 if the query does not
// match its ID or if the secret was deleted in the meantime, and negative if the candidate's row is
// outdated.
func (c *candidate) load(r kv.Reader, q *Query, l *listed) (size int, err error) {
	if !search.Matches(c.id, strings.ToLower(q.Substring)) {
		return 0, nil
	}
	name := Name{Workspace: q.Workspace, ID: c.id}
	stored := c.stored
	if !c.read {
		if stored, err = r.Get(secretKey(name)); isMissing(err) {
			stored, err = nil, nil
		}
		if err != nil {
			return 0, read("secret", err)
		}
	}
	if stored != nil {
		err = l.parse(name, stored)
	}
	switch {
	case err != nil:
		return 0, err
	case q.ByUpdate && (stored == nil || !l.secret.updatedAt(c.at)):
		return -1, nil
	}
	return len(stored), nil
}

// searches reports whether the search index can find the secrets of a query.
func (q Query) searches() bool { return q.Substring != "" && !q.ByUpdate }

// candidates yields a few more secrets than a page examines, in the query's order. It finds a
// substring of the ID in the search index, if that is complete, and everything else in the store.
// The cursors of both ways are the same.
func (s *Store) candidates(r kv.Reader, q Query, texts *slab.Strings) iter.Seq2[candidate, error] {
	switch {
	case q.ByUpdate:
		return byUpdate(r, q, texts)
	case q.searches() && s.index.Complete():
		return s.bySubstring(q)
	default:
		return byName(r, q, texts)
	}
}

func byName(r kv.Reader, q Query, texts *slab.Strings) iter.Seq2[candidate, error] {
	prefix := secretsKey(q.Workspace)
	return scanCandidates(r, q, prefix, secretStrings, func(pair kv.Pair) (candidate, error) {
		id, err := lastID(pair.Key, prefix, texts)
		return candidate{position: pair.Key, id: id, stored: pair.Value, read: true}, err
	})
}

func byUpdate(r kv.Reader, q Query, texts *slab.Strings) iter.Seq2[candidate, error] {
	prefix := updatesKey(q.Workspace)
	return scanCandidates(r, q, prefix, 0, func(pair kv.Pair) (candidate, error) {
		at, rest, err := kv.CutUint(pair.Key[len(prefix):])
		if err != nil {
			return candidate{}, err
		}
		id, err := lastID(rest, nil, texts)
		return candidate{position: pair.Key, id: id, at: at}, err
	})
}

// scanCandidates scans the keys that start with prefix, after the query's cursor. The candidate of a
// damaged row has its ID.
func scanCandidates(r kv.Reader, q Query, prefix kv.Key, group int, read func(kv.Pair) (candidate, error)) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		if len(q.Cursor) > 0 && !bytes.HasPrefix(q.Cursor, prefix) {
			yield(candidate{}, errCursor)
			return
		}
		all := kv.Prefix(prefix, maxExamined+1)
		all.Reverse, all.Group = q.Descending, group
		for pair, err := range r.Scan(all.Behind(q.Cursor)) {
			var c candidate
			if pair.Key != nil {
				var malformed error
				c, malformed = read(pair)
				err = cmp.Or(err, malformed)
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// bySubstring searches the index, which follows the store closely: an ID that another caller has
// just created or deleted may be reflected a moment later.
func (s *Store) bySubstring(q Query) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		prefix := secretsKey(q.Workspace)
		after := ""
		if len(q.Cursor) > 0 {
			if !bytes.HasPrefix(q.Cursor, prefix) {
				yield(candidate{}, errCursor)
				return
			}
			var err error
			if after, err = lastText(q.Cursor, prefix); err != nil {
				yield(candidate{}, err)
				return
			}
		}
		// Search in pieces, because a page that fills quickly needs only a few of the matching IDs.
		for piece := min(q.Limit, maxExamined) + 1; ; {
			ids := s.index.Find(q.Workspace, q.Substring, after, q.Descending, piece)
			for _, after = range ids {
				if !yield(candidate{position: prefix.Text(after), id: after}, nil) {
					return
				}
			}
			if len(ids) < piece {
				return
			}
		}
	}
}

// errCursor is an internal error: callers only see page tokens, which are sealed and bound to
// their request.
var errCursor = errors.New("cursor belongs to a different query")
