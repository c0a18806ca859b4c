// Package snippet writes programs that open a message: what a partner's engineer runs,
// reads and takes pieces from, to find out whether both sides mean the same.
//
// A program holds the message and the throw-away keys that it was made with, opens it
// step by step as the configuration says, checks its signature if it has one, and prints
// the plaintext. In Node.js and Java it needs nothing but the language's own library, and in
// Python the package cryptography. It shows one way through the configuration: it takes the
// first key of each list and looks at no dates.
//
// # How a program comes about
//
// The steps are written once for all languages, in Go: program.go puts them in order, and
// cipher.go, jose.go, signature.go and the files beside them write the steps of a scheme. A
// step calls functions such as gcm and pick, and is written with phrases such as "slice".
//
// A language is a folder: templates for the phrases, and a library with the functions, in one
// file for each scheme. A program gets the functions that it calls. A new language needs a
// folder and its name in languages. If a library lacks a function, such as scrypt in Java,
// there is no program for what would call it. OpenPGP has none in any language.
package snippet

import (
	"errors"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// A Program is the source of a program.
type Program struct {
	// Language is `node`, `java` or `python`.
	Language string
	Code     string
}

// A Message is what a program opens.
type Message struct {
	Profile *describe.Profile
	// Keys are those of the profile. The key and the IV of an exchange stand at
	// `cipher.exchange_key` and `cipher.iv`.
	Keys        []Key
	Body        []byte
	Headers     []payload.Header
	ContentType string
	// Context is what was signed besides. The time is always there.
	Context payload.Context
}

// errBeyond means that a language has no program for a message.
var errBeyond = errors.New("the library of the language cannot open the message")

// Programs returns the programs that open a message, in the languages that can.
func Programs(m Message) []Program {
	var programs []Program
	for _, name := range languages() {
		if code, err := write(name, m); err == nil {
			programs = append(programs, Program{Language: name, Code: code})
		}
	}
	return programs
}

// write returns the program in a language. It fails with [errBeyond] if there is none.
func write(language string, m Message) (string, error) {
	l, err := newLanguage(language)
	if err != nil {
		return "", err
	}
	return newProgram(l, m).source()
}

// key returns the throw-away key at a field.
func (m Message) key(field string) (Key, error) {
	for _, key := range m.Keys {
		if key.Field == field {
			return key, nil
		}
	}
	return Key{}, errors.New("there is no key at " + field)
}

// at returns the field of a place in the profile.
func (m Message) at(place string) string { return m.Profile.Path + "." + place }
