package kv

import (
	"errors"
	"iter"
)

// allPage is the number of pairs that All reads at a time.
const allPage = 256

// All yields all pairs of a range, whatever its Limit is, with scans of a limited size. It ends after
// the first error.
func All(r Reader, within Range) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		rest := within
		rest.Limit = allPage
		for more := true; more; {
			read := 0
			for pair, err := range r.Scan(rest) {
				if !yield(pair, err) || err != nil {
					return
				}
				rest = rest.Behind(pair.Key)
				read++
			}
			more = read == allPage
		}
	}
}

// Each yields all pairs of a range like [All], and continues behind a value that is corrupt, which it
// yields with its key and an error that wraps [ErrCorrupt]. It ends after any other error.
func Each(r Reader, within Range) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		for more := true; more; {
			more = false
			for pair, err := range All(r, within) {
				if !yield(pair, err) {
					return
				}
				if err != nil {
					more = errors.Is(err, ErrCorrupt) && pair.Key != nil
					within = within.Behind(pair.Key)
				}
			}
		}
	}
}
