package gateway

import (
	"fmt"
	"net/http"
	"strings"
)

// A tree finds the routes of a path, one segment at a time. A segment of a template is either a
// literal or a wildcard, and a node has only one of the two, so that at most one template matches
// a path.
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

// add adds a route. It fails if a path would match two templates.
func (t *tree) add(rt *route) error {
	for _, segment := range rt.segments {
		next, err := t.grow(segment)
		if err != nil {
			return err
		}
		t = next
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
func (t *tree) grow(segment string) (*tree, error) {
	if segment == wildcard {
		if t.literals != nil {
			return nil, fmt.Errorf("another binding has a literal in place of a wildcard")
		}
		if t.wildcard == nil {
			t.wildcard = new(tree)
		}
		return t.wildcard, nil
	}
	if t.wildcard != nil {
		return nil, fmt.Errorf("another binding has a wildcard in place of the literal %s", segment)
	}
	if t.literals == nil {
		t.literals = make(map[string]*tree)
	}
	if t.literals[segment] == nil {
		t.literals[segment] = new(tree)
	}
	return t.literals[segment], nil
}

// find returns the routes of an escaped path. A colon starts the verb. No ID contains one:
// otherwise `x:activate` with a method that the verb does not have would be taken for an ID.
func (t *tree) find(path string) methods {
	path, verb, found := strings.Cut(path, ":")
	if found && verb == "" {
		return nil
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		next := t.literals[segment]
		if next == nil && segment != "" {
			next = t.wildcard
		}
		if next == nil {
			return nil
		}
		t = next
	}
	return t.ends[verb]
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
