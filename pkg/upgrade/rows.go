package upgrade

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// page is the number of rows that are read at a time.
const page = 256

// keyringSpace is the space of the keyring, whose rows stay as they are.
const keyringSpace = "keyring"

// ErrUnknownSpace means that the store has rows that the upgrade does not know.
var ErrUnknownSpace = errors.New("the store has rows of a kind that this version does not know")

// checkSpaces fails if a store has rows of a space that is not known.
func checkSpaces(r kv.Reader, known map[string]bool) error {
	for within := (kv.Range{Limit: 1}); ; {
		var found []byte
		for pair, err := range r.Scan(within) {
			if err != nil {
				return err
			}
			found = pair.Key
		}
		if found == nil {
			return nil
		}
		space, _, err := kv.CutText(found)
		if err != nil {
			return fmt.Errorf("%w: malformed key", ErrUnknownSpace)
		}
		if !known[space] {
			return fmt.Errorf("%w: %q", ErrUnknownSpace, space)
		}
		if within.Start = kv.After(kv.NewKey(space)); within.Start == nil {
			return nil
		}
	}
}

// each calls fn with the rows of a range.
func each(r kv.Reader, within kv.Range, fn func(kv.Pair) error) error {
	for within.Limit = page; ; {
		read := 0
		for pair, err := range r.Scan(within) {
			if err == nil {
				err = fn(pair)
			}
			if err != nil {
				return err
			}
			within = within.Behind(pair.Key)
			read++
		}
		if read < page {
			return nil
		}
	}
}
