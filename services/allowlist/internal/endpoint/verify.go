package endpoint

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/verify"
)

// # Verification of a stopped allowlist
//
// Package audit compares each endpoint with the log. The checks here follow from what the rows say about
// each other. A row that fails its MAC has been reported already, so what it says is not compared.

// otherRows are the spaces of rows that have no name of an endpoint in their key, with what the rows are.
var otherRows = map[string]string{
	"intent": "an unfinished save", "unbind": "a pending removal of bindings", "bound": "the record of a bound secret",
	"farewell": "a pending deletion of usage counts", "trial": "the quota of trial messages", "use": "the usage count of a secret",
	"spent": "the record of a response", "spent-expiry": "the expiry of the record of a response",
	"lost-heads": "the lost heads that the allowlist has not reported yet",
}

// RowOf names the row with a key, for [verify.Service].
func RowOf(key []byte) (verify.Difference, bool) {
	space, rest, err := kv.CutText(key)
	if err != nil {
		return verify.Difference{}, false
	}
	if what, known := otherRows[space]; known {
		return verify.RowOf(space, rest, what), true
	}
	var name Name
	what := ""
	switch space {
	case "endpoint":
		name, err = endpointName(key)
		what = "the endpoint"
	case "endpoint-by-update":
		name, _, err = updateName(key)
		what = "the row by update time"
	case "proof":
		name, err = nameIn(rest)
		what = "the times of the proof"
	case "proof-due":
		name, err = dueName(key)
		what = "the time of the next check of the proof"
	default:
		return verify.Difference{}, false
	}
	return verify.Difference{Name: name.String(), What: what}, err == nil
}

// RefOf says what the row of an endpoint with a ref is, for [verify.Service]. Endpoints have no other rows.
func RefOf(ref string) string { return fmt.Sprintf("row %q", ref) }

// updateName parses the name and the time in a key by update time.
func updateName(key []byte) (n Name, at uint64, err error) {
	workspace, rest, err := kv.CutText(key[len(allUpdates()):])
	if err != nil {
		return Name{}, 0, err
	}
	if at, rest, err = kv.CutUint(rest); err != nil {
		return Name{}, 0, err
	}
	id, _, err := kv.CutText(rest)
	return Name{Workspace: workspace, ID: id}, at, err
}

var errMissing = errors.New("is missing")

// Verify checks the rows of all endpoints, for [verify.Service].
func Verify(store verify.Store) error {
	for pair, err := range kv.Each(store, kv.Prefix(allEndpoints(), 0)) {
		if errors.Is(err, kv.ErrCorrupt) && pair.Key != nil {
			continue
		}
		if err := errors.Join(err, store.Context.Err()); err != nil {
			return err
		}
		name, err := endpointName(pair.Key)
		if err != nil {
			continue // reported as a row of no known kind
		}
		e, err := decodeEndpoint(name, bytes.Clone(pair.Value))
		if err != nil {
			differs(store, name, "the endpoint: "+err.Error())
			continue
		}
		if err := verifyRows(store, e); err != nil {
			return err
		}
	}
	return verifyUpdates(store)
}

func differs(store verify.Store, name Name, what string) {
	store.Report(verify.Difference{Name: name.String(), What: what})
}

// A neededRow is a row that must exist.
type neededRow struct {
	what string
	key  kv.Key
}

// verifyRows checks that the rows exist that follow from an endpoint.
func verifyRows(store verify.Store, e Endpoint) error {
	needed := []neededRow{{"the row by update time", updateKey(e.Name, e.Updated)}}
	for _, reference := range e.References {
		needed = append(needed, neededRow{"the row of bindings to " + reference.Secret, boundKey(reference.Secret)})
	}
	if e.Verification.Proven() {
		p, err := readProof(store, e.Name)
		switch {
		case errors.Is(err, kv.ErrCorrupt):
		case errors.Is(err, kv.ErrNotFound):
			differs(store, e.Name, "the times of the proof: "+errMissing.Error())
		case err != nil:
			return err
		default:
			needed = append(needed, neededRow{"the time of the next check of the proof", dueKey(e.Name, p.Due)})
		}
	}
	for _, row := range needed {
		_, err := store.Get(row.key)
		switch {
		case errors.Is(err, kv.ErrNotFound):
			differs(store, e.Name, row.what+": "+errMissing.Error())
		case err != nil && !errors.Is(err, kv.ErrCorrupt):
			return err
		}
	}
	return nil
}

// verifyUpdates checks that the rows by update time are those of endpoints. A change removes the row of the
// time before.
func verifyUpdates(store verify.Store) error {
	for pair, err := range kv.Each(store, kv.Prefix(allUpdates(), 0)) {
		if errors.Is(err, kv.ErrCorrupt) && pair.Key != nil {
			continue
		}
		if err := errors.Join(err, store.Context.Err()); err != nil {
			return err
		}
		name, at, err := updateName(pair.Key)
		if err != nil {
			continue // reported as a row of no known kind
		}
		value, err := store.Get(endpointKey(name))
		if errors.Is(err, kv.ErrCorrupt) {
			continue
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		e, decoded := decodeEndpoint(name, bytes.Clone(value))
		if err != nil || decoded == nil && uint64(e.Updated.UnixNano()) != at {
			differs(store, name, "the row by update time: is that of an earlier state")
		}
	}
	return nil
}
