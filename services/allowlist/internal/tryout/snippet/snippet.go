// Package snippet writes programs that open a message: what a partner's engineer runs,
// reads and takes pieces from, to find out whether both sides mean the same.
//
// A program holds the message and the throw-away keys that it was made with, opens it
// step by step as the configuration says, checks its signature if it has one, and prints
// the plaintext. It needs nothing but the language's own library. It shows one way
// through the configuration: it takes the first key of each list and looks at no dates.
//
// # How a program comes about
//
// The steps are written once for all languages, as calls of functions such as gcm and
// pick: value.go and the files beside it. What differs is small: how a variable is
// declared, how bytes become text (node.go, java.go). The functions themselves are
// written by hand, in the folder library; a program gets those that it calls.
//
// Where something takes more than a language's library, there is no program in it:
// OpenPGP in both, scrypt in Java.
package snippet

import (
	"errors"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// A Program is the source of a program.
type Program struct {
	// Language is `node` or `java`.
	Language string
	Code     string
}

// A Message is what a program opens.
type Message struct {
	// Path is where the profile stands, `request` or `response`.
	Path    string
	Profile *allowlistv1.Profile
	// Keys are those of the profile. The key and the IV of an exchange stand at
	// `cipher.exchange_key` and `cipher.iv`.
	Keys        []Key
	Body        []byte
	Headers     []payload.Header
	ContentType string
	// Context is what was signed besides. The time is always there.
	Context payload.Context
}

// errBeyond means that something takes more than a language's own library.
var errBeyond = errors.New("the program would need a package")

// Programs returns the programs that open a message, in the languages that can.
func Programs(m Message) []Program {
	var programs []Program
	for _, d := range []dialect{node{}, java{}} {
		p := newProgram(d, m)
		if p.write() == nil {
			programs = append(programs, Program{Language: d.language(), Code: d.source(p)})
		}
	}
	return programs
}

// path returns the path of a place in the profile.
func (m Message) at(place string) string { return m.Path + "." + place }

// key returns the throw-away key at a place in the profile.
func (m Message) key(place string) (Key, error) {
	for _, key := range m.Keys {
		if key.Field == m.at(place) {
			return key, nil
		}
	}
	return Key{}, errors.New("there is no key at " + place)
}

// time returns the time that was signed.
func (m Message) time() time.Time { return m.Context.Time.UTC() }
