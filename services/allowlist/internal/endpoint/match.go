package endpoint

import (
	"hash/maphash"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"
)

// A matcher finds the endpoints of a URL among all endpoints of a workspace, in memory. A search
// takes one lookup for the exact URL and one for each slash of its path, the longest path first,
// however many endpoints exist. A table by URL is enough, without a tree of segments, because a
// wildcard can only be at the end of a path.
//
// The matcher follows the store as package search does: it is filled at the start, and after each
// change the goroutine that made it reads the store and updates the matcher, one goroutine at a
// time. A name whose state could not be read is behind; searches first bring it up to date.
//
// A change is announced before it is written, and until the matcher has followed it. In between,
// and before the first comparison of an endpoint with the change log, the facts of its name are not
// settled: a match is then a way to find an endpoint, and not a permission, and callers read the
// store before they rely on it.
type matcher struct {
	// seed makes the hashes of records unpredictable.
	seed maphash.Seed
	// makers is held by set from before it reads the store.
	makers sync.Mutex
	// mu guards the fields below. It is never held while waiting for anything else.
	mu         sync.RWMutex
	workspaces map[string]*board
	behind     map[Name]bool
	announced  map[Name]int // the number of changes that are being made
}

// A board holds the endpoints of one workspace.
type board struct {
	facts map[string]*facts // by id
	// exact holds the endpoints by their URL. Below holds the endpoints whose URL ends in a wildcard,
	// by the URL without its star.
	exact, below map[string]*claims
}

// facts are the properties of a stored state of an endpoint that decide whether it allows a request.
// Each state that the matcher reads has facts of its own.
type facts struct {
	url     string
	active  bool
	methods []string
	// sum is the hash of the stored record; see [matcher.sum].
	sum uint64
	// compared is set when the record was compared with the change log.
	compared atomic.Bool
}

func factsOf(e Endpoint, sum uint64) *facts {
	return &facts{url: e.URL.text, active: e.State == Active, methods: e.Methods, sum: sum}
}

func (f *facts) equal(other *facts) bool {
	return f.url == other.url && f.active == other.active && slices.Equal(f.methods, other.methods)
}

// The classes of endpoints with one URL, in addition to the methods that the active ones allow.
const (
	anyClass    = ""
	activeClass = "+"
)

// classes returns the classes that an endpoint belongs to.
func (f *facts) classes() []string {
	if !f.active {
		return []string{anyClass}
	}
	return append([]string{anyClass, activeClass}, f.methods...)
}

// claims are the endpoints of one URL, each under its classes, sorted by ID. Usually there is one,
// but the number does not affect the time of a search.
type claims struct{ keys btree.Set[string] }

func claimKey(class, id string) string { return class + "\x00" + id }

// first returns the first endpoint of a class. If among is not nil, only endpoints with these IDs
// count.
func (c *claims) first(class string, among []string) (id string, found bool) {
	for _, id := range among {
		if key := claimKey(class, id); c.seek(key) == key {
			return id, true
		}
	}
	if among != nil {
		return "", false
	}
	prefix := claimKey(class, "")
	return strings.CutPrefix(c.seek(prefix), prefix)
}

// seek returns the first key that is not before the given one, or an empty string. Unlike an
// iterator, it allocates nothing.
func (c *claims) seek(from string) string {
	i := sort.Search(c.keys.Len(), func(i int) bool {
		key, _ := c.keys.GetAt(i)
		return key >= from
	})
	key, _ := c.keys.GetAt(i)
	return key
}

func newMatcher() *matcher {
	return &matcher{seed: maphash.MakeSeed(), workspaces: make(map[string]*board), behind: make(map[Name]bool), announced: make(map[Name]int)}
}

// sum returns a hash of a stored record. Two records of one endpoint have the same hash with a
// probability of 2^-64, which callers cannot influence.
func (x *matcher) sum(record []byte) uint64 { return maphash.Bytes(x.seed, record) }

// set updates the matcher from the store for one name. Present returns the facts of the stored
// endpoint, or nil; only one set at a time calls it. Searches do not wait for it.
func (x *matcher) set(name Name, present func() (*facts, error)) error {
	x.makers.Lock()
	defer x.makers.Unlock()
	f, err := present()
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		x.behind[name] = true
		return err
	}
	delete(x.behind, name)
	b := x.workspaces[name.Workspace]
	if b == nil {
		b = &board{facts: make(map[string]*facts), exact: make(map[string]*claims), below: make(map[string]*claims)}
		x.workspaces[name.Workspace] = b
	}
	b.remove(name.ID)
	if f != nil {
		b.add(name.ID, f)
	}
	if len(b.facts) == 0 {
		delete(x.workspaces, name.Workspace)
	}
	return nil
}

// announce says that a name is about to be changed in the store. The returned function ends the
// change; call it after set.
func (x *matcher) announce(name Name) (end func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.announced[name]++
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.announced[name]--; x.announced[name] == 0 {
			delete(x.announced, name)
		}
	}
}

// changes reports whether a change of a name is announced.
func (x *matcher) changes(name Name) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.announced[name] > 0
}

// follows reports whether the matcher has followed all changes of a name. It needs the lock.
func (x *matcher) follows(name Name) bool { return x.announced[name] == 0 && !x.behind[name] }

// current returns the facts of an endpoint, or nil if it does not exist or the store may have others.
func (x *matcher) current(name Name) *facts {
	x.mu.RLock()
	defer x.mu.RUnlock()
	b := x.workspaces[name.Workspace]
	if b == nil || !x.follows(name) {
		return nil
	}
	return b.facts[name.ID]
}

// late returns the names that are behind.
func (x *matcher) late() []Name {
	x.mu.RLock()
	defer x.mu.RUnlock()
	names := make([]Name, 0, len(x.behind))
	for name := range x.behind {
		names = append(names, name)
	}
	return names
}

// place returns the table for a URL, and the key in it.
func (b *board) place(url string) (map[string]*claims, string) {
	if strings.HasSuffix(url, wildcard) {
		return b.below, strings.TrimSuffix(url, "*")
	}
	return b.exact, url
}

func (b *board) add(id string, f *facts) {
	b.facts[id] = f
	table, key := b.place(f.url)
	c := table[key]
	if c == nil {
		c = new(claims)
		table[key] = c
	}
	for _, class := range f.classes() {
		c.keys.Insert(claimKey(class, id))
	}
}

func (b *board) remove(id string) {
	f, known := b.facts[id]
	if !known {
		return
	}
	delete(b.facts, id)
	table, key := b.place(f.url)
	for _, class := range f.classes() {
		table[key].keys.Delete(claimKey(class, id))
	}
	if table[key].keys.Len() == 0 {
		delete(table, key)
	}
}

// A match is the result of a search. The zero id means that no endpoint matches.
type match struct {
	id      string
	facts   *facts
	verdict Verdict
	// settled means that the store has these facts, and that the change log agrees.
	settled bool
}

// find returns the endpoint that matches a request: among the endpoints with the most specific
// URL, the first one that allows the request, or else the first of the closest ones. If serves is
// not nil, the caller may use only these endpoints.
func (x *matcher) find(workspace string, url URL, method string, serves []string) match {
	x.mu.RLock()
	defer x.mu.RUnlock()
	b := x.workspaces[workspace]
	if b == nil {
		return match{verdict: NoEndpoint}
	}
	c := b.closest(url)
	if c == nil {
		return match{verdict: NoEndpoint}
	}
	for _, try := range []struct {
		class   string
		among   []string
		verdict Verdict
	}{
		{method, serves, Allowed},
		{activeClass, serves, MethodNotAllowed},
		{anyClass, serves, NotActive},
		{anyClass, nil, NotServed},
	} {
		if id, found := c.first(try.class, try.among); found {
			f := b.facts[id]
			return match{id, f, try.verdict, f.compared.Load() && x.follows(Name{workspace, id})}
		}
	}
	return match{verdict: NoEndpoint}
}

// closest returns the endpoints with the most specific URL that matches the given one.
func (b *board) closest(url URL) *claims {
	if c := b.exact[url.text]; c != nil {
		return c
	}
	root := strings.IndexByte(url.text[len(scheme):], '/') + len(scheme)
	for end := len(url.text); end > root; {
		slash := strings.LastIndexByte(url.text[:end], '/')
		if mayClimb(url.text[slash+1 : end]) {
			return nil // the segment may lead out of every folder above
		}
		// No endpoint has a longer URL.
		if slash < MaxURL {
			if c := b.below[url.text[:slash+1]]; c != nil {
				return c
			}
		}
		end = slash
	}
	return nil
}

// maxDecodings is the number of nested encodings of a segment above which it is treated as hiding
// something.
const maxDecodings = 4

// mayClimb reports whether a partner's server, or a proxy in front of it, might interpret a
// normalized segment as one that leaves its folder: it contains the step `..` after encoded
// characters are decoded, repeatedly, and everything after a semicolon is dropped.
func mayClimb(segment string) bool {
	for decodings := 0; strings.Contains(segment, "%"); decodings++ {
		decoded := decodeOnce(segment)
		if decoded == segment {
			break
		}
		if decodings == maxDecodings {
			return true
		}
		segment = decoded
	}
	if !strings.Contains(segment, "..") {
		return false
	}
	steps := strings.FieldsFunc(segment, func(r rune) bool { return r == '/' || r == '\\' })
	return slices.ContainsFunc(steps, func(step string) bool {
		step, _, _ = strings.Cut(step, ";")
		return strings.TrimFunc(step, func(r rune) bool { return r <= ' ' }) == ".."
	})
}

// decodeOnce decodes each valid percent-encoding, and leaves everything else unchanged.
func decodeOnce(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) && unhex(text[i+1]) >= 0 && unhex(text[i+2]) >= 0 {
			out.WriteByte(byte(unhex(text[i+1])<<4 | unhex(text[i+2])))
			i += 2
			continue
		}
		out.WriteByte(text[i])
	}
	return out.String()
}
