// Package keyfit defines the requirements that a key must meet for its place in a configuration,
// and checks the facts of a key against them.
package keyfit

// A Requirement describes an acceptable key. The zero Requirement accepts any key.
type Requirement struct {
	// A symmetric key must have one of the lengths in Bytes, if any are given.
	Symmetric bool
	Bytes     []int
	// Pairs contains the accepted algorithms of asymmetric keys, RSA without its size.
	Pairs []string
	// Certificate says that a public key must be in a certificate.
	Certificate bool
	// PGP says that the key must be an OpenPGP key.
	PGP bool
}

// AnyRSA is the requirement of RSA keys.
func AnyRSA() Requirement { return Requirement{Pairs: []string{"RSA"}} }

// Sized reports whether the key has one of several lengths.
func (r Requirement) Sized() bool { return r.Symmetric && len(r.Bytes) > 0 && r.Bytes[0] > 0 }
