// Package resource defines the rules that all resources follow: the form of their names, and the
// fields that a change covers.
//
// A resource's name consists of pairs of a collection and an ID, starting with the workspace:
// `workspaces/{workspace}/secrets/{secret}`. This package does not depend on the collections below
// a workspace.
package resource

import (
	"encoding/binary"
	"errors"
	"strings"
)

const (
	// MaxID is the maximum length of an ID.
	MaxID = 128
	// Any is the ID that means all resources of a collection, for methods that allow it. No resource
	// can have this ID.
	Any = "-"
	// Everywhere is the name that means all workspaces, for methods and entries of the change log that
	// belong to no single one.
	Everywhere = workspaces + Any
)

// The errors for malformed names. They are constants, so that input is never repeated.
var (
	// ErrWorkspace states the form of the name of a workspace.
	ErrWorkspace = errors.New("must be workspaces/{workspace}")
	// ErrID states the form of an ID.
	ErrID = errors.New("must be 1-128 characters of A-Za-z0-9, -, _ and ., the first and the last alphanumeric")
)

const workspaces = "workspaces/"

// WorkspaceName returns the resource name of the workspace with an ID.
func WorkspaceName(id string) string { return workspaces + id }

// ParseWorkspace parses `workspaces/{workspace}` and returns the ID.
func ParseWorkspace(name string) (string, error) {
	id, ok := strings.CutPrefix(name, workspaces)
	if !ok || !ValidID(id) {
		return "", ErrWorkspace
	}
	return id, nil
}

// Cut parses `workspaces/{workspace}/{collection}/{id}` for a collection and returns the two IDs.
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

// CutAny is Cut for methods that also accept [Any] as the ID.
func CutAny(name, collection string) (workspace, id string, ok bool) {
	parent, ok := strings.CutSuffix(name, "/"+collection+"/"+Any)
	if !ok {
		return Cut(name, collection)
	}
	workspace, err := ParseWorkspace(parent)
	return workspace, Any, err == nil
}

// Segments parses the name of any resource below a workspace and returns its collections and IDs
// in turn, starting with `workspaces`.
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

// ValidID reports whether a string is a valid ID of a workspace or of a resource in one.
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

// validCollection reports whether a string can name a collection, such as endpoints.
func validCollection(text string) bool {
	for i := range len(text) {
		if !letter(text[i]) {
			return false
		}
	}
	return text != ""
}

// FirstRevision returns the first revision of an incarnation, computed from its uid. It differs
// between incarnations, so that the etag of an earlier one does not match.
func FirstRevision(uid string) uint64 {
	var text [8]byte
	copy(text[3:], uid)
	return binary.BigEndian.Uint64(text[:])
}
