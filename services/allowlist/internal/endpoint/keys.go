package endpoint

import (
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// The key space of the registry. The same store holds the spaces of the packages audit, changelog,
// keyring, and replay, and of activity, exchange, and witness.
//
//	endpoint/{workspace}/{id}                    → the endpoint             record.go
//	endpoint-by-update/{workspace}/{time}/{id}   → empty                    record.go
//	intent/{operation}                           → a save in progress       intent.go
//	unbind/{operation}                           → bindings to give up      unbind.go
//	bound/{secret}                               → empty                    reconcilebindings.go
//	proof/{workspace}/{id}                       → time of the next check   proof.go
//	proof-due/{time}/{workspace}/{id}            → empty                    proof.go
//	farewell/{uid}                               → uses to delete           forget.go
//	trial/{action}/{subject}                     → a quota of trials        trial.go
//
// Times are nanoseconds since 1970. Values are messages of package stored.

func endpointKey(n Name) kv.Key { return endpointSpace(n.Workspace).Text(n.ID) }

func endpointSpace(workspace string) kv.Key { return allEndpoints().Text(workspace) }

func allEndpoints() kv.Key { return kv.NewKey("endpoint") }

func updateKey(n Name, updated time.Time) kv.Key {
	return updateSpace(n.Workspace).Uint(uint64(updated.UnixNano())).Text(n.ID)
}

func updateSpace(workspace string) kv.Key { return allUpdates().Text(workspace) }

func allUpdates() kv.Key { return kv.NewKey("endpoint-by-update") }

func intentKey(operation string) kv.Key { return intentSpace().Text(operation) }

func intentSpace() kv.Key { return kv.NewKey("intent") }

func unbindKey(operation string) kv.Key { return unbindSpace().Text(operation) }

func unbindSpace() kv.Key { return kv.NewKey("unbind") }

func boundKey(secret string) kv.Key { return boundSpace().Text(secret) }

func boundSpace() kv.Key { return kv.NewKey("bound") }

func cleanupKey(uid string) kv.Key { return cleanupSpace().Text(uid) }

func cleanupSpace() kv.Key { return kv.NewKey("farewell") }

func trialKey(action, subject string) kv.Key { return trialSpace().Text(action).Text(subject) }

func trialSpace() kv.Key { return kv.NewKey("trial") }

func proofKey(n Name) kv.Key { return kv.NewKey("proof").Text(n.Workspace).Text(n.ID) }

func dueKey(n Name, due time.Time) kv.Key {
	return dueSpace().Uint(uint64(due.UnixNano())).Text(n.Workspace).Text(n.ID)
}

// dueUntil returns the end of the keys of proofs that are due at a time.
func dueUntil(now time.Time) kv.Key { return dueSpace().Uint(uint64(now.UnixNano()) + 1) }

func dueSpace() kv.Key { return kv.NewKey("proof-due") }

// dueName parses the name in the key of a due proof.
func dueName(key []byte) (Name, error) {
	_, rest, err := kv.CutUint(key[len(dueSpace()):])
	if err != nil {
		return Name{}, err
	}
	return nameIn(rest)
}

// endpointName parses the name in an endpoint's key.
func endpointName(key []byte) (Name, error) { return nameIn(key[len(allEndpoints()):]) }

// nameIn parses the name in the rest of a key.
func nameIn(rest []byte) (Name, error) {
	workspace, rest, err := kv.CutText(rest)
	if err != nil {
		return Name{}, err
	}
	id, _, err := kv.CutText(rest)
	return Name{Workspace: workspace, ID: id}, err
}

// lastText parses the single string that follows the prefix of a key.
func lastText(prefix, key []byte) (string, error) {
	text, _, err := kv.CutText(key[len(prefix):])
	return text, err
}
