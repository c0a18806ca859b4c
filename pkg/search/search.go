// Package search finds resources by a part of their ID, ignoring case.
//
// An [Index] holds the IDs of each workspace in memory, in order, and answers from there, so that
// the key layout of the store is independent of it. [Index.Fill] adds the IDs of the store after a
// start, while changes already happen, and [Index.Set] updates the index: after a change has been
// committed, the code that made it checks the current state of the store. The batches of Fill and
// the calls of Set run one after the other, so the index matches the store, whatever the order in
// which they arrive. Searches do not wait for them: a search may run inside a read transaction, for
// which a check may have to wait.
package search

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
)

// An Index holds the IDs of all workspaces. It is safe for concurrent use.
type Index struct {
	// makers is held by Set and by each batch of Fill, starting before they read the store.
	makers sync.Mutex
	// mu guards workspaces, and is never held while waiting for anything else.
	mu         sync.RWMutex
	workspaces map[string]*ids

	complete atomic.Bool
}

// An ID is an ID in a workspace.
type ID struct{ Workspace, ID string }

// NewIndex returns an empty index.
func NewIndex() *Index { return &Index{workspaces: make(map[string]*ids)} }

// Fill adds all IDs of the store in batches, until ctx ends or next fails. After a failure, call it
// again. It calls next for each batch, which reads the IDs from the store and reports whether more
// follow. A change that is committed after
// that read calls Set after the batch has been added. So the change wins. next must not call Set.
func (x *Index) Fill(ctx context.Context, next func() (batch []ID, more bool, err error)) error {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if more, err = x.fill(next); err != nil {
			return err
		}
	}
	x.complete.Store(true)
	return nil
}

func (x *Index) fill(next func() ([]ID, bool, error)) (more bool, err error) {
	x.makers.Lock()
	defer x.makers.Unlock()
	batch, more, err := next()
	if err != nil {
		return false, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range batch {
		x.put(id.Workspace, id.ID, true)
	}
	return more, nil
}

// Complete reports whether Fill has added all IDs. Until then, Find may miss some.
func (x *Index) Complete() bool { return x.complete.Load() }

// Set updates one ID of the index from the store. Only one Set at a time calls exists, which
// reports whether the store contains the ID. If exists fails, nothing changes. It must not call
// Set.
func (x *Index) Set(workspace, id string, exists func() (bool, error)) error {
	x.makers.Lock()
	defer x.makers.Unlock()
	present, err := exists()
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.put(workspace, id, present)
	return nil
}

func (x *Index) put(workspace, id string, present bool) {
	set := x.workspaces[workspace]
	switch {
	case present && set == nil:
		set = new(ids)
		x.workspaces[strings.Clone(workspace)] = set
		set.insert(id)
	case present:
		set.insert(id)
	case set != nil:
		set.remove(id)
		if len(set.chunks) == 0 {
			delete(x.workspaces, workspace)
		}
	}
}

// Find returns the IDs that contain query, in order or in reverse order, at most limit of them.
// They start after the ID after, unless it is empty.
//
// A search through many IDs lets changes proceed from time to time. The result may or may not
// include an ID that is added or removed meanwhile.
func (x *Index) Find(workspace, query, after string, reverse bool, limit int) []string {
	if limit <= 0 || strings.Contains(query, string(separator)) {
		return nil
	}
	s := &search{query: []byte(fold(query)), after: []byte(after), reverse: reverse, limit: limit}
	for x.piece(workspace, s) {
	}
	return s.found
}

// piece advances a search by a bounded number of IDs and reports whether IDs remain.
func (x *Index) piece(workspace string, s *search) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	set := x.workspaces[workspace]
	return set != nil && s.advance(set)
}

// IDs are ASCII, so folding is conversion to lower case. A string in lower case is returned
// unchanged.
func fold(text string) string { return strings.ToLower(text) }

// Matches reports whether an ID contains a query. The query must be in lower case.
func Matches(id, query string) bool {
	return query == "" || strings.Contains(fold(id), query)
}
