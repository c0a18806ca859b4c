// Package keyfit says what a key has to be for its place in a configuration, and whether what
// is known of a key goes with that.
package keyfit

// A Requirement is what a key has to be. The zero Requirement is anything.
type Requirement struct {
	// Symmetric keys have one of the lengths, if there are any.
	Symmetric bool
	Bytes     []int
	// Pairs are the algorithms of asymmetric keys, RSA without its size.
	Pairs []string
	// PGP says that it is an OpenPGP key.
	PGP bool
}

// AnyRSA is the requirement of RSA keys.
func AnyRSA() Requirement { return Requirement{Pairs: []string{"RSA"}} }

// Sized reports whether the key has one of several lengths.
func (r Requirement) Sized() bool { return r.Symmetric && len(r.Bytes) > 0 && r.Bytes[0] > 0 }
