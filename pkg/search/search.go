// Package search finds resources by a part of their id, whatever the case.
//
// An [Index] holds the ids of each workspace in memory, in order, and answers
// from there: the key layout of the store stays free of it. It is filled from the
// store at start and follows it by [Index.Set]: after a change has committed, its
// maker looks at what the store now holds and tells the index. Makers do so one after
// the other, so that whatever order two of them arrive in, the index ends up as the
// store is. Searches wait for none of their looks: they may be made by who reads the
// store, for whom in turn a look may have to wait.
package search

import (
	"strings"
	"sync"

	"github.com/tidwall/btree"
)

// pieceSize is how many ids a search examines before it lets writers in.
const pieceSize = 10_000

// An Index holds the ids of all workspaces. It may be used from many goroutines.
type Index struct {
	// makers is held by Set from before its look at the store.
	makers sync.Mutex
	// mu guards workspaces, and is never held while anything else is waited for.
	mu         sync.RWMutex
	workspaces map[string]*ids
}

// ids maps ids to what a query is compared with. For an id that is in lower case,
// both are the same string, and take the memory of one.
type ids = btree.Map[string, string]

// NewIndex returns an empty index.
func NewIndex() *Index { return &Index{workspaces: make(map[string]*ids)} }

// Set makes the index agree with the store about one id. Exists is called by one Set
// at a time and tells whether the store has the id now; if it fails, nothing changes.
// It must not call Set.
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

// Find returns the ids that contain query, in order, or in reverse order, at most
// limit of them. They start behind after, unless after is empty.
//
// A search through many ids lets changes in now and then: an id that comes or goes
// meanwhile may be in what is found or not.
func (x *Index) Find(workspace, query, after string, reverse bool, limit int) []string {
	if limit <= 0 {
		return nil
	}
	s := &search{query: fold(query), last: after, reverse: reverse, limit: limit}
	for x.piece(workspace, s) {
	}
	return s.found
}

// piece takes a search further by a bounded number of ids, and reports whether that
// was not all.
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

// A search is what is looked for, and how far it has come.
type search struct {
	query   string
	reverse bool
	limit   int

	last     string // the id examined last
	found    []string
	examined int // in this piece
	stopped  bool
}

// visit examines an id, and reports whether the piece goes on.
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

// Ids are ASCII, so folding is lower-casing. What is in lower case stays the same string.
func fold(text string) string { return strings.ToLower(text) }

// Matches reports whether an id contains a query that is in lower case already.
func Matches(id, query string) bool {
	return query == "" || strings.Contains(fold(id), query)
}
