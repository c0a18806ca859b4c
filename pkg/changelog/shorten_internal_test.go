package changelog

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog/internal/stored"
)

var golden = flag.Bool("update", false, "write the golden file of leaves")

const leafUID, leafRequest = "tkcs2rrsxuwdqmcbgc74lmkeq4", "01a22cc3-5475-702a-8491-ee6f2d859f20"

// leafEntry returns an entry in which each field is set.
func leafEntry() Entry {
	return Entry{
		Time: time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC), Action: "created", Scope: "workspaces/acme", Resource: "workspaces/acme/secrets/api",
		UID: leafUID, Version: 1, Fields: []string{"value"}, Detail: []byte("detail"), Reason: "reason", RequestID: leafRequest,
		Actor: Actor{Subject: "alice", Roles: []string{"owner"}, Authentication: "oidc", Address: "192.0.2.1:443"},
	}
}

func leafOf(t testing.TB, e Entry, rows []Row) []byte {
	t.Helper()
	record, err := encodeRecord([saltSize]byte{1}, rows, e)
	if err != nil {
		t.Fatal(err)
	}
	_, _, leaf, err := decodeRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// sameEntry compares a decoded leaf with its entry.
func sameEntry(t testing.TB, what string, leaf []byte, want Entry, rows []Row) {
	t.Helper()
	got, err := decodeLeaf(leaf)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for _, row := range rows {
		if got.State(row.Ref, row.Value) != Matches {
			t.Errorf("%s: the row %q differs", what, row.Ref)
		}
	}
	got.states = states{}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Entry{}, states{})); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// The first leaf of the file has the scope and the identifiers as text. Such leaves are read
// forever, because the tree goes on. The second one is written today.
func TestLeavesAreReadAsInTheGoldenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "leaves.txt")
	rows := []Row{{Value: []byte("secret")}, {Ref: "v1", Value: []byte("version")}}
	short := leafOf(t, leafEntry(), rows)
	if *golden {
		var m stored.Entry
		if err := proto.Unmarshal(short[1+saltSize:], &m); err != nil {
			t.Fatal(err)
		}
		if err := lengthen(&m); err != nil {
			t.Fatal(err)
		}
		m.ScopeSize, m.UidBytes, m.RequestIdBytes = 0, nil, nil
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		lines := hex.EncodeToString(append(bytes.Clone(short[:1+saltSize]), text...)) + "\n" + hex.EncodeToString(short) + "\n"
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(file))
	if len(lines) != 2 || lines[1] != hex.EncodeToString(short) {
		t.Errorf("the leaf is stored as\n%x\nwant the last of\n%s", short, file)
	}
	for _, line := range lines {
		leaf, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		sameEntry(t, "a leaf", leaf, leafEntry(), rows)
	}
}

func TestOnlyTheUsualFormsAreShortened(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change              func(*Entry)
		scope, uid, request bool // whether they are shorter
	}{
		"the usual forms": {func(*Entry) {}, true, true, true},
		"a scope that the resource does not have": {
			func(e *Entry) { e.Scope = "workspaces/other" }, false, true, true,
		},
		"no scope and no identifiers": {func(e *Entry) { e.Scope, e.UID, e.RequestID = "", "", "" }, false, false, false},
		"other letters": {
			func(e *Entry) { e.UID, e.RequestID = strings.ToUpper(e.UID), strings.ToUpper(e.RequestID) }, true, false, false,
		},
		"other lengths": {
			func(e *Entry) { e.UID, e.RequestID = e.UID+"aa", strings.ReplaceAll(e.RequestID, "-", "") }, true, false, false,
		},
		"a uid whose last bits are set": {
			func(e *Entry) { e.UID = strings.Repeat("7", 26) }, true, false, true,
		},
		"line ends, which the decoder skips": {
			func(e *Entry) { e.UID = e.UID[:13] + "\n" + e.UID[13:] }, true, false, true,
		},
		"a request ID in braces": {
			func(e *Entry) { e.RequestID = "{" + e.RequestID + "}" }, true, true, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := leafEntry()
			tt.change(&e)
			leaf := leafOf(t, e, nil)
			sameEntry(t, "the leaf", leaf, e, nil)
			var m stored.Entry
			if err := proto.Unmarshal(leaf[1+saltSize:], &m); err != nil {
				t.Fatal(err)
			}
			if m.GetScopeSize() != 0 != tt.scope || m.GetUidBytes() != nil != tt.uid || m.GetRequestIdBytes() != nil != tt.request {
				t.Errorf("the leaf has a scope of %d bytes, the uid %x, and the request ID %x", m.GetScopeSize(), m.GetUidBytes(), m.GetRequestIdBytes())
			}
		})
	}
}

func TestMalformedShortFormsAreRefused(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*stored.Entry{
		"a scope that is longer than the resource": {Resource: "workspaces/acme", ScopeSize: 16},
		"a request ID of another size":             {RequestIdBytes: []byte("short")},
	} {
		text, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if e, err := decodeLeaf(append([]byte{leafFormat, saltSize: 0}, text...)); err == nil {
			t.Errorf("%s is read as %+v", name, e)
		}
	}
}
