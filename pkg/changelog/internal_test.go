package changelog

import (
	"bytes"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
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
	for _, seed := range [][]byte{nil, {1}, make([]byte, 9), bytes.Repeat([]byte{0xff}, 3000), encodeHead(three, []byte("note"))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		tree, note, err := decodeHead(head)
		if err != nil {
			return
		}
		if !bytes.Equal(encodeHead(tree, note), head) {
			t.Errorf("decodeHead(%x) encodes as %x", head, encodeHead(tree, note))
		}
		// Whatever is stored, the tree can be hashed: the edge fits the size.
		if _, err := tree.root(); err != nil {
			t.Errorf("root of decodeHead(%x) = %v", head, err)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	for _, seed := range [][]byte{nil, {0}, {0, 0}, {1, 0}, encodeRecord("scope\x00\x01", "resource", []byte("leaf"))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		scope, resource, leaf, err := decodeRecord(record)
		if err == nil && !bytes.Equal(encodeRecord(scope, resource, leaf), record) {
			t.Errorf("decodeRecord(%x) encodes as %x", record, encodeRecord(scope, resource, leaf))
		}
	})
}

func FuzzDecodeLeaf(f *testing.F) {
	leaf, err := encodeLeaf([saltSize]byte{1}, []byte("state"), Entry{Action: "created", Detail: []byte(`{"a":1}`)})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, leaf, leaf[:65], append(bytes.Clone(leaf[:65]), "{}"...), append(bytes.Clone(leaf[:65]), "null"...)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, leaf []byte) {
		e, err := decodeLeaf(leaf)
		if err != nil {
			return
		}
		if _, err := encodeLeaf([saltSize]byte{}, nil, e); err != nil {
			t.Errorf("the entry of decodeLeaf(%x) does not encode: %v", leaf, err)
		}
	})
}
