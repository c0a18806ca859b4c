package secret

import (
	"errors"
	"strings"
)

// Wildcard stands for all secrets of a workspace where a history is asked for. No
// secret can have it as its id.
const Wildcard = "-"

const maxID = 128

// What a malformed name is told. The texts are constants: input is never repeated.
var (
	errWorkspace = errors.New("must be workspaces/{workspace}")
	errName      = errors.New("must be workspaces/{workspace}/secrets/{secret}")
	errID        = errors.New("must be 1-128 characters of A-Za-z0-9, -, _ and ., the first and the last alphanumeric")
	errReferrer  = errors.New("must be a resource name in the secret's workspace, such as workspaces/{workspace}/endpoints/{endpoint}")
)

// A Name is the name of a secret. Both parts are well-formed ids.
type Name struct {
	Workspace, ID string
}

// ParseName parses `workspaces/{workspace}/secrets/{secret}`.
func ParseName(text string) (Name, error) {
	n, ok := cutName(text)
	if !ok || !validID(n.ID) {
		return Name{}, errName
	}
	return n, nil
}

// ParseHistoryName parses a name whose secret may be the [Wildcard].
func ParseHistoryName(text string) (Name, error) {
	if n, ok := cutName(text); ok && n.ID == Wildcard {
		return n, nil
	}
	return ParseName(text)
}

// ParseWorkspace parses `workspaces/{workspace}` and returns the workspace's id.
func ParseWorkspace(text string) (string, error) {
	id, ok := strings.CutPrefix(text, "workspaces/")
	if !ok || !validID(id) {
		return "", errWorkspace
	}
	return id, nil
}

// NewName joins a workspace that was parsed and an id that was not yet.
func NewName(workspace, id string) (Name, error) {
	if !validID(id) {
		return Name{}, errID
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// ParseReferrer parses the name of a resource that refers to a secret of the
// workspace: pairs of a collection and an id, the first of which is the workspace.
func ParseReferrer(workspace, text string) (string, error) {
	rest, ok := strings.CutPrefix(text, WorkspaceName(workspace)+"/")
	if !ok {
		return "", errReferrer
	}
	parts := strings.Split(rest, "/")
	if len(parts)%2 != 0 {
		return "", errReferrer
	}
	for i, part := range parts {
		if collection := i%2 == 0; (collection && !validCollection(part)) || !validID(part) {
			return "", errReferrer
		}
	}
	return text, nil
}

// WorkspaceName returns the resource name of a workspace.
func WorkspaceName(workspace string) string { return "workspaces/" + workspace }

// String returns the resource name.
func (n Name) String() string { return WorkspaceName(n.Workspace) + "/secrets/" + n.ID }

// cutName splits a name and checks its workspace.
func cutName(text string) (Name, bool) {
	rest, ok := strings.CutPrefix(text, "workspaces/")
	if !ok {
		return Name{}, false
	}
	workspace, id, ok := strings.Cut(rest, "/secrets/")
	if !ok || !validID(workspace) {
		return Name{}, false
	}
	return Name{Workspace: workspace, ID: id}, true
}

func validID(id string) bool {
	if id == "" || len(id) > maxID || !alphanumeric(id[0]) || !alphanumeric(id[len(id)-1]) {
		return false
	}
	for i := range len(id) {
		if c := id[i]; !alphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// validCollection reports whether text may name a collection, such as endpoints.
func validCollection(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return text != ""
}
