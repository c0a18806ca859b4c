package boltkv

import (
	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

// The buckets with rows. The growing keys (kv.Growing) have their own, whose pages are filled.
const (
	ofData = iota
	ofLog
	rowBuckets
)

// names are the names of the buckets with rows.
var names = [rowBuckets][]byte{ofData: []byte("data"), ofLog: []byte("log")}

// fill is how full bbolt leaves a page that it splits. Rows with random keys, which split pages
// anywhere, are better off with half, and rows that are always added at the end with all. With the
// rows of a service, 0.7 writes as few pages as 0.5 and makes the file a fifth smaller; 0.9 writes a
// tenth more.
var fill = [rowBuckets]float64{ofData: 0.7, ofLog: 1}

// bucketOf returns the bucket of a key.
func bucketOf(key []byte) int {
	if len(key) > 0 && key[0] == kv.Growing {
		return ofLog
	}
	return ofData
}

// A section is a range of keys in one bucket.
type section struct {
	bucket     int
	start, end []byte
}

// sections are all sections, in the order of the keys.
var sections = [...]section{
	{bucket: ofData, end: []byte{kv.Growing}},
	{bucket: ofLog, start: []byte{kv.Growing}, end: []byte{kv.Growing + 1}},
	{bucket: ofData, start: []byte{kv.Growing + 1}},
}

// sectionOf returns the index of the section of a key.
func sectionOf(key []byte) int {
	switch {
	case len(key) == 0 || key[0] < kv.Growing:
		return 0
	case key[0] == kv.Growing:
		return 1
	default:
		return 2
	}
}

// openBuckets returns the buckets of a transaction, which leave pages as full as fill says. A file of the
// earlier format has one.
func openBuckets(tx *bbolt.Tx) (all [rowBuckets]*bbolt.Bucket) {
	for i, name := range names {
		all[i] = tx.Bucket(name)
	}
	if all[ofLog] == nil {
		all[ofLog] = all[ofData]
	}
	for i, bucket := range all {
		bucket.FillPercent = fill[i]
	}
	return all
}

// cursors are the cursors of one reader, by bucket. A nil one was not needed yet.
type cursors [rowBuckets]*bbolt.Cursor

func (c *cursors) at(s *state, bucket int) *bbolt.Cursor {
	if c[bucket] == nil {
		c[bucket] = s.cursor(bucket)
	}
	return c[bucket]
}

func (c *cursors) end(s *state) {
	for bucket, cursor := range c {
		if cursor != nil {
			s.reuse(bucket, cursor)
		}
	}
}
