package changelog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/kv"
)

// What is stored, in bytes:
//
//	leaf    format 1 │ salt 32 │ state digest 32 │ entry as JSON
//	entry   format 1 │ number of hashes 1 │ hashes 32 each │ leaf
//	head    format 1 │ size 8 │ edge 32 each │ signed note
//
// The leaf is what the tree commits to. Between Append and Integrate a leaf travels
// as a record: scope and resource as texts of a key, then the leaf.
const (
	leafFormat   = 1
	storedFormat = 1
	headFormat   = 1

	saltSize   = 32
	digestSize = sha256.Size
)

var errMalformed = errors.New("change log: malformed record")

// encodeLeaf returns the leaf of an entry. The state is hashed behind the salt: who
// has not got the salt cannot try states against the digest.
func encodeLeaf(salt [saltSize]byte, state []byte, e Entry) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		// The cause could repeat what the entry holds.
		return nil, errors.New("encode change log entry: it is not valid JSON")
	}
	digest := sha256.New()
	digest.Write(salt[:])
	digest.Write(state)
	leaf := make([]byte, 0, 1+saltSize+digestSize+len(text))
	leaf = append(append(leaf, leafFormat), salt[:]...)
	return append(digest.Sum(leaf), text...), nil
}

// decodeLeaf returns the entry of a leaf.
func decodeLeaf(leaf []byte) (Entry, error) {
	if len(leaf) < 1+saltSize+digestSize || leaf[0] != leafFormat {
		return Entry{}, errMalformed
	}
	var e Entry
	if err := json.Unmarshal(leaf[1+saltSize+digestSize:], &e); err != nil {
		return Entry{}, fmt.Errorf("decode change log entry: %w", err)
	}
	return e, nil
}

// encodeRecord puts in front of a leaf what it is to be listed by, so that the
// store's only writer need not parse JSON.
func encodeRecord(scope, resource string, leaf []byte) []byte {
	return append(kv.NewKey(scope).Text(resource), leaf...)
}

func decodeRecord(record []byte) (scope, resource string, leaf []byte, err error) {
	scope, rest, err := kv.CutText(record)
	if err != nil {
		return "", "", nil, err
	}
	resource, leaf, err = kv.CutText(rest)
	return scope, resource, leaf, err
}

func encodeStored(hashes []tlog.Hash, leaf []byte) []byte {
	out := make([]byte, 0, 2+len(hashes)*tlog.HashSize+len(leaf))
	out = append(out, storedFormat, byte(len(hashes)))
	for _, hash := range hashes {
		out = append(out, hash[:]...)
	}
	return append(out, leaf...)
}

func decodeStored(value []byte) (hashes []tlog.Hash, leaf []byte, err error) {
	if len(value) < 2 || value[0] != storedFormat {
		return nil, nil, errMalformed
	}
	hashes, leaf, ok := cutHashes(value[2:], int(value[1]))
	if !ok {
		return nil, nil, errMalformed
	}
	return hashes, leaf, nil
}

func encodeHead(t tree, note []byte) []byte {
	out := binary.BigEndian.AppendUint64([]byte{headFormat}, t.size)
	for _, hash := range t.edge {
		out = append(out, hash[:]...)
	}
	return append(out, note...)
}

func decodeHead(head []byte) (tree, []byte, error) {
	if len(head) < 9 || head[0] != headFormat {
		return tree{}, nil, errMalformed
	}
	size := binary.BigEndian.Uint64(head[1:])
	edge, note, ok := cutHashes(head[9:], bits.OnesCount64(size))
	if !ok || size == 0 || size > maxSize {
		return tree{}, nil, errMalformed
	}
	return tree{size: size, edge: edge}, bytes.Clone(note), nil
}

// cutHashes splits n hashes off the front of data.
func cutHashes(data []byte, n int) (hashes []tlog.Hash, rest []byte, ok bool) {
	if len(data) < n*tlog.HashSize {
		return nil, nil, false
	}
	hashes = make([]tlog.Hash, n)
	for i := range hashes {
		copy(hashes[i][:], data[i*tlog.HashSize:])
	}
	return hashes, data[n*tlog.HashSize:], true
}
