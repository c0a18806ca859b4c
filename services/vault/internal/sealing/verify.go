package sealing

import (
	"errors"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/verify"
)

// Verify checks that all pairs open, for [verify.Service].
func Verify(store verify.Store) error {
	_, err := load(store, store.Keys)
	if err == nil || errors.Is(err, kv.ErrCorrupt) || errors.Is(err, keyring.ErrKeyDisabled) {
		return store.Context.Err()
	}
	store.Report(verify.Difference{Name: "keys for sealed values", What: verify.Describe(err)})
	return nil
}
