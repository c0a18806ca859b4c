// Package rows learns which rows a store writes for a change, so that a floor can write the same
// keys and as many bytes without the code that computes them.
//
// It compares the content of a store before and after a known number of changes, and needs no
// knowledge of the layout: it recognizes the ID and the uid of a secret in a key, and takes other
// bytes that differ between changes for a counter or for random bytes.
package rows

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// A Kind is the kind of a part of a key.
type Kind string

// The kinds of parts.
const (
	Literal Kind = "literal" // the same in all changes
	ID      Kind = "id"      // the ID of the secret
	UID     Kind = "uid"     // its uid as text
	RawUID  Kind = "raw uid" // its uid as bytes
	Counter Kind = "counter" // a number that grows with each change
	Random  Kind = "random"
)

// A Part is a part of a key.
type Part struct {
	Kind Kind
	// Bytes are the bytes of a literal, or those of one of the changes.
	Bytes []byte
}

// A Row is a row that each change, or each commit, writes or deletes.
type Row struct {
	// Shape is the same for a row that is deleted and the row that was written.
	Shape string
	Key   []Part
	// Bytes is the mean size of the value.
	Bytes int
	// Each is the number of such rows in each change. If it is 0, each commit writes one.
	Each int
}

// A Change is what a change writes and deletes.
type Change struct {
	Put, Delete []Row
}

// Writes are the changes that the floor makes.
type Writes struct {
	Create, Update Change
}

// Bytes returns the number of bytes of keys and values that a change puts, without the rows of the
// commit.
func (c Change) Bytes() (sum int) {
	for _, r := range c.Put {
		size := r.Bytes
		for _, p := range r.Key {
			size += len(p.Bytes)
		}
		sum += size * r.Each
	}
	return sum
}

// A value is what a Snapshot remembers of a value.
type value struct {
	size int
	hash uint64
}

// A Snapshot is the content of a store: the keys, and what identifies the values.
type Snapshot map[string]value

var seed = maphash.MakeSeed()

// buckets are those with rows of package boltkv.
var buckets = [][]byte{[]byte("data"), []byte("log")}

// Read returns the content of the store of a stopped program.
func Read(path string) (Snapshot, error) {
	all := make(Snapshot)
	err := view(path, func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			b := tx.Bucket(name)
			if b == nil {
				return fmt.Errorf("%s is not a store: %w", path, os.ErrInvalid)
			}
			err := b.ForEach(func(k, v []byte) error {
				all[string(k)] = value{size: len(v), hash: maphash.Bytes(seed, v)}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// A Secret is a secret that was changed.
type Secret struct{ ID, UID string }

// Learn returns the rows of a change. The snapshots are those before and after n changes, which
// changed the secrets, at least some of them at the same time.
func Learn(before, after Snapshot, secrets []Secret, n int) Change {
	put, deleted := make(map[string]value), make(map[string]value)
	for key, v := range after {
		if old, ok := before[key]; !ok || old != v {
			put[key] = v
		}
	}
	for key, v := range before {
		if _, ok := after[key]; !ok {
			deleted[key] = v
		}
	}
	return Change{Put: group(put, secrets, n), Delete: group(deleted, secrets, n)}
}

// group returns a row for each set of keys that differ only in what belongs to a change.
func group(keys map[string]value, secrets []Secret, n int) []Row {
	shapes := make(map[string][]keyed)
	for key, v := range keys {
		k := keyed{parts: split([]byte(key), secrets), size: v.size}
		shapes[k.shape()] = append(shapes[k.shape()], k)
	}
	var all []Row
	for shape, members := range shapes {
		all = append(all, rowOf(shape, members, n))
	}
	slices.SortFunc(all, func(a, b Row) int { return strings.Compare(a.Shape, b.Shape) })
	return all
}

// keyed is a key in parts, of which the literals may differ from those of other keys.
type keyed struct {
	parts []Part
	size  int
}

// split finds the secret of a key and splits the key there.
func split(key []byte, secrets []Secret) []Part {
	parts := []Part{{Literal, key}}
	for _, s := range secrets {
		parts = cut(parts, ID, []byte(s.ID))
		parts = cut(parts, UID, []byte(s.UID))
		if raw := RawOf(s.UID); raw != nil {
			parts = cut(parts, RawUID, raw)
		}
		if len(parts) > 1 || parts[0].Kind != Literal {
			break
		}
	}
	return parts
}

// minUID is the minimum size of a uid in bytes.
const minUID = 8

// UIDSize returns the number of characters of a uid that encodes some bytes.
func UIDSize(bytes int) int { return encoding.EncodedLen(bytes) }

// encoding is that of uids, in lower case.
var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// RawOf returns the bytes of a uid, or nil if it does not encode enough of them.
func RawOf(uid string) []byte {
	raw, err := encoding.DecodeString(strings.ToUpper(uid))
	if err != nil || len(raw) < minUID {
		return nil
	}
	return raw
}

// cut splits the literals where they contain text.
func cut(parts []Part, kind Kind, text []byte) []Part {
	var all []Part
	for _, p := range parts {
		before, rest, found := bytes.Cut(p.Bytes, text)
		if p.Kind != Literal || !found {
			all = append(all, p)
			continue
		}
		if len(before) > 0 {
			all = append(all, Part{Literal, before})
		}
		all = append(all, Part{kind, text})
		if len(rest) > 0 {
			all = append(all, Part{Literal, rest})
		}
	}
	return all
}

// prefixSize is the number of bytes at the start of a key that tell rows of different kinds apart.
const prefixSize = 12

// kindSize is the number of bytes after an ID that tell the rows of a secret apart.
const kindSize = 2

// shape returns what keys of one kind have in common: their parts and sizes, their first bytes, and
// those after an ID.
func (k keyed) shape() string {
	var b strings.Builder
	for i, p := range k.parts {
		if i == 0 && p.Kind == Literal {
			fmt.Fprintf(&b, "%q ", space(p.Bytes))
		}
		if i > 0 && p.Kind == Literal && k.parts[i-1].Kind == ID {
			fmt.Fprintf(&b, "%q ", p.Bytes[:min(len(p.Bytes), kindSize)])
		}
		fmt.Fprintf(&b, "%s:%d ", p.Kind, len(p.Bytes))
	}
	return b.String()
}

// space returns the start of a key up to the end of its first string, at most some bytes.
func space(key []byte) []byte {
	head := key[:min(len(key), prefixSize)]
	if end := bytes.IndexByte(head, 0); end >= 0 {
		return head[:end]
	}
	return head
}

// rowOf merges keys of one shape.
func rowOf(shape string, members []keyed, n int) Row {
	row := Row{Shape: shape}
	ofSecret := false
	for i, p := range members[0].parts {
		if p.Kind != Literal {
			row.Key = append(row.Key, p)
			ofSecret = true
			continue
		}
		row.Key = append(row.Key, vary(members, i)...)
	}
	for _, m := range members {
		row.Bytes += m.size
	}
	row.Bytes /= len(members)
	each := (len(members) + n/2) / n
	switch {
	case ofSecret:
		row.Each = max(each, 1) // changes of one secret may have written the same row
	case len(members)*10 >= n*9:
		row.Each = max(each, 1)
	}
	return row
}

// counterSize is the size of a number in a key.
const counterSize = 8

// vary splits a literal into what is the same in all keys and what is not.
func vary(members []keyed, part int) []Part {
	text := members[0].parts[part].Bytes
	first, last := len(text), -1
	for _, m := range members[1:] {
		for i, c := range m.parts[part].Bytes {
			if c != text[i] {
				first, last = min(first, i), max(last, i)
			}
		}
	}
	if last < 0 {
		return []Part{{Literal, text}}
	}
	kind := Random
	if last-first < counterSize {
		kind, first = Counter, max(0, last-counterSize+1)
	}
	var parts []Part
	for _, p := range []Part{{Literal, text[:first]}, {kind, text[first : last+1]}, {Literal, text[last+1:]}} {
		if len(p.Bytes) > 0 {
			parts = append(parts, p)
		}
	}
	return parts
}
