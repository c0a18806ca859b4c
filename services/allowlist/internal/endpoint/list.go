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
	// maxExamined is how many endpoints one call looks at for its filters. A page
	// that meets the bound is shorter than asked for.
	maxExamined = 2000
	// maxPageBytes bounds the stored size of the endpoints on one page, so that an
	// answer stays within what a client receives.
	maxPageBytes = 1 << 20
)

// A Query says which endpoints of a workspace to list, and in which order.
type Query struct {
	Workspace string
	// Substring, if not empty, must be in the id, whatever the case.
	Substring string
	// ByUpdate orders by update time, otherwise by name; Descending turns it round.
	ByUpdate, Descending bool
	// State, if not empty, is the state to be in.
	State State
	// Label, if not empty, is the label to have, with LabelValue if AnyValue is false.
	Label, LabelValue string
	AnyValue          bool
	// LegacyBefore, if not zero, is the time before which an acknowledgement is to end.
	LegacyBefore time.Time
	// Cursor is where the page before ended; empty for the first page.
	Cursor []byte
	// Limit is the greatest number of endpoints to return. It is required.
	Limit int
}

// A Page is a part of a list. An empty Cursor ends the list.
type Page struct {
	Endpoints []Endpoint
	Cursor    []byte
}

// List returns a page of endpoints. It may be shorter than asked for, and even
// empty, while its cursor is not.
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

// addChecks adds to the endpoints when their proofs were last looked for.
func (p Page) addChecks(reader kv.Reader) error {
	for i := range p.Endpoints {
		if err := addCheck(reader, &p.Endpoints[i]); err != nil {
			return err
		}
	}
	return nil
}

// scan answers from the keys of the order that is asked for. The cursor is the
// last key without the prefix that the workspace and the order give.
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

// name reads the id from the part of a key that follows the prefix.
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

// offer takes a candidate and the cursor behind it, and reports whether the page
// is full.
func (c *collector) offer(name Name, value, cursor []byte) (full bool, err error) {
	if len(c.endpoints) == c.query.Limit || (c.bytes > 0 && c.bytes+len(value) > maxPageBytes) {
		return true, nil // there is at least this one more
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

// fillIndexes puts all endpoints into the search index and the matcher. Nothing
// changes them yet.
func (r *Registry) fillIndexes(ctx context.Context) error {
	start := []byte(allEndpoints())
	for {
		var found []Endpoint
		var last []byte
		err := r.kv.View(ctx, func(reader kv.Reader) error {
			found = nil
			for pair, err := range reader.Scan(kv.Range{Start: start, End: kv.After(allEndpoints()), Limit: maxExamined}) {
				if err != nil {
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
				found, last = append(found, e), pair.Key
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range found {
			if err := r.index.Set(e.Name.Workspace, e.Name.ID, func() (bool, error) { return true, nil }); err != nil {
				return err
			}
			if err := r.matches.set(e.Name, func() (*Endpoint, error) { return &e, nil }); err != nil {
				return err
			}
			r.legacy.set(e.Name, &e)
			r.sharing.set(e.Name, &e)
		}
		if len(found) < maxExamined {
			return nil
		}
		start = append(last, 0)
	}
}

// follow makes the search index and the matcher agree with the store about a name,
// after a change of it.
func (r *Registry) follow(ctx context.Context, name Name) {
	ctx = context.WithoutCancel(ctx) // the change is made, whether or not the caller still waits
	err := r.index.Set(name.Workspace, name.ID, func() (bool, error) {
		e, err := r.present(ctx, name)
		return e != nil, err
	})
	if err != nil {
		r.logger.WarnContext(ctx, "search index is behind until the next start", slog.Any("error", err))
	}
	if err := r.followMatch(ctx, name); err != nil {
		r.logger.WarnContext(ctx, "URLs are not checked until the change can be looked at", slog.Any("error", err))
	}
	r.wake() // the commit may have queued bindings
}
