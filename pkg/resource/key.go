package resource

import (
	"strings"

	"github.com/keyward/keyward/pkg/kv"
)

// Key returns the key of a resource in a store, from its name: the first letter of the collection,
// the ID of the workspace, and the ID of the resource. The keys of everything else that is stored
// about the resource start with it, so that these rows are in the same place:
//
//	workspaces/acme/secrets/api   s/acme/api
//
// It returns false for names of another form than `workspaces/{workspace}/{collection}/{id}`.
func Key(name string) (kv.Key, bool) {
	rest, ok := strings.CutPrefix(name, workspaces)
	if !ok {
		return nil, false
	}
	workspace, rest, _ := strings.Cut(rest, "/")
	collection, id, _ := strings.Cut(rest, "/")
	if !validCollection(collection) || !ValidID(workspace) || !ValidID(id) {
		return nil, false
	}
	key := make(kv.Key, 0, len(workspace)+len(id)+keyRoom)
	key = append(append(append(key, collection[0], 0), workspace...), 0) // IDs need no escapes
	return append(append(key, id...), 0), true
}

// keyRoom is the number of bytes of a key in addition to the IDs, and of what most rows add to it.
const keyRoom = 4 + 1 + 16 + 8
