// Package literal finds secrets among the literal strings of a configuration.
//
// Everyone who can read an endpoint sees its literals, so they must not contain secrets. Two
// things reveal a secret: its shape and its name. This package has one set of detectors
// (detect.go, random.go) and one list of names (names.go) for all strings of an endpoint.
//
// [Message] walks a message by reflection and examines every string, including map keys, so that
// fields that later versions add are covered from the start. A table lists the few fields that
// need no examination (walk.go).
//
// # What is found
//
// Private keys, JSON web tokens, and `Bearer` and `Basic` credentials are never public. 128 bits
// or more of hexadecimal or base64 may be public, such as a thumbprint. A literal under a name
// that usually carries a secret may also be public, unless the name is `password` or similar.
// [Kind.Public] distinguishes the two; an owner can acknowledge literals that may be public.
//
// # What is not found
//
// The detectors protect people from mistakes. They do not find a passphrase of words under an
// innocent name, a value that was cut into pieces, or a UUID that is used as a key.
//
// No result of this package repeats its input.
package literal

import "github.com/keyward/keyward/services/allowlist/internal/payload/expression"

// A Kind is the classification of a literal. Higher kinds take precedence.
type Kind int

// The kinds.
const (
	// None is a literal without problems.
	None Kind = iota
	// Named is a literal under a name that usually carries a secret.
	Named
	// Material is 128 bits or more of hexadecimal or base64.
	Material
	// Password is a literal under a name that is never public.
	Password
	// Credential is a JSON web token, or a value that follows `Bearer` or `Basic`.
	Credential
	// PrivateKey is a private key.
	PrivateKey
)

// Public reports whether a literal of this kind may be public, so that an owner can acknowledge
// it.
func (k Kind) Public() bool { return k == Named || k == Material }

// Description returns the requirement that a field with a literal of this kind violates.
func (k Kind) Description() string {
	switch k {
	case Named:
		return "must not be a value: its name usually carries a credential; store it in the vault and refer to it, or acknowledge that it is public"
	case Password:
		return "must not be a value: its name carries a credential; store it in the vault and refer to it"
	case Material:
		return "must not look like key material; store it in the vault and refer to it, or acknowledge that it is public"
	case Credential:
		return "must not contain a credential; store it in the vault and refer to it"
	default:
		return "must not contain a private key; store it in the vault and refer to it"
	}
}

// A Match is a literal that may be a secret, with the path of its field.
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

// Parameter classifies a value by itself and by its name. It is for headers, query parameters, and
// members of JSON. The value may be a template with `${…}`.
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

// Expression classifies the strings and names in an expression of package expression. An expression
// that does not parse is classified as a whole.
func Expression(source string) Kind {
	kind := None
	for _, text := range expression.Literals(source) {
		kind = max(kind, Text(text))
	}
	return kind
}
