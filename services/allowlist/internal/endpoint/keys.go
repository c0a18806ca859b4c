package endpoint

import (
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// The key space of the registry. Beside it in the same store live the spaces of
// the packages changelog, replay and keyring.
//
//	endpoint/{workspace}/{id}                    → the endpoint            record.go
//	endpoint-by-update/{workspace}/{time}/{id}   → nothing                 record.go
//	intent/{operation}                           → a save under way        save.go
//	unbind/{operation}                           → bindings to give up     unbind.go
//	bound/{secret}                               → nothing                 reconcile.go
//
// Times are nanoseconds since 1970. A value starts with a byte for its format.

func endpointKey(n Name) kv.Key { return endpointSpace(n.Workspace).Text(n.ID) }

func endpointSpace(workspace string) kv.Key { return allEndpoints().Text(workspace) }

func allEndpoints() kv.Key { return kv.NewKey("endpoint") }

func updateKey(n Name, updated time.Time) kv.Key {
	return updateSpace(n.Workspace).Uint(uint64(updated.UnixNano())).Text(n.ID)
}

func updateSpace(workspace string) kv.Key { return kv.NewKey("endpoint-by-update").Text(workspace) }

func intentKey(operation string) kv.Key { return intentSpace().Text(operation) }

func intentSpace() kv.Key { return kv.NewKey("intent") }

func unbindKey(operation string) kv.Key { return unbindSpace().Text(operation) }

func unbindSpace() kv.Key { return kv.NewKey("unbind") }

func boundKey(secret string) kv.Key { return boundSpace().Text(secret) }

func boundSpace() kv.Key { return kv.NewKey("bound") }

// endpointName reads the name back from an endpoint's key.
func endpointName(key []byte) (Name, error) {
	workspace, rest, err := kv.CutText(key[len(allEndpoints()):])
	if err != nil {
		return Name{}, err
	}
	id, _, err := kv.CutText(rest)
	return Name{Workspace: workspace, ID: id}, err
}

// lastText reads the one text behind the prefix of a key.
func lastText(prefix, key []byte) (string, error) {
	text, _, err := kv.CutText(key[len(prefix):])
	return text, err
}
