// Package audit compares a store with its change log.
//
// A row that an attacker writes fails its MAC. A row that was valid once does not, so that the MAC
// alone does not notice an old row that was put back, or a row that is missing. The change log
// does: each entry states the new values of the rows that the change wrote, the entries are the
// leaves of a tree, and the head of the tree is signed.
//
// # What a service promises
//
//   - A resource has a row of its own. Each logged change of the resource writes or deletes it.
//   - The own row names the newest entry of its resource.
//   - The entry of a change states all rows of the resource that the change wrote or deleted,
//     except rows that are not logged, such as counters.
//
// # What is compared
//
//   - [Current] compares the own row of a resource with the newest entry. It costs two reads, so
//     that a service can afford it before an important change.
//   - An [Auditor] compares all rows of all resources with the newest entries that state them, and
//     checks the log itself, in the background.
//
// A store that was replaced as a whole by an older one passes all of this. Another service that
// witnessed the head notices it.
package audit

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// ErrMismatch reports a store that differs from its change log.
var ErrMismatch = errors.New("the store differs from its change log")

// Resources is how a service stores its resources.
type Resources interface {
	// Spaces returns the ranges of all own rows, without limits. A scan may yield keys without a
	// value in addition (see [kv.Range.Group]).
	Spaces() []kv.Range
	// Own returns the key of the own row of a resource, or nil for entries that are not about a
	// resource of the service.
	Own(resource string) (kv.Key, error)
	// Resource returns the resource of an own row.
	Resource(own kv.Pair) (Resource, error)
	// Row returns the key of another row of an incarnation of a resource.
	Row(resource, uid, ref string) (kv.Key, error)
	// Prefixes returns the prefixes of the logged rows of an incarnation, except the own row.
	Prefixes(resource, uid string) []kv.Key
	// Ref returns the ref of a row with one of these prefixes.
	Ref(resource, uid string, key []byte) (string, error)
}

// A Resource is what an own row states about its resource.
type Resource struct {
	Name string
	UID  string
	// Change is the sequence number of the entry that the row names.
	Change uint64
}

// A mismatch describes a difference without names, because a log line repeats it.
func mismatch(what string) error { return fmt.Errorf("%w: %s", ErrMismatch, what) }

// Current compares the own row of a resource, or its absence if value is nil, with the newest
// entry of the resource. It fails with [ErrMismatch]. Entries of the commit to which a transaction
// belongs are not listed yet, so a row that names one of them is not compared.
func Current(r kv.Reader, resources Resources, resource string, value []byte) error {
	newest, err := changelog.List(r, changelog.Query{Resource: resource, Limit: 1})
	if err != nil {
		return err
	}
	err = current(resources, resource, value, newest)
	tx, writes := r.(kv.Tx)
	if err == nil || !writes || tx.Appended(changelog.Name) == 0 {
		return err
	}
	if part, sizeErr := unlisted(tx, resources, resource, value); sizeErr != nil || part {
		return sizeErr
	}
	return err
}

// unlisted reports whether a row may have been written by the commit of a transaction.
func unlisted(tx kv.Tx, resources Resources, resource string, value []byte) (bool, error) {
	if value == nil {
		return true, nil
	}
	stated, err := statedBy(resources, resource, value)
	if err != nil {
		return false, err
	}
	return changelog.Pending(tx, stated.Change)
}

// statedBy returns what an own row states.
func statedBy(resources Resources, resource string, value []byte) (Resource, error) {
	key, err := resources.Own(resource)
	if err != nil {
		return Resource{}, err
	}
	return resources.Resource(kv.Pair{Key: key, Value: value})
}

func current(resources Resources, resource string, value []byte, newest []changelog.Entry) error {
	if len(newest) == 0 {
		if value == nil {
			return nil
		}
		return mismatch("no entry states a resource")
	}
	switch newest[0].State("", value) {
	case changelog.Matches:
	case changelog.Unchanged:
		return mismatch("the newest entry of a resource does not state its row")
	case changelog.Differs:
		return mismatch("a resource differs from its newest entry")
	}
	if value == nil {
		return nil
	}
	stated, err := statedBy(resources, resource, value)
	if err != nil {
		return err
	}
	if stated.UID != newest[0].UID || stated.Change != newest[0].Sequence {
		return mismatch("a resource names another entry than its newest one")
	}
	return nil
}

// Check compares all logged rows of a resource with the newest entries that state them. The own
// row, or nil, was read. It fails with [ErrMismatch].
func Check(r kv.Reader, resources Resources, resource string, own []byte) error {
	stated, newest, err := readStated(r, resource)
	if err != nil {
		return err
	}
	if err := current(resources, resource, own, newest); err != nil || own == nil {
		return err
	}
	uid := newest[0].UID
	for ref, e := range stated {
		key, err := resources.Row(resource, uid, ref)
		if err != nil {
			return err
		}
		value, err := get(r, key)
		if err != nil {
			return err
		}
		if e.State(ref, value) != changelog.Matches {
			return mismatch("a row differs from the newest entry that states it")
		}
	}
	return checkUnstated(r, resources, resource, uid, stated)
}

// page is the number of entries or rows that are read at a time.
const page = 100

// readStated returns the newest entry of a resource, if any, and, for each other row of its
// incarnation, the newest entry that states the row.
func readStated(r kv.Reader, resource string) (stated map[string]changelog.Entry, newest []changelog.Entry, err error) {
	stated = make(map[string]changelog.Entry)
	query := changelog.Query{Resource: resource, Limit: page}
	for {
		entries, err := changelog.List(r, query)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range entries {
			if newest == nil {
				newest = []changelog.Entry{e}
			}
			if e.UID != newest[0].UID {
				return stated, newest, nil
			}
			for _, ref := range e.Rows() {
				if _, known := stated[ref]; !known && ref != "" {
					stated[ref] = e
				}
			}
		}
		if len(entries) < page {
			return stated, newest, nil
		}
		query.Before = &entries[len(entries)-1].Sequence
	}
}

// checkUnstated fails if an incarnation has a row that no entry states.
func checkUnstated(r kv.Reader, resources Resources, resource, uid string, stated map[string]changelog.Entry) error {
	for _, prefix := range resources.Prefixes(resource, uid) {
		for pair, err := range kv.All(r, kv.Prefix(prefix, 0)) {
			if err != nil {
				return fmt.Errorf("read rows: %w", err)
			}
			ref, err := resources.Ref(resource, uid, pair.Key)
			if err != nil {
				return err
			}
			if _, known := stated[ref]; !known {
				return mismatch("no entry states a row")
			}
		}
	}
	return nil
}

// get returns the value of a key, which is nil if there is no such row, and not nil otherwise.
func get(r kv.Reader, key kv.Key) ([]byte, error) {
	value, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read row: %w", err)
	}
	if value == nil {
		value = []byte{}
	}
	return value, nil
}
