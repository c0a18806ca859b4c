// Package wycheproof reads the test vectors of Project Wycheproof, which try the known
// mistakes of cryptographic libraries. For tests only: the vectors are linked in, and
// have some 90 MB.
package wycheproof

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
)

// A Case holds the fields that all tests share. Test types embed it.
type Case struct {
	ID      int `json:"tcId"`
	Comment string
	Flags   []string
	// Result is `valid`, `invalid`, or `acceptable`. A library may accept an acceptable case
	// because it is correct, and may refuse it because it is obsolete or weak.
	Result string
}

// Valid reports whether the test must be accepted.
func (c Case) Valid() bool { return c.Result == "valid" }

// Invalid reports whether the test must be refused.
func (c Case) Invalid() bool { return c.Result == "invalid" }

// String names the test in a message.
func (c Case) String() string {
	return fmt.Sprintf("test %d (%s %s; %s)", c.ID, c.Result, strings.Join(c.Flags, ","), c.Comment)
}

// Hex is a byte string that the vectors write in hexadecimal.
type Hex []byte

// UnmarshalText reads hexadecimal.
func (h *Hex) UnmarshalText(text []byte) error {
	decoded, err := hex.AppendDecode(nil, text)
	*h = decoded
	return err
}

// Each calls check for every test of a file, in order. Group has the fields of a group
// of tests that matter, Test those of a test.
func Each[Group, Test any](t testing.TB, file string, check func(group Group, test Test)) {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatalf("read vectors: %v", err)
	}
	var all struct {
		NumberOfTests int
		TestGroups    []json.RawMessage
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	count := 0
	for _, raw := range all.TestGroups {
		var group Group
		var tests struct{ Tests []Test }
		if err := json.Unmarshal(raw, &group); err != nil {
			t.Fatalf("read a group of %s: %v", file, err)
		}
		if err := json.Unmarshal(raw, &tests); err != nil {
			t.Fatalf("read the tests of %s: %v", file, err)
		}
		for _, test := range tests.Tests {
			check(group, test)
			count++
		}
	}
	if count == 0 || count != all.NumberOfTests {
		t.Fatalf("%s: %d tests read, %d expected", file, count, all.NumberOfTests)
	}
}
