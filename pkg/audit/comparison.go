package audit

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// page is the number of entries or rows that are read at a time.
const page = 100

// A comparison compares the rows of a resource with its entries, in steps. A history can be long, and
// a read transaction should not be. Between two steps, the own row must stay as it is: since each
// change writes it, the entries and the other rows stay as they are, too.
type comparison struct {
	resources Resources
	own       Resource
	// before is the sequence number of the last entry that was read, or nil.
	before *uint64
	// stated has, for each other row, the newest entry that states the row. Rows that were compared
	// are removed.
	stated map[string]changelog.Entry
	// rest are the ranges of the rows to compare. It is nil until all entries have been read.
	rest []kv.Range
	// found, if not nil, receives each difference with the ref of the row, and the comparison continues.
	found func(ref string, err error)
}

func newComparison(resources Resources, own Resource) *comparison {
	return &comparison{resources: resources, own: own, stated: make(map[string]changelog.Entry)}
}

// step reads at most limit entries and rows, or one page more, and reports whether the comparison is
// complete. It receives the value of the own row.
func (c *comparison) step(r kv.Reader, value []byte, limit int) (complete bool, err error) {
	for read, n := 0, 0; read < limit; read += n {
		if c.rest == nil {
			n, err = c.readEntries(r, value)
		} else {
			n, err = c.compareRows(r)
		}
		if err != nil {
			return false, err
		}
		if c.rest != nil && len(c.rest) == 0 {
			return true, c.compareMissing()
		}
	}
	return false, nil
}

// readEntries reads a page of entries, newest first, and returns their number.
func (c *comparison) readEntries(r kv.Reader, value []byte) (int, error) {
	entries, err := changelog.List(r, changelog.Query{Resource: c.own.Name, Before: c.before, Limit: page})
	if err != nil {
		return 0, err
	}
	if c.before == nil {
		newest := changelog.Entry{}
		if len(entries) > 0 {
			newest = entries[0]
		}
		if err := c.differs("", c.own.matches(newest, value)); err != nil {
			return 0, err
		}
	}
	last := len(entries) < page
	for _, e := range entries {
		if last = last || e.UID != c.own.UID; e.UID != c.own.UID {
			break // an earlier incarnation
		}
		for _, ref := range e.Rows() {
			if _, known := c.stated[ref]; !known && ref != "" {
				c.stated[ref] = e
			}
		}
	}
	if !last {
		c.before = &entries[len(entries)-1].Sequence
		return len(entries), nil
	}
	c.rest = []kv.Range{}
	for _, prefix := range c.resources.Prefixes(c.own.Name, c.own.UID) {
		c.rest = append(c.rest, kv.Prefix(prefix, page))
	}
	return len(entries), nil
}

// compareRows compares a page of the rows, and returns their number.
func (c *comparison) compareRows(r kv.Reader) (n int, err error) {
	within := c.rest[0]
	for pair, err := range r.Scan(within) {
		if c.found != nil && errors.Is(err, kv.ErrCorrupt) && pair.Key != nil {
			c.rest[0] = within.Behind(pair.Key)
			return page, c.passOver(pair.Key) // there may be more behind it
		}
		if err != nil {
			return n, fmt.Errorf("read rows: %w", err)
		}
		if err := c.compareRow(pair); err != nil {
			return n, err
		}
		c.rest[0] = within.Behind(pair.Key)
		n++
	}
	if n < page {
		c.rest = c.rest[1:]
	}
	return n, nil
}

func (c *comparison) compareRow(row kv.Pair) error {
	ref, err := c.resources.Ref(c.own.Name, c.own.UID, row.Key)
	if err != nil {
		return err
	}
	e, known := c.stated[ref]
	if !known {
		return c.differs(ref, mismatch("no entry states a row"))
	}
	delete(c.stated, ref)
	if !States(e, c.resources, ref, row.Value) {
		return c.differs(ref, mismatch("a row differs from the newest entry that states it"))
	}
	return nil
}

// passOver skips a row that fails verification.
func (c *comparison) passOver(key []byte) error {
	ref, err := c.resources.Ref(c.own.Name, c.own.UID, key)
	delete(c.stated, ref)
	return err
}

// differs handles the result of a comparison.
func (c *comparison) differs(ref string, err error) error {
	if c.found == nil || err == nil {
		return err
	}
	c.found(ref, err)
	return nil
}

// compareMissing fails if a row is missing: the rows that no scan found must be deleted.
func (c *comparison) compareMissing() error {
	for _, ref := range slices.Sorted(maps.Keys(c.stated)) {
		if c.stated[ref].State(ref, nil) == changelog.Matches {
			continue
		}
		if err := c.differs(ref, mismatch("a row is missing that the newest entry states")); err != nil {
			return err
		}
	}
	return nil
}
