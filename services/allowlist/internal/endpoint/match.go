package endpoint

import (
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/btree"
)

// A matcher finds the endpoints of a URL among all of a workspace, in memory: one
// look for the exact URL and one for each slash of its path, the longest first,
// however many endpoints there are. A table by URL does what a tree of segments
// would, because a wildcard stands at the end of a path only.
//
// It follows the store as package search does: it is filled at start, and after each
// change its maker looks at what the store now holds and tells the matcher, one maker
// at a time. A name that could not be looked at is behind. Who asks brings
// it up to date first, and looks at the store before relying on what is found: what
// the matcher holds is a way to an endpoint and no permission.
type matcher struct {
	// makers is held by set from before its look at the store.
	makers sync.Mutex
	// mu guards what follows, and is never held while anything else is waited for.
	mu         sync.RWMutex
	workspaces map[string]*board
	behind     map[Name]bool
}

// A board holds the endpoints of one workspace.
type board struct {
	facts map[string]facts // by id
	// exact are the endpoints by their URL. Below are those whose URL ends in a
	// wildcard, by the URL without its star.
	exact, below map[string]*claims
}

// facts are what decides whether an endpoint allows something.
type facts struct {
	url     string
	active  bool
	methods []string
}

func factsOf(e Endpoint) facts {
	return facts{url: e.URL.text, active: e.State == Active, methods: e.Methods}
}

// The classes of endpoints among those of one URL, beside the methods that those in
// use allow.
const (
	anyClass    = ""
	activeClass = "+"
)

// classes returns the classes that an endpoint belongs to.
func (f facts) classes() []string {
	if !f.active {
		return []string{anyClass}
	}
	return append([]string{anyClass, activeClass}, f.methods...)
}

// claims are the endpoints of one URL, each under its classes, in the order of their
// ids. Usually it is one; but no number of them makes the search longer.
type claims struct{ keys btree.Set[string] }

func claimKey(class, id string) string { return class + "\x00" + id }

// first returns the first endpoint of a class, among those with the given ids only
// unless they are nil.
func (c *claims) first(class string, among []string) (id string, found bool) {
	for _, id := range among {
		if c.keys.Contains(claimKey(class, id)) {
			return id, true
		}
	}
	if among != nil {
		return "", false
	}
	c.keys.Ascend(claimKey(class, ""), func(key string) bool {
		id, found = strings.CutPrefix(key, claimKey(class, ""))
		return false
	})
	return id, found
}

func newMatcher() *matcher {
	return &matcher{workspaces: make(map[string]*board), behind: make(map[Name]bool)}
}

// set makes the matcher agree with the store about a name. Present is called by one set at
// a time and returns the endpoint as the store has it, or nil. Searches do not wait for it.
func (x *matcher) set(name Name, present func() (*Endpoint, error)) error {
	x.makers.Lock()
	defer x.makers.Unlock()
	e, err := present()
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		x.behind[name] = true
		return err
	}
	delete(x.behind, name)
	b := x.workspaces[name.Workspace]
	if b == nil {
		b = &board{facts: make(map[string]facts), exact: make(map[string]*claims), below: make(map[string]*claims)}
		x.workspaces[name.Workspace] = b
	}
	b.remove(name.ID)
	if e != nil {
		b.add(name.ID, factsOf(*e))
	}
	if len(b.facts) == 0 {
		delete(x.workspaces, name.Workspace)
	}
	return nil
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

// place returns the table that a URL belongs in, and its key there.
func (b *board) place(url string) (map[string]*claims, string) {
	if strings.HasSuffix(url, wildcard) {
		return b.below, strings.TrimSuffix(url, "*")
	}
	return b.exact, url
}

func (b *board) add(id string, f facts) {
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

// find returns the endpoint that a request is of: of the most specific URL, the
// first endpoint that allows it, or else the first of those that come closest. If
// serves is not nil, the caller may use only these endpoints.
func (x *matcher) find(workspace string, url URL, method string, serves []string) (id string, f facts, v Verdict) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	b := x.workspaces[workspace]
	if b == nil {
		return "", facts{}, NoEndpoint
	}
	c := b.closest(url)
	if c == nil {
		return "", facts{}, NoEndpoint
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
			return id, b.facts[id], try.verdict
		}
	}
	return "", facts{}, NoEndpoint
}

// closest returns the endpoints of the most specific URL that the given one is of.
func (b *board) closest(url URL) *claims {
	if c := b.exact[url.text]; c != nil {
		return c
	}
	root := strings.IndexByte(url.text[len(scheme):], '/') + len(scheme)
	for end := len(url.text); end > root; {
		slash := strings.LastIndexByte(url.text[:end], '/')
		if mayClimb(url.text[slash+1 : end]) {
			return nil // no folder above is sure to hold what this leads to
		}
		// No endpoint has a longer URL, so that none needs to be looked for.
		if slash < MaxURL {
			if c := b.below[url.text[:slash+1]]; c != nil {
				return c
			}
		}
		end = slash
	}
	return nil
}

// maxDecodings is how often a segment may be encoded over again before it is taken
// for one that hides something.
const maxDecodings = 4

// mayClimb reports whether a partner's server, or one before it, might read a segment
// in normal form as one that leads out of its folder: it holds two dots once encoded
// characters, and these again, are decoded and what follows a semicolon is dropped.
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
	steps := strings.FieldsFunc(segment, func(r rune) bool { return r == '/' || r == '\\' })
	return slices.ContainsFunc(steps, func(step string) bool {
		step, _, _ = strings.Cut(step, ";")
		return strings.TrimFunc(step, func(r rune) bool { return r <= ' ' }) == ".."
	})
}

// decodeOnce decodes each percent-encoding, and leaves alone what is none.
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
