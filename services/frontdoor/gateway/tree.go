package gateway

import (
	"fmt"
	"net/http"
	"strings"
)

// A tree finds the routes of a path, one segment at a time. A segment of a template is either a
// literal or a wildcard. If a path matches both, the template with the literal has precedence.
type tree struct {
	literals map[string]*tree
	wildcard *tree
	// ends are the routes whose templates end here, by verb. Most templates have no verb.
	ends map[string]methods
}

// methods are the routes of one path, by HTTP method.
type methods map[string]*route

// wildcard is the segment of a template that matches any segment.
const wildcard = "*"

// add adds a route. It fails if there is one with the same template and method.
func (t *tree) add(rt *route) error {
	for _, segment := range rt.segments {
		t = t.grow(segment)
	}
	if t.ends == nil {
		t.ends = make(map[string]methods)
	}
	if t.ends[rt.verb] == nil {
		t.ends[rt.verb] = make(methods)
	}
	if t.ends[rt.verb][rt.method] != nil {
		return fmt.Errorf("another binding has the same route")
	}
	t.ends[rt.verb][rt.method] = rt
	return nil
}

// grow returns the node below t for a segment of a template.
func (t *tree) grow(segment string) *tree {
	if segment == wildcard {
		if t.wildcard == nil {
			t.wildcard = new(tree)
		}
		return t.wildcard
	}
	if t.literals == nil {
		t.literals = make(map[string]*tree)
	}
	if t.literals[segment] == nil {
		t.literals[segment] = new(tree)
	}
	return t.literals[segment]
}

// find returns the routes of an escaped path. A colon starts the verb. No ID contains one:
// otherwise `x:activate` with a method that the verb does not have would be taken for an ID.
func (t *tree) find(path string) methods {
	path, verb, found := strings.Cut(path, ":")
	if found && verb == "" {
		return nil
	}
	return t.match(strings.TrimPrefix(path, "/"), verb)
}

// match returns the routes of the rest of a path below t.
func (t *tree) match(path, verb string) methods {
	segment, rest, more := strings.Cut(path, "/")
	wild := t.wildcard
	if segment == "" {
		wild = nil
	}
	for _, next := range [...]*tree{t.literals[segment], wild} {
		switch {
		case next == nil:
		case more:
			if found := next.match(rest, verb); found != nil {
				return found
			}
		case next.ends[verb] != nil:
			return next.ends[verb]
		}
	}
	return nil
}

// allow lists the methods in the form of an Allow header.
func (m methods) allow() string {
	var allowed []string
	for _, method := range [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if m[method] == nil {
			continue
		}
		allowed = append(allowed, method)
		if method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	return strings.Join(append(allowed, http.MethodOptions), ", ")
}
