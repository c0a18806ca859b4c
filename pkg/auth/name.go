package auth

import (
	"strings"

	"github.com/keyward/keyward/pkg/resource"
)

const (
	maxName = 1024
	// workspaces is the beginning of all names.
	workspaces = "workspaces/"
	// sealing is the only resource of which each workspace has exactly one. Its name has no ID at the
	// end.
	sealing = "sealing"
)

// target is the part of a resource name on which access depends.
type target struct {
	workspace string
	// endpoint is empty if the name is not that of an endpoint or of a resource below one.
	endpoint string
}

// parseTarget parses a resource name: pairs of a collection and an ID, starting with the
// workspace. The ID `-` means any; as a workspace, it is covered only by a grant for all of them.
// The setting `workspaces/{workspace}/sealing` has no ID.
func parseTarget(name string) (target, bool) {
	rest, ok := strings.CutPrefix(name, workspaces)
	if !ok || len(name) > maxName {
		return target{}, false
	}
	var t target
	var more bool
	if t.workspace, rest, more = strings.Cut(rest, "/"); t.workspace != resource.Any && !resource.ValidID(t.workspace) {
		return target{}, false
	}
	if more && rest == sealing {
		return t, true
	}
	for more {
		var collection, id string
		if collection, rest, more = strings.Cut(rest, "/"); !more || !validCollection(collection) {
			return target{}, false
		}
		if id, rest, more = strings.Cut(rest, "/"); id != resource.Any && !resource.ValidID(id) {
			return target{}, false
		}
		if collection == "endpoints" {
			t.endpoint = id
		}
	}
	return t, true
}

// validCollection reports whether s can name a collection below a workspace.
func validCollection(s string) bool {
	if s == "" || len(s) > resource.MaxID || s == "workspaces" {
		return false
	}
	for i := range len(s) {
		if !resource.Alphanumeric(s[i]) {
			return false
		}
	}
	return true
}
