// Package resource holds the rules that all resources follow: how their names are
// written, and which of their fields a change is about.
//
// A resource's name is pairs of a collection and an id, the first of which is the
// workspace: `workspaces/{workspace}/secrets/{secret}`. This package knows none of
// the collections below it.
package resource

import (
	"encoding/binary"
	"errors"
	"strings"
)

const (
	// MaxID is the length of the longest id.
	MaxID = 128
	// Any is the id that stands for all resources of a collection, where a method
	// says so. No resource can have it.
	Any = "-"
)

// What malformed names are told. The texts are constants: input is never repeated.
var (
	// ErrWorkspace says what the name of a workspace must be.
	ErrWorkspace = errors.New("must be workspaces/{workspace}")
	// ErrID says what an id must be.
	ErrID = errors.New("must be 1-128 characters of A-Za-z0-9, -, _ and ., the first and the last alphanumeric")
)

const workspaces = "workspaces/"

// WorkspaceName returns the resource name of the workspace with an id.
func WorkspaceName(id string) string { return workspaces + id }

// ParseWorkspace parses `workspaces/{workspace}` and returns the id.
func ParseWorkspace(name string) (string, error) {
	id, ok := strings.CutPrefix(name, workspaces)
	if !ok || !ValidID(id) {
		return "", ErrWorkspace
	}
	return id, nil
}

// Cut parses `workspaces/{workspace}/{collection}/{id}` for a collection and returns
// the two ids.
func Cut(name, collection string) (workspace, id string, ok bool) {
	rest, ok := strings.CutPrefix(name, workspaces)
	if !ok {
		return "", "", false
	}
	workspace, id, ok = strings.Cut(rest, "/"+collection+"/")
	if !ok || !ValidID(workspace) || !ValidID(id) {
		return "", "", false
	}
	return workspace, id, true
}

// CutAny is Cut for methods that also take [Any] as the id.
func CutAny(name, collection string) (workspace, id string, ok bool) {
	parent, ok := strings.CutSuffix(name, "/"+collection+"/"+Any)
	if !ok {
		return Cut(name, collection)
	}
	workspace, err := ParseWorkspace(parent)
	return workspace, Any, err == nil
}

// Segments parses the name of any resource below a workspace and returns its
// collections and ids in turn, beginning with `workspaces`.
func Segments(name string) (segments []string, ok bool) {
	segments = strings.Split(name, "/")
	if len(segments)%2 != 0 || segments[0]+"/" != workspaces {
		return nil, false
	}
	for i, segment := range segments {
		if collection := i%2 == 0; (collection && !validCollection(segment)) || !ValidID(segment) {
			return nil, false
		}
	}
	return segments, true
}

// ValidID reports whether a text may be the id of a workspace or of what is in one.
func ValidID(id string) bool {
	if id == "" || len(id) > MaxID || !Alphanumeric(id[0]) || !Alphanumeric(id[len(id)-1]) {
		return false
	}
	for i := range len(id) {
		if c := id[i]; !Alphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// Alphanumeric reports whether a byte is an ASCII letter or digit.
func Alphanumeric(c byte) bool { return letter(c) || '0' <= c && c <= '9' }

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// validCollection reports whether a text may name a collection, such as endpoints.
func validCollection(text string) bool {
	for i := range len(text) {
		if !letter(text[i]) {
			return false
		}
	}
	return text != ""
}

// FirstRevision returns the revision that a life of a name starts with, from its uid.
// It differs from life to life, so that an etag of an earlier one does not fit.
func FirstRevision(uid string) uint64 {
	var text [8]byte
	copy(text[3:], uid)
	return binary.BigEndian.Uint64(text[:])
}
