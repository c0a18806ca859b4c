// Package snippet writes programs that decrypt a message. A partner's engineer runs them, reads
// them, and copies parts of them, to check that both sides use the same configuration.
//
// A program contains the message and the throwaway keys that were used to create it. It decrypts
// the message step by step as the configuration says, verifies its signature if there is one,
// and prints the plaintext. In Node.js and Java it needs only the language's standard library,
// and in Python the package cryptography. It shows one way through the configuration: it takes
// the first key of each list and ignores dates.
//
// # How a program is written
//
// The steps are written once for all languages, in Go: program.go orders them, and cipher.go,
// jose.go, signature.go, and the related files write the steps of a scheme. A step calls
// functions such as gcm and pick, and is written with phrases such as "slice".
//
// A language is a folder: templates for the phrases, and a library with the functions, in one
// file for each scheme. A program gets the functions that it calls. A new language needs a
// folder and its name in languages. If a library lacks a function, such as scrypt in Java, there
// is no program that would call it. No language supports OpenPGP or CMS. For these, shell.go writes
// commands of GnuPG, OpenSSL, and jq.
package snippet

import (
	"errors"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// A Program is the source code of a program.
type Program struct {
	// Language is `node`, `java`, `python`, or `shell`.
	Language string
	Code     string
}

// A Message is the message that a program decrypts.
type Message struct {
	Profile *describe.Profile
	// Keys are the keys of the profile. The key and the IV of an exchange have the fields
	// `cipher.exchange_key` and `cipher.iv`.
	Keys    []Key
	Body    []byte
	Headers []payload.Header
	// Query are the query parameters that the signature added. The query of the context lacks them.
	Query       []payload.Header
	ContentType string
	// Context is the other signed data. The time is always set.
	Context payload.Context
}

// errBeyond means that a language does not support a message.
var errBeyond = errors.New("the library of the language does not support the message")

// Programs returns programs that decrypt the message, in all languages that support it.
func Programs(m Message) []Program {
	var programs []Program
	for _, name := range languages() {
		if code, err := write(name, m); err == nil {
			programs = append(programs, Program{Language: name, Code: code})
		}
	}
	if commands, err := shell(m); err == nil {
		programs = append(programs, commands)
	}
	return programs
}

// write returns the program in a language. It fails with [errBeyond] if the language does not
// support the message.
func write(language string, m Message) (string, error) {
	l, err := newLanguage(language)
	if err != nil {
		return "", err
	}
	return newProgram(l, m).source()
}

// key returns the throwaway key at a field.
func (m Message) key(field string) (Key, error) {
	for _, key := range m.Keys {
		if key.Field == field {
			return key, nil
		}
	}
	return Key{}, errors.New("no key at " + field)
}

// at returns the field of a place in the profile.
func (m Message) at(place string) string { return m.Profile.Path + "." + place }
