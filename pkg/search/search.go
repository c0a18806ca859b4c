// Package search finds resources by a part of their ID, ignoring case.
//
// An [Index] holds the IDs of each workspace in memory, in order, and answers from there, so that
// the key layout of the store is independent of it. It is filled from the store at start and
// updated by [Index.Set]: after a change has been committed, the code that made it checks the
// current state of the store and updates the index. Calls of Set run one after the other, so the
// index matches the store, whatever the order in which two calls arrive. Searches do not wait for
// these checks: a search may run inside a read transaction, for which a check may have to wait.
package search

import (
	"strings"
	"sync"

	"github.com/tidwall/btree"
)

// pieceSize is the number of IDs that a search examines before it lets writers proceed.
const pieceSize = 10_000

// An Index holds the IDs of all workspaces. It is safe for concurrent use.
type Index struct {
	// makers is held by Set, starting before it reads the store.
	makers sync.Mutex
	// mu guards workspaces, and is never held while waiting for anything else.
	mu         sync.RWMutex
	workspaces map[string]*ids
}

// ids maps IDs to their folded form, with which queries are compared. For an ID in lower case,
// both are the same string and share its memory.
type ids = btree.Map[string, string]

// NewIndex returns an empty index.
func NewIndex() *Index { return &Index{workspaces: make(map[string]*ids)} }

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
	x.put(workspace, id, present)
	return nil
}

func (x *Index) put(workspace, id string, present bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	set := x.workspaces[workspace]
	switch {
	case present && set == nil:
		set = new(ids)
		x.workspaces[workspace] = set
		set.Set(id, fold(id))
	case present:
		set.Set(id, fold(id))
	case set != nil:
		set.Delete(id)
		if set.Len() == 0 {
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
	if limit <= 0 {
		return nil
	}
	s := &search{query: fold(query), last: after, reverse: reverse, limit: limit}
	for x.piece(workspace, s) {
	}
	return s.found
}

// piece advances a search by a bounded number of IDs and reports whether IDs remain.
func (x *Index) piece(workspace string, s *search) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	set := x.workspaces[workspace]
	if set == nil {
		return false
	}
	s.examined, s.stopped = 0, false
	switch {
	case s.reverse && s.last == "":
		set.Reverse(s.visit)
	case s.reverse:
		set.Descend(s.last, s.visit)
	default:
		set.Ascend(s.last, s.visit)
	}
	return s.stopped && len(s.found) < s.limit
}

// A search is a query and its progress.
type search struct {
	query   string
	reverse bool
	limit   int

	last     string // the id examined last
	found    []string
	examined int // in this piece
	stopped  bool
}

// visit examines an ID and reports whether the piece continues.
func (s *search) visit(id, folded string) bool {
	if id == s.last {
		return true
	}
	s.last = id
	s.examined++
	if strings.Contains(folded, s.query) {
		s.found = append(s.found, id)
	}
	s.stopped = len(s.found) == s.limit || s.examined == pieceSize
	return !s.stopped
}

// IDs are ASCII, so folding is conversion to lower case. A string in lower case is returned
// unchanged.
func fold(text string) string { return strings.ToLower(text) }

// Matches reports whether an ID contains a query. The query must be in lower case.
func Matches(id, query string) bool {
	return query == "" || strings.Contains(fold(id), query)
}
