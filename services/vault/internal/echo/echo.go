// Package echo finds a value in the strings that are stored with it.
//
// A value is stored once and never shown, while the ID, description, labels, and reasons of its
// secret are shown and logged. [Find] reports which of these contain the value, or 16 bytes of it,
// as is or in an encoding that the key decoder knows: hexadecimal, base64 and base64url at any
// alignment, `whsec_`, and the body of PEM. The value may be such an encoding itself; then the
// decoded value counts as well.
//
// The comparison ignores case, and white space in strings. Of a value of fewer than 16 bytes, only
// the whole value is searched. Values of fewer than 4 bytes are not searched.
//
// The public part of a private key may appear anywhere, in any of these encodings.
//
// The strings are short and the value may be long. The strings are therefore split into windows,
// and the value is read once, in place. Short strings need no memory of their own, because each
// allocation in the neighborhood of a value must be erased.
package echo

import (
	"bytes"
	"slices"

	"github.com/keyward/keyward/pkg/keyform"
)

const (
	// size is the length of a window.
	size = 16
	// least is the minimum length of a value that is searched, and leastDecoded that of a decoded
	// value: shorter ones occur in many strings by chance.
	least        = 4
	leastDecoded = 8
)

// MaxGroups is the maximum number of groups of strings.
const MaxGroups = 16

// Groups is a set of groups of strings.
type Groups uint16

// Has reports whether the set has a group.
func (g Groups) Has(group int) bool { return g&(1<<group) != 0 }

// Find returns the groups of strings of which one contains the value or a part of it. Public is the
// public part of a value that is a private key, in DER.
func Find(value, public []byte, groups ...[]string) (found Groups) {
	length := lengthOf(groups)
	if len(value) < least || len(groups) > MaxGroups || length < least {
		return 0
	}
	var (
		fewBytes    [512]byte
		fewReadings [32]reading
		fewSlots    [128]slot
	)
	read := readings{buffer: room(fewBytes[:0], maxReadings*length), all: fewReadings[:0]}
	for i, texts := range groups {
		for _, text := range texts {
			if public != nil {
				text = withoutPublic(text, public)
			}
			read = read.add(text, i)
		}
	}
	index := newTable(fewSlots[:], read)
	found = index.mark(withoutText(value, public)) | read.whole(value, least)
	for _, form := range keyform.Readings(value) {
		found |= index.mark(form) | read.whole(form, leastDecoded)
		clear(form)
	}
	return found
}

// lengthOf returns the length of all strings together.
func lengthOf(groups [][]string) (n int) {
	for _, texts := range groups {
		for _, text := range texts {
			n += len(text)
		}
	}
	return n
}

// room returns a slice with a capacity of n, which is few if that suffices.
func room[E any](few []E, n int) []E {
	if n <= cap(few) {
		return few
	}
	return make([]E, 0, n)
}

// withoutText returns the value, except for PEM with a public part: a part of its characters is
// public.
func withoutText(value, public []byte) []byte {
	if public != nil && bytes.Contains(value, []byte("-----BEGIN ")) {
		return nil
	}
	return value
}

// regular reports whether all bytes are the same.
func regular(b []byte) bool { return len(b) > 0 && bytes.Count(b, b[:1]) == len(b) }

// holds reports whether a reading contains a form.
func holds(reading, form []byte) bool {
	for i := range len(reading) - len(form) + 1 {
		if equal(reading[i:i+len(form)], form) {
			return true
		}
	}
	return false
}

// equal reports whether folded bytes and others of the same length are the same letters.
func equal(folded, other []byte) bool {
	return slices.EqualFunc(folded, other, func(a, b byte) bool { return a == fold(b) })
}

func fold(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
