package keyring

import "github.com/keyward/keyward/pkg/kv"

// Space is the prefix of the rows of all keyrings. They are encrypted under keys outside of the
// store, and the secret of the authenticator of the other rows derives from them.
func Space() kv.Key { return kv.NewKey(space) }

// rowGeneration is the generation of the secret for MACs of rows. There is one secret as long as a
// keyring has one root.
const rowGeneration = 1

// Authenticator returns the authenticator of the rows of the service's store.
func (k *Keyring) Authenticator() (*kv.Authenticator, error) {
	return kv.NewAuthenticator(rowGeneration, map[byte][RootSize]byte{rowGeneration: k.Derive("rows")})
}
