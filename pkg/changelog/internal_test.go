package changelog

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/kv"
)

func FuzzDecodeStored(f *testing.F) {
	for _, seed := range [][]byte{nil, {1}, {1, 0}, {1, 1}, {1, 255}, {2, 0}, encodeStored(make([]tlog.Hash, 2), []byte("leaf"))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		hashes, leaf, err := decodeStored(value)
		if err == nil && !bytes.Equal(encodeStored(hashes, leaf), value) {
			t.Errorf("decodeStored(%x) encodes as %x", value, encodeStored(hashes, leaf))
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	three := tree{size: 3, edge: make([]tlog.Hash, 2)}
	for _, seed := range [][]byte{nil, {1}, make([]byte, 9), bytes.Repeat([]byte{0xff}, 3000), encodeHead(three, []byte("note")), append([]byte{1}, encodeHead(three, nil)[1:]...)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		tree, note, err := decodeHead(head)
		if err != nil {
			return
		}
		// The formats differ in nothing that is decoded.
		if !bytes.Equal(encodeHead(tree, note)[1:], head[1:]) {
			t.Errorf("decodeHead(%x) encodes as %x", head, encodeHead(tree, note))
		}
		// Whatever is stored, the tree can be hashed: the edge fits the size.
		tree.root()
	})
}

func FuzzDecodeRecord(f *testing.F) {
	whole, err := encodeRecord([saltSize]byte{1}, []Row{{Ref: "v1", Value: []byte("state")}}, Entry{Scope: "scope\x00\x01", Resource: "resource"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, {0}, {0, 0}, {1, 0}, {0x80}, bytes.Repeat([]byte{0xff}, 20), whole} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		scope, resource, leaf, err := decodeRecord(record)
		if err != nil {
			return
		}
		// A size may be written longer than it needs to be, but holds the same.
		again := append(appendSized(appendSized(nil, scope), resource), leaf...)
		if s, r, l, err := decodeRecord(again); err != nil || !bytes.Equal(s, scope) || !bytes.Equal(r, resource) || !bytes.Equal(l, leaf) {
			t.Errorf("decodeRecord(%x) and of the same encoded again, %x, differ", record, again)
		}
	})
}

func FuzzDecodeListing(f *testing.F) {
	one, many := kv.Key{}.Uint(1), make([]uint64, maxListed)
	for i := range many {
		many[i] = uint64(i) + 2
	}
	f.Add([]byte(nil), []byte(nil))
	f.Add([]byte(one), []byte(nil))
	f.Add([]byte(one), []byte{2})
	f.Add([]byte(one), encodeListing([]uint64{1}))
	f.Add([]byte(one), encodeListing([]uint64{2, 3, 7}))
	f.Add([]byte(one), encodeListing([]uint64{3, 2}))
	f.Add([]byte(one), encodeListing(many))
	f.Add([]byte(one), encodeListing(many[1:]))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		listed, err := decodeListing(kv.Pair{Key: key, Value: value}, 0)
		if err != nil {
			return
		}
		if !slices.IsSorted(listed) || len(listed) > maxListed {
			t.Errorf("decodeListing(%x, %x) = %v, want some in order", key, value, listed)
		}
		if !bytes.Equal(kv.Key{}.Uint(listed[0]), key) || !bytes.Equal(encodeListing(listed[1:]), value) {
			t.Errorf("decodeListing(%x, %x) = %v, which encodes as something else", key, value, listed)
		}
	})
}

func FuzzDecodeLeaf(f *testing.F) {
	text, err := json.Marshal(Entry{Action: "created", Detail: []byte(`{"a":1}`)})
	if err != nil {
		f.Fatal(err)
	}
	earlier := append(append([]byte{earlierLeafFormat}, make([]byte, earlierSaltSize+digestSize)...), text...)
	record, err := encodeRecord([saltSize]byte{1}, []Row{{Value: []byte("state")}, {Ref: "v1"}}, Entry{Action: "created"})
	if err != nil {
		f.Fatal(err)
	}
	_, _, leaf, err := decodeRecord(record)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{
		nil, leaf, leaf[:17], leaf[:18], append(bytes.Clone(leaf), 0xff),
		earlier, earlier[:65], append(bytes.Clone(earlier[:65]), "{}"...), append(bytes.Clone(earlier[:65]), "null"...),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, leaf []byte) {
		e, err := decodeLeaf(leaf)
		if err != nil {
			return
		}
		for _, ref := range append(e.Rows(), "", "v1") {
			e.State(ref, nil)
			e.State(ref, []byte("state"))
		}
	})
}
