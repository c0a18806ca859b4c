// Package layout compares layouts of keys by the pages that a commit writes.
//
// bbolt writes every page that a commit touches as a whole, and all branches above it. The number
// of bytes on disk for each change therefore depends more on where its rows stand than on their
// size. [Run] fills a store with secrets under each [Layout], and then creates and updates secrets
// in commits of one, a few, and many changes.
package layout

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/keyward/keyward/services/bench/internal/scatter"
)

// A row is a key and the size of its value.
type row struct {
	key   string
	bytes int
}

// A change is one new or updated secret.
type change struct {
	number           int // of the secret
	id, uid          string
	fingerprint      string // of the value
	version          uint64
	sequence, before uint64 // the log entries of this change and of the previous one of the secret
}

// A Layout is a way to store secrets.
type Layout struct {
	// Name describes the layout in a table.
	Name string
	// Rows returns the rows that a change writes.
	rows func(change) []row
	// Stale returns the keys that a change deletes.
	stale func(change) []string
	// Once returns the rows that a commit writes once, whatever its number of changes.
	once func(first uint64, n int) []row
	// ownLog stores the log in a bucket of its own, whose pages are filled, because its keys grow.
	ownLog bool
}

// The sizes of the values in bytes, with a checksum of 4, as the vault stores them for a secret
// with a value of 256 bytes and one version.
const (
	secretBytes  = 217
	versionBytes = 151
	valueBytes   = 393
	equalBytes   = 44
	entryBytes   = 538
	headBytes    = 500 // with the edge of a tree of 100,000 entries
	emptyBytes   = 4
)

// The same as protobuf messages, with a MAC of 16 bytes instead of the checksum.
const (
	compactSecretBytes  = 100
	compactVersionBytes = 60
	compactValueBytes   = 16 + 340
	compactEqualBytes   = 16 + 24
	compactEntryBytes   = 16 + 64 + 32 + 190
	compactHeadBytes    = 16 + 480
	compactEmptyBytes   = 16
)

const (
	workspace = "acme"
	// logSpace is the start of the keys of the log's entries.
	logSpace = "change\x00"
)

// All returns the layouts to compare.
func All() []Layout {
	return []Layout{
		{Name: "a: a space for each kind of row", rows: spaces, stale: staleTime, once: logTail},
		{Name: "b: version and value in one row", rows: joined, stale: staleTime, once: logTail},
		{Name: "c: rows of a secret adjacent", rows: adjacent, stale: staleTime, once: logTail},
		{Name: "d: b with uids of 16 bytes", rows: raw(joined), stale: staleTime, once: logTail},
		{Name: "e: c, one row for secret, version, and value", rows: single, stale: staleTime, once: logTail},
		{Name: "f: e, and head and listings next to the log", rows: single, stale: staleTime, once: nextToLog},
		{Name: "g: f without the index of equal values", rows: without("equal\x00", single), stale: staleTime, once: nextToLog},
		{Name: "h: g as protobuf with MACs", rows: compact(without("equal\x00", single)), stale: staleTime, once: compactOnce(nextToLog)},
		{Name: "i: h, the log in a bucket of its own", rows: compact(without("equal\x00", single)), stale: staleTime, once: compactOnce(nextToLog), ownLog: true},
		{Name: "j: i without the index by time", rows: compact(without("by-update\x00", without("equal\x00", single))), stale: nothing, once: compactOnce(nextToLog), ownLog: true},
		{Name: "k: a as protobuf with MACs", rows: compact(spaces), stale: staleTime, once: compactOnce(logTail)},
		{Name: "l: the vault's: c without the index of equal values, all growing keys in a bucket of their own, protobuf with MACs", rows: compact(vaults), stale: nothing, once: compactOnce(growingTails), ownLog: true},
	}
}

// spaces is the layout of the first version of the stored form.
func spaces(c change) []row {
	return append(common(c),
		row{"secret\x00" + workspace + "\x00" + c.id + "\x00", secretBytes},
		row{"version\x00" + c.uid + "\x00" + number(c.version), versionBytes},
		row{"value\x00" + c.uid + "\x00" + number(c.version), valueBytes},
		row{"change-by-resource\x00workspaces/" + workspace + "/secrets/" + c.id + "\x00" + number(c.sequence), emptyBytes},
	)
}

func joined(c change) []row {
	return append(common(c),
		row{"secret\x00" + workspace + "\x00" + c.id + "\x00", secretBytes},
		row{"version\x00" + c.uid + "\x00" + number(c.version), versionBytes + valueBytes},
		row{"change-by-resource\x00workspaces/" + workspace + "/secrets/" + c.id + "\x00" + number(c.sequence), emptyBytes},
	)
}

func adjacent(c change) []row {
	prefix := "secret\x00" + workspace + "\x00" + c.id + "\x00"
	return append(common(c),
		row{prefix, secretBytes},
		row{prefix + "e" + number(c.version), versionBytes},
		row{prefix + "f" + number(c.version), valueBytes},
		row{prefix + "c" + number(c.sequence), emptyBytes},
	)
}

// single stores the current version inside the secret. An update moves the version before it to a
// row of its own.
func single(c change) []row {
	prefix := "secret\x00" + workspace + "\x00" + c.id + "\x00"
	rows := append(common(c),
		row{prefix, secretBytes + versionBytes + valueBytes},
		row{prefix + "c" + number(c.sequence), emptyBytes},
	)
	if c.version > 1 {
		rows = append(rows, row{prefix + "e" + number(c.version-1), versionBytes + valueBytes})
	}
	return rows
}

// vaults is the layout of the vault. The index of equal values has only secrets with a binding, and
// the list in order of update time is in the same bucket as the log. Its outdated rows are removed
// later.
func vaults(c change) []row {
	prefix := "secret\x00" + workspace + "\x00" + c.id + "\x00"
	return []row{
		{logSpace + timeKey(c.sequence, c.id), emptyBytes},
		{logSpace + number(c.sequence), entryBytes},
		{prefix, secretBytes},
		{prefix + "l" + number(c.sequence), emptyBytes},
		{prefix + "v" + c.uid[:16] + number(c.version)[4:], versionBytes + valueBytes},
	}
}

// growingTails are the rows at the ends of the growing keys: the listing by scope, and the head
// behind the last entry.
func growingTails(first uint64, n int) []row {
	return []row{
		{logSpace + "by-scope\x00" + number(first), emptyBytes + 8*(n-1)},
		{logSpace + "\x01", headBytes},
	}
}

// common returns the rows that have the same place in all layouts.
func common(c change) []row {
	return []row{
		{timeKey(c.sequence, c.id), emptyBytes},
		{"equal\x00" + workspace + "\x00" + c.fingerprint + "\x00" + c.uid + "\x00", equalBytes},
		{logSpace + number(c.sequence), entryBytes},
	}
}

func staleTime(c change) []string {
	if c.version == 1 {
		return nil
	}
	return []string{timeKey(c.before, c.id)}
}

func nothing(change) []string { return nil }

// timeKey is a key of the list in order of update time. Times grow as sequence numbers do.
func timeKey(sequence uint64, id string) string {
	return "by-update\x00" + workspace + "\x00" + number(sequence<<20) + id + "\x00"
}

func logTail(first uint64, n int) []row {
	return []row{
		{"change-by-scope\x00workspaces/" + workspace + "\x00" + number(first), emptyBytes + 8*(n-1)},
		{"change-head\x00", headBytes},
	}
}

// nextToLog stores what a commit writes once at the end of the log, where it writes anyway.
func nextToLog(first uint64, n int) []row {
	return []row{
		{logSpace + number(first) + "s", emptyBytes + 8*(n-1)},
		{logSpace + strings.Repeat("\xff", 8), headBytes},
	}
}

func without(prefix string, rows func(change) []row) func(change) []row {
	return func(c change) []row {
		var kept []row
		for _, r := range rows(c) {
			if !strings.HasPrefix(r.key, prefix) {
				kept = append(kept, r)
			}
		}
		return kept
	}
}

// raw shortens the uid from 26 characters and an end to 16 bytes.
func raw(rows func(change) []row) func(change) []row {
	return func(c change) []row {
		all := rows(c)
		for i := range all {
			all[i].key = strings.Replace(all[i].key, c.uid+"\x00", c.uid[:16], 1)
		}
		return all
	}
}

// compact replaces the sizes of JSON records and checksums by those of protobuf messages and MACs.
func compact(rows func(change) []row) func(change) []row {
	return func(c change) []row { return compacted(rows(c)) }
}

func compactOnce(once func(uint64, int) []row) func(uint64, int) []row {
	return func(first uint64, n int) []row { return compacted(once(first, n)) }
}

func compacted(rows []row) []row {
	for i, r := range rows {
		switch r.bytes {
		case secretBytes + versionBytes + valueBytes:
			rows[i].bytes = compactSecretBytes + compactVersionBytes + compactValueBytes
		case versionBytes + valueBytes:
			rows[i].bytes = compactVersionBytes + compactValueBytes
		case secretBytes:
			rows[i].bytes = compactSecretBytes
		case versionBytes:
			rows[i].bytes = compactVersionBytes
		case valueBytes:
			rows[i].bytes = compactValueBytes
		case equalBytes:
			rows[i].bytes = compactEqualBytes
		case entryBytes:
			rows[i].bytes = compactEntryBytes
		case headBytes:
			rows[i].bytes = compactHeadBytes
		default:
			rows[i].bytes += compactEmptyBytes - emptyBytes
		}
	}
	return rows
}

func number(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// idOf returns the ID of the n-th secret.
func idOf(n uint64, random bool) string {
	if random {
		n = scatter.Number(n)
	}
	return fmt.Sprintf("payments-%016x", n)
}
