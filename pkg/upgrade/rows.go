package upgrade

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

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
