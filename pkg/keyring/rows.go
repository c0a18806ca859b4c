package keyring

import "github.com/keyward/keyward/pkg/kv"

// rowGeneration is the generation of the secret for MACs of rows. There is one secret as long as a
// keyring has one root.
const rowGeneration = 1

// An Authenticated store authenticates rows, except those with a prefix.
type Authenticated interface {
	Authenticate(rows *kv.Authenticator, except []byte)
}

// Authenticate lets the service's store authenticate its rows, except those of keyrings. These are
// encrypted under keys outside of the store, and the secret for the other rows derives from them.
func (k *Keyring) Authenticate(store Authenticated) error {
	rows, err := kv.NewAuthenticator(rowGeneration, map[byte][RootSize]byte{rowGeneration: k.Derive("rows")})
	if err != nil {
		return err
	}
	store.Authenticate(rows, kv.NewKey(space))
	return nil
}
