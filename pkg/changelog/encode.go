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
)

// The stored formats, in bytes:
//
//	leaf    format 1 │ salt 32 │ state digest 32 │ entry as JSON
//	entry   format 1 │ number of hashes 1 │ hashes 32 each │ leaf
//	listing sequences 8 each
//	head    format 2 │ size 8 │ edge 32 each │ signed note
//
// The leaf is what the tree commits to. Between Append and Integrate a leaf travels
// as a record, which is not stored: the keys it is listed by, then the leaf.
//
// A head of format 1 is the same, and means that each listing has one entry. A program
// without support for other listings refuses a head of format 2.
const (
	leafFormat   = 1
	storedFormat = 1
	headFormat   = 2

	saltSize   = 32
	digestSize = sha256.Size
)

var errMalformed = errors.New("change log: malformed record")

// encodeRecord returns the record of an entry: the prefixes of the index keys that list it, then
// the leaf. Integrate, which runs for all callers together, therefore neither parses JSON nor
// builds keys from names.
func encodeRecord(salt [saltSize]byte, state []byte, e Entry) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		// The cause could repeat the content of the entry.
		return nil, errors.New("encode change log entry: it is not valid JSON")
	}
	scope, resource := scopeKey(e.Scope), resourceKey(e.Resource)
	record := make([]byte, 0, 2*binary.MaxVarintLen16+len(scope)+len(resource)+1+saltSize+digestSize+len(text))
	record = appendSized(appendSized(record, scope), resource)
	return appendLeaf(record, salt, state, text), nil
}

// appendLeaf appends the leaf of an entry. The digest covers the salt and then the state, so that
// states cannot be guessed from the digest without the salt.
func appendLeaf(to []byte, salt [saltSize]byte, state, text []byte) []byte {
	digest := sha256.New()
	digest.Write(salt[:])
	digest.Write(state)
	to = append(append(to, leafFormat), salt[:]...)
	return append(digest.Sum(to), text...)
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

func appendSized(to, key []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(key))), key...)
}

// decodeRecord returns the parts of a record.
func decodeRecord(record []byte) (scope, resource, leaf []byte, err error) {
	scope, rest, err := cutSized(record)
	if err != nil {
		return nil, nil, nil, err
	}
	resource, leaf, err = cutSized(rest)
	return scope, resource, leaf, err
}

func cutSized(data []byte) (key, rest []byte, err error) {
	size, n := binary.Uvarint(data)
	if n <= 0 || size > uint64(len(data)-n) {
		return nil, nil, errMalformed
	}
	return data[n : n+int(size)], data[n+int(size):], nil
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
	if len(head) < 9 || head[0] == 0 || head[0] > headFormat {
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
