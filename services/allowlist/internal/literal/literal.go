// Package literal finds secrets among the literal strings of a configuration.
//
// Everyone who sees an endpoint sees its literals, so no value may stand there. Two things
// give a value away: what it looks like, and the name it stands under. This package has
// one set of detectors (detect.go, random.go) and one list of names (names.go) for all
// strings of an endpoint.
//
// [Message] walks a message by reflection and looks at every string, map keys included, so
// that a field which a later version adds is covered from the start. The few fields that
// need no look are in a table (walk.go).
//
// # What is found
//
// Private keys, JSON web tokens, and `Bearer` and `Basic` credentials are never public.
// 128 bits or more of hexadecimal or base64 may be: so is a thumbprint. A literal under a
// name that usually carries a secret may be public as well, unless that name says `password`
// or the like. [Kind.Public] tells the two apart; an owner can acknowledge what may be
// public.
//
// # What is not found
//
// The detectors protect people from mistakes. They do not find a passphrase of words under
// an innocent name, a value that was cut into pieces, or a UUID that is used as a key.
//
// No result of this package repeats what it looked at.
package literal

// A Kind is what a literal was taken for. Higher kinds prevail.
type Kind int

// The kinds.
const (
	// None is nothing to object to.
	None Kind = iota
	// Named is a literal under a name that usually carries a secret.
	Named
	// Material is 128 bits or more of hexadecimal or base64.
	Material
	// Password is a literal under a name that is never public.
	Password
	// Credential is a JSON web token, or what follows `Bearer` or `Basic`.
	Credential
	// PrivateKey is a private key.
	PrivateKey
)

// Public reports whether a literal of this kind may be public, so that an owner can
// acknowledge it.
func (k Kind) Public() bool { return k == Named || k == Material }

// Description says what a field must be in which a literal of this kind was found.
func (k Kind) Description() string {
	switch k {
	case Named:
		return "must not be a value: its name usually carries a credential; store it in the vault and refer to it, or acknowledge that it is public"
	case Password:
		return "must not be a value: its name carries a credential; store it in the vault and refer to it"
	case Material:
		return "must not look like key material; store it in the vault and refer to it, or acknowledge that it is public"
	case Credential:
		return "must not hold a credential; store it in the vault and refer to it"
	default:
		return "must not hold a private key; store it in the vault and refer to it"
	}
}

// A Match is a literal that may be a secret, by the path of its field.
type Match struct {
	Field string
	Kind  Kind
}

// worst returns the highest of several kinds.
func worst(kinds ...Kind) Kind {
	worst := None
	for _, kind := range kinds {
		worst = max(worst, kind)
	}
	return worst
}

// Parameter looks at a name with the value that stands under it: a header, a query
// parameter, or a member of JSON. The value may be a template with `${…}`.
func Parameter(name, value string) Kind { return parameterAt(name, value, 0) }

func parameterAt(name, value string, depth int) Kind {
	kind := textAt(value, depth)
	if kind == Material && exempt(name, value) {
		kind = None
	}
	if class := classOf(name); class.holds(value) {
		kind = max(kind, class.kind())
	}
	return max(kind, raw(name))
}
