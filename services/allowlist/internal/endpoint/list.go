package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/search"
)

const (
	// maxExamined is the maximum number of endpoints that one call examines for its filters. A page
	// that reaches it is shorter than requested.
	maxExamined = 2000
	// maxPageBytes limits the stored size of the endpoints on one page, so that a response fits the
	// message size that clients accept.
	maxPageBytes = 1 << 20
)

// A Query selects the endpoints of a workspace to list, and their order.
type Query struct {
	Workspace string
	// Substring, if not empty, must be in the ID. Case is ignored.
	Substring string
	// ByUpdate sorts by update time instead of by name. Descending reverses the order.
	ByUpdate, Descending bool
	// State, if not empty, is the required state.
	State State
	// Label, if not empty, is the required label, with LabelValue if AnyValue is false.
	Label, LabelValue string
	AnyValue          bool
	// LegacyBefore, if not zero, is a time before which an acknowledgement must end.
	LegacyBefore time.Time
	// Cursor is the end of the previous page; empty for the first page.
	Cursor []byte
	// Limit is the maximum number of endpoints to return. It is required.
	Limit int
}

// A Page is part of a list. The last page has an empty Cursor.
type Page struct {
	Endpoints []Endpoint
	Cursor    []byte
}

// List returns a page of endpoints. A page with a cursor may be shorter than requested, and even
// empty.
func (r *Registry) List(ctx context.Context, q Query) (Page, error) {
	if q.Substring != "" && !q.ByUpdate {
		return r.find(ctx, q)
	}
	var p Page
	err := r.kv.View(ctx, func(reader kv.Reader) (err error) {
		if p, err = r.scan(reader, q); err != nil {
			return err
		}
		return p.addChecks(reader)
	})
	return p, err
}

// find answers from the search index.
func (r *Registry) find(ctx context.Context, q Query) (Page, error) {
	ids := r.index.Find(q.Workspace, q.Substring, string(q.Cursor), q.Descending, maxExamined)
	var p Page
	err := r.kv.View(ctx, func(reader kv.Reader) error {
		page := collector{query: q, legacy: r.legacy}
		for _, id := range ids {
			name := Name{Workspace: q.Workspace, ID: id}
			value, err := reader.Get(endpointKey(name))
			if errors.Is(err, kv.ErrNotFound) {
				continue // deleted between the index and this view
			}
			if err != nil {
				return fmt.Errorf("read endpoint: %w", err)
			}
			full, err := page.offer(name, value, []byte(id))
			if err != nil {
				return err
			}
			if full {
				p = page.page()
				return p.addChecks(reader)
			}
		}
		page.end = len(ids) < maxExamined
		p = page.page()
		return p.addChecks(reader)
	})
	return p, err
}

// addChecks adds to the endpoints the times of the last checks of their proofs.
func (p Page) addChecks(reader kv.Reader) error {
	for i := range p.Endpoints {
		if err := addCheck(reader, &p.Endpoints[i]); err != nil {
			return err
		}
	}
	return nil
}

// scan answers from the keys in the requested order. The cursor is the last key without the prefix
// of the workspace and the order.
func (r *Registry) scan(reader kv.Reader, q Query) (Page, error) {
	prefix := endpointSpace(q.Workspace)
	if q.ByUpdate {
		prefix = updateSpace(q.Workspace)
	}
	within := kv.Prefix(prefix, maxExamined)
	within.Reverse = q.Descending
	if len(q.Cursor) > 0 {
		last := append(append([]byte(nil), prefix...), q.Cursor...)
		if q.Descending {
			within.End = last
		} else {
			within.Start = append(last, 0)
		}
	}
	page, seen := collector{query: q, legacy: r.legacy}, 0
	for pair, err := range reader.Scan(within) {
		if err != nil {
			return Page{}, fmt.Errorf("scan endpoints: %w", err)
		}
		seen++
		name, err := q.name(pair.Key[len(prefix):])
		if err != nil {
			return Page{}, err
		}
		value := pair.Value
		if q.ByUpdate && search.Matches(name.ID, strings.ToLower(q.Substring)) {
			if value, err = reader.Get(endpointKey(name)); err != nil {
				return Page{}, fmt.Errorf("read endpoint: %w", err)
			}
		}
		if full, err := page.offer(name, value, pair.Key[len(prefix):]); err != nil || full {
			return page.page(), err
		}
	}
	page.end = seen < maxExamined
	return page.page(), nil
}

// name parses the ID in the part of a key that follows the prefix.
func (q Query) name(key []byte) (Name, error) {
	if q.ByUpdate {
		_, rest, err := kv.CutUint(key)
		if err != nil {
			return Name{}, err
		}
		key = rest
	}
	id, _, err := kv.CutText(key)
	return Name{Workspace: q.Workspace, ID: id}, err
}

// A collector gathers a page from candidates.
type collector struct {
	query     Query
	legacy    *legacy
	endpoints []Endpoint
	cursor    []byte
	bytes     int
	end       bool
}

// offer takes a candidate and the cursor that follows it, and reports whether the page is full.
func (c *collector) offer(name Name, value, cursor []byte) (full bool, err error) {
	if len(c.endpoints) == c.query.Limit || (c.bytes > 0 && c.bytes+len(value) > maxPageBytes) {
		return true, nil // at least one more follows
	}
	c.cursor = append([]byte(nil), cursor...)
	if !search.Matches(name.ID, strings.ToLower(c.query.Substring)) {
		return false, nil
	}
	e, err := decodeEndpoint(name, value)
	if err != nil || !c.matches(e) {
		return false, err
	}
	c.endpoints = append(c.endpoints, e)
	c.bytes += len(value)
	return false, nil
}

// matches reports whether an endpoint passes the filters.
func (c *collector) matches(e Endpoint) bool {
	q := c.query
	if q.State != "" && e.State != q.State {
		return false
	}
	if !q.LegacyBefore.IsZero() && !c.legacy.endsBefore(e.Name, q.LegacyBefore) {
		return false
	}
	if q.Label == "" {
		return true
	}
	value, has := e.Labels[q.Label]
	return has && (q.AnyValue || value == q.LabelValue)
}

func (c *collector) page() Page {
	if c.end {
		return Page{Endpoints: c.endpoints}
	}
	return Page{Endpoints: c.endpoints, Cursor: c.cursor}
}

// fillIndexes adds all endpoints to the search index and the matcher. It runs before any change. It
// skips damaged records, which the store reports, so that the others can be used.
func (r *Registry) fillIndexes(ctx context.Context) error {
	start := []byte(allEndpoints())
	for {
		var found []Endpoint
		var sums []uint64
		var last []byte
		skips := false
		err := r.kv.View(ctx, func(reader kv.Reader) error {
			found, sums, skips = nil, nil, false
			for pair, err := range reader.Scan(kv.Range{Start: start, End: kv.After(allEndpoints()), Limit: maxExamined}) {
				if err != nil {
					last, skips = pair.Key, pair.Key != nil && errors.Is(err, kv.ErrCorrupt)
					return fmt.Errorf("scan endpoints: %w", err)
				}
				name, err := endpointName(pair.Key)
				if err != nil {
					return err
				}
				e, err := decodeEndpoint(name, pair.Value)
				if err != nil {
					return err
				}
				found, sums, last = append(found, e), append(sums, r.matches.sum(pair.Value)), pair.Key
			}
			return nil
		})
		if err != nil && !skips {
			return err
		}
		for i, e := range found {
			if err := r.index.Set(e.Name.Workspace, e.Name.ID, func() (bool, error) { return true, nil }); err != nil {
				return err
			}
			f := factsOf(e, sums[i])
			if err := r.matches.set(e.Name, func() (*facts, error) { return f, nil }); err != nil {
				return err
			}
			r.followed(e.Name, &e)
		}
		if len(found) < maxExamined && !skips {
			return nil
		}
		start = append(last, 0)
	}
}

// announce says that an endpoint is about to be changed, so that no one relies on its state in
// memory. The returned function ends the change, whether it was committed or not: it updates what is
// in memory from the store. No row of an endpoint is written without an announcement.
func (r *Registry) announce(ctx context.Context, name Name) (end func()) {
	done := r.matches.announce(name)
	return func() {
		defer done()
		r.follow(ctx, name)
	}
}

// errUnannounced means that a change of this package lacks an announcement.
var errUnannounced = errors.New("a change of an endpoint was not announced")

// announcedOnly fails if no change of an endpoint is announced.
func (r *Registry) announcedOnly(name Name) error {
	if !r.matches.changes(name) {
		return errUnannounced
	}
	return nil
}

// follow updates the search index and the matcher from the store after a change of a name.
func (r *Registry) follow(ctx context.Context, name Name) {
	ctx = context.WithoutCancel(ctx) // the change is committed even if the caller no longer waits
	err := r.index.Set(name.Workspace, name.ID, func() (bool, error) {
		e, err := r.present(ctx, name)
		return e != nil, err
	})
	if err != nil {
		r.logger.WarnContext(ctx, "search index is behind until the next start", slog.Any("error", err))
	}
	if err := r.followMatch(ctx, name); err != nil {
		r.logger.WarnContext(ctx, "URLs are not checked until the changed endpoint can be read", slog.Any("error", err))
	}
	r.wake() // the commit may have queued bindings
}
