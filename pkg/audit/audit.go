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
//   - [Inspect] compares as much as an Auditor, of a stopped service, and names each difference.
//
// A store that was replaced as a whole by an older one passes all of this. Another service that
// witnessed the head notices it.
package audit

import (
	"errors"
	"fmt"
	"math"
	"slices"

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
	// Resource returns the resource of an own row. The result does not share memory with the row.
	Resource(own kv.Pair) (Resource, error)
	// Prefixes returns the prefixes of the logged rows of an incarnation, except the own row.
	Prefixes(resource, uid string) []kv.Key
	// Ref returns the ref of a row with one of these prefixes.
	Ref(resource, uid string, key []byte) (string, error)
	// Stated returns the forms of such a row that an entry may state, which are alternatives. A
	// service omits what changes without an entry, or returns only the value of the row.
	Stated(ref string, value []byte) [][]byte
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

// Current compares the own row of a resource with the newest entry of the resource. The caller
// decoded the row, which states what stated says. It fails with [ErrMismatch]. Entries of the commit
// to which a transaction belongs are not listed yet, so a row that names one of them is not compared.
func Current(r kv.Reader, stated Resource, value []byte) error {
	if tx, writes := r.(kv.Tx); writes {
		if pending, err := changelog.Pending(tx, stated.Change); err != nil || pending {
			return err
		}
	}
	newest, err := newestEntry(r, stated.Name)
	if err != nil {
		return err
	}
	return stated.matches(newest, value)
}

// Absent fails with [ErrMismatch] unless the newest entry of a resource without an own row, if there
// is an entry, is about its deletion. A deletion in the commit to which a transaction belongs is not
// listed yet, so nothing is compared if the commit has entries.
func Absent(r kv.Reader, resource string) error {
	if tx, writes := r.(kv.Tx); writes && tx.Appended(changelog.Name) > 0 {
		return nil
	}
	newest, err := newestEntry(r, resource)
	if err == nil && newest.Resource != "" && newest.State("", nil) != changelog.Matches {
		err = mismatch("a resource is missing that its newest entry states")
	}
	return err
}

// newestEntry returns the newest entry of a resource, which is zero if there is no entry.
func newestEntry(r kv.Reader, resource string) (changelog.Entry, error) {
	newest, err := changelog.List(r, changelog.Query{Resource: resource, Limit: 1})
	if err != nil || len(newest) == 0 {
		return changelog.Entry{}, err
	}
	return newest[0], nil
}

// matches compares the own row of a resource with its newest entry.
func (r Resource) matches(newest changelog.Entry, value []byte) error {
	switch state := newest.State("", value); {
	case newest.Resource == "":
		return mismatch("no entry states a resource")
	case newest.UID != r.UID || newest.Sequence != r.Change:
		return mismatch("a resource names another entry than its newest one")
	case state == changelog.Unchanged:
		return mismatch("the newest entry of a resource does not state its row")
	case state != changelog.Matches:
		return mismatch("a resource differs from its newest entry")
	}
	return nil
}

// Check compares all logged rows of a resource with the newest entries that state them. The own row
// was read and decoded. It fails with [ErrMismatch].
func Check(r kv.Reader, resources Resources, own Resource, value []byte) error {
	_, err := newComparison(resources, own).step(r, value, math.MaxInt)
	return err
}

// States reports whether an entry states a row that is not an own row.
func States(e changelog.Entry, resources Resources, ref string, value []byte) bool {
	return slices.ContainsFunc(resources.Stated(ref, present(value)), func(form []byte) bool {
		return e.State(ref, present(form)) == changelog.Matches
	})
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
	return present(value), nil
}

// present returns the value of a row that exists, which is not nil.
func present(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}
