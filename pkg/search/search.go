// Package search finds resources by a part of their id, whatever the case.
//
// An [Index] holds the ids of each workspace in memory, in order, and answers
// from there: the key layout of the store stays free of it. It is filled from the
// store at start and follows it by [Index.Set]: after a change has committed, its
// maker looks at what the store now holds and tells the index, under the index's
// lock, so that whatever order two makers arrive in, the index ends up as the
// store is.
package search

import (
	"strings"
	"sync"

	"github.com/tidwall/btree"
)

// An Index holds the ids of all workspaces. It may be used from many goroutines.
type Index struct {
	mu         sync.RWMutex
	workspaces map[string]*btree.Set[string]
}

// NewIndex returns an empty index.
func NewIndex() *Index { return &Index{workspaces: make(map[string]*btree.Set[string])} }

// Set makes the index agree with the store about one id. Exists is called under
// the lock and tells whether the store has the id now; if it fails, nothing changes.
func (x *Index) Set(workspace, id string, exists func() (bool, error)) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	present, err := exists()
	if err != nil {
		return err
	}
	ids := x.workspaces[workspace]
	switch {
	case present && ids == nil:
		ids = new(btree.Set[string])
		x.workspaces[workspace] = ids
		ids.Insert(id)
	case present:
		ids.Insert(id)
	case ids != nil:
		ids.Delete(id)
		if ids.Len() == 0 {
			delete(x.workspaces, workspace)
		}
	}
	return nil
}

// Find returns the ids that contain query, in order, or in reverse order, at most
// limit of them. They start behind after, unless after is empty.
func (x *Index) Find(workspace, query, after string, reverse bool, limit int) []string {
	if limit <= 0 {
		return nil
	}
	query = strings.ToLower(query)
	x.mu.RLock()
	defer x.mu.RUnlock()
	ids := x.workspaces[workspace]
	if ids == nil {
		return nil
	}
	var found []string
	visit := func(id string) bool {
		if id == after || !Matches(id, query) {
			return true
		}
		found = append(found, id)
		return len(found) < limit
	}
	switch {
	case reverse && after == "":
		ids.Reverse(visit)
	case reverse:
		ids.Descend(after, visit)
	default:
		ids.Ascend(after, visit)
	}
	return found
}

// Matches reports whether an id contains a query that is in lower case already.
// Ids are ASCII, so folding is lower-casing.
func Matches(id, query string) bool {
	return query == "" || strings.Contains(strings.ToLower(id), query)
}
