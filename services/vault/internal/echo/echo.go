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
// The public part of a private key may appear anywhere.
//
// The strings are short and the value may be long. The strings are therefore split into windows,
// and the value is read once, in place.
package echo

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/keyform"
)

const (
	size = 16
	// least is the minimum length of a value that is searched, and leastDecoded that of a decoded
	// value: shorter ones occur in many strings by chance.
	least        = 4
	leastDecoded = 8
)

// A window is 16 bytes with letters in lower case.
type window [size]byte

// MaxGroups is the maximum number of groups of strings.
const MaxGroups = 16

// Find returns for each group of strings whether one of them contains the value or a part of it.
// Public is the public part of a value that is a private key, in DER.
func Find(value, public []byte, groups ...[]string) []bool {
	held := make([]bool, len(groups))
	if len(value) < least || len(groups) > MaxGroups {
		return held
	}
	forms := formsOf(value, public)
	defer func() {
		for _, form := range forms[1:] { // the first is the value, which the caller owns
			clear(form)
		}
	}()
	readings := make([][][]byte, len(groups))
	index := table{groups: make(map[window]uint16)}
	for i, texts := range groups {
		for _, text := range texts {
			readings[i] = append(readings[i], readingsOf(text)...)
		}
		for _, reading := range readings[i] {
			for w := range windowsOf(reading) {
				index.add(w, i)
			}
		}
	}
	known := make(map[window]bool)
	for w := range windowsOf(public) {
		known[w] = true
	}
	for n, form := range forms {
		if len(form) >= size {
			index.mark(held, form, known)
		} else if len(form) >= leastDecoded || n == 0 && len(form) >= least {
			markWhole(held, form, readings)
		}
	}
	return held
}

// A table maps windows to the groups that contain them.
type table struct {
	groups map[window]uint16
	// begun contains hashes of the beginnings of all windows: most of a long value is skipped after
	// one look at it.
	begun [1 << 16]bool
}

func (t *table) add(w window, group int) {
	t.groups[w] |= 1 << group
	t.begun[beginning(w[:])] = true
}

// beginning returns a hash of the first four bytes.
func beginning(b []byte) uint16 {
	var h uint32
	for _, c := range b[:4] {
		h = h*251 + uint32(fold(c))
	}
	return uint16(h ^ h>>16)
}

// mark marks the groups that contain 16 bytes of a form that are not public.
func (t *table) mark(held []bool, form []byte, public map[window]bool) {
	plain := regular(form)
	for i := range len(form) - size + 1 {
		if !t.begun[beginning(form[i:])] {
			continue
		}
		w := windowAt(form, i)
		groups := t.groups[w]
		// A line of dashes reveals nothing, unless it is the value.
		if groups == 0 || public[w] || regular(w[:]) && !plain {
			continue
		}
		for i := range held {
			held[i] = held[i] || groups&(1<<i) != 0
		}
	}
}

// markWhole marks the groups that contain all of a short form.
func markWhole(held []bool, form []byte, readings [][][]byte) {
	for i := range held {
		held[i] = held[i] || slices.ContainsFunc(readings[i], func(reading []byte) bool { return holds(reading, form) })
	}
}

func holds(reading, form []byte) bool {
	for i := range len(reading) - len(form) + 1 {
		if slices.EqualFunc(reading[i:i+len(form)], form, func(a, b byte) bool { return fold(a) == fold(b) }) {
			return true
		}
	}
	return false
}

// windowsOf iterates over all windows of bytes.
func windowsOf(b []byte) func(func(window) bool) {
	return func(yield func(window) bool) {
		for i := range len(b) - size + 1 {
			if !yield(windowAt(b, i)) {
				return
			}
		}
	}
}

func windowAt(b []byte, i int) window {
	var w window
	for j := range w {
		w[j] = fold(b[i+j])
	}
	return w
}

// regular reports whether all bytes are the same.
func regular(b []byte) bool { return len(b) > 0 && bytes.Count(b, b[:1]) == len(b) }

func fold(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// formsOf returns the value, and the decoded value if it is an encoding. For PEM with a public
// part it omits the characters, because a part of them is public.
func formsOf(value, public []byte) [][]byte {
	forms := append([][]byte{value}, keyform.Readings(value)...)
	if public != nil && bytes.Contains(value, []byte("-----BEGIN ")) {
		forms[0] = nil
	}
	return forms
}

// readingsOf returns a string as is, and decoded in each possible way.
func readingsOf(text string) [][]byte {
	readings := [][]byte{[]byte(text)}
	for _, run := range runsOf(without(text, " \t\r\n:-,"), isHex) {
		for start := range 2 {
			whole := run[min(start, len(run)):]
			whole = whole[:len(whole)/2*2]
			if decoded, err := hex.DecodeString(whole); err == nil && len(decoded) > 0 {
				readings = append(readings, decoded)
			}
		}
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(without(text, " \t\r\n"))
	for _, run := range runsOf(standard, isBase64) {
		for start := range 4 {
			whole := run[min(start, len(run)):]
			if len(whole)%4 == 1 {
				whole = whole[:len(whole)-1]
			}
			if decoded, err := base64.RawStdEncoding.DecodeString(whole); err == nil && len(decoded) > 0 {
				readings = append(readings, decoded)
			}
		}
	}
	return readings
}

// without returns text without the given characters.
func without(text, characters string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(characters, r) {
			return -1
		}
		return r
	}, text)
}

// runsOf returns the longest runs of characters of a kind.
func runsOf(text string, of func(rune) bool) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !of(r) })
}

func isHex(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F'
}

func isBase64(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '+' || r == '/'
}
