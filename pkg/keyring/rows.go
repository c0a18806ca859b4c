package keyring

import (
	"slices"

	"github.com/keyward/keyward/pkg/keyring/internal/stored"
	"github.com/keyward/keyward/pkg/kv"
)

// An Authenticated store authenticates rows, except those with a prefix.
type Authenticated interface {
	Authenticate(rows *kv.Authenticator, except []byte)
}

// Authenticate lets the service's store authenticate its rows, except those of keyrings. These are
// encrypted under keys outside of the store, and the secrets for the other rows derive from them. New
// rows depend on the newest root; rows that depend on another one are read. Call it at the start, and
// again after Rotate and Retire.
func (k *Keyring) Authenticate(store Authenticated) error {
	roots := k.opened.Load().roots
	secrets := make(map[byte][RootSize]byte, len(roots))
	for _, root := range roots {
		secrets[byte(root.GetGeneration())] = k.derive(root.GetSecret(), "rows")
	}
	rows, err := kv.NewAuthenticator(byte(roots[len(roots)-1].GetGeneration()), secrets)
	if err != nil {
		return err
	}
	store.Authenticate(rows, kv.NewKey(space))
	return nil
}

// LogSeeds returns the seeds of the keys of the change log, newest first: one for each root.
func (k *Keyring) LogSeeds() [][RootSize]byte {
	var seeds [][RootSize]byte
	for _, root := range slices.Backward(k.opened.Load().roots) {
		seeds = append(seeds, k.logSeed(root))
	}
	return seeds
}

func (k *Keyring) logSeed(root *stored.Root) [RootSize]byte {
	return k.derive(root.GetSecret(), "change log")
}
