// Package jsonbytes edits JSON text (RFC 8259) as bytes. It checks the text, finds the values
// that paths select, and replaces them. Everything else keeps its exact bytes: the layout, the
// order of members, and the spelling of numbers.
//
// The package builds no tree of a document. It reads the text once, from front to back, without
// copying. A document may nest [MaxDepth] levels deep, and callers that locate values set the
// maximum number of values.
//
// A document that readers could interpret differently is refused: a duplicate name in an object
// that a path goes through, half of a surrogate pair in an extracted string, or text that is not
// UTF-8.
package jsonbytes

import "errors"

// The errors of documents.
var (
	// ErrNotJSON means that the text is not JSON in UTF-8, or nests too deep.
	ErrNotJSON = errors.New("jsonbytes: the text is not JSON, or nests deeper than 128 levels")
	// ErrDuplicate means that a name occurs twice in an object that a path goes through.
	ErrDuplicate = errors.New("jsonbytes: duplicate member on the way of a path")
	// ErrTooMany means that the paths select more values than the limit.
	ErrTooMany = errors.New("jsonbytes: the paths select too many values")
	// ErrNoPlace means that the object that would hold the value of a path is missing.
	ErrNoPlace = errors.New("jsonbytes: the object that would hold a value is missing")
)
