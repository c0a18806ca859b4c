// Package jsonbytes works on JSON text (RFC 8259) as bytes: it checks a text, finds
// the values that paths select, and puts others in their places, so that all else
// keeps its exact bytes: the layout, the order of members, the spelling of numbers.
//
// Nothing is built of a document. A text is read once, from front to back, without
// copying; a document nests at most [MaxDepth] levels deep, and whoever looks for
// values says how many they may be.
//
// Where several readers of a document could disagree, the document is refused: a name
// that stands twice in an object through which a path leads, half of a surrogate pair
// in a text that is taken out, a text that is not UTF-8.
package jsonbytes

import "errors"

// What may be wrong with a document.
var (
	// ErrNotJSON means that the text is not JSON in UTF-8, or nests too deep.
	ErrNotJSON = errors.New("jsonbytes: the text is not JSON, or nests deeper than 128 levels")
	// ErrDuplicate means that a name stands twice in an object that a path goes through.
	ErrDuplicate = errors.New("jsonbytes: a member is named twice on the way of a path")
	// ErrTooMany means that the paths select more values than asked for.
	ErrTooMany = errors.New("jsonbytes: the paths select too many values")
	// ErrNoPlace means that a path has no object that could hold its value.
	ErrNoPlace = errors.New("jsonbytes: the object that is to hold a value is missing")
)
