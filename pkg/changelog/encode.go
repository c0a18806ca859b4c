package changelog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog/internal/stored"
)

// The stored formats, in bytes:
//
//	leaf    format 2 │ salt 16 │ entry as a message of package stored
//	        format 1 │ salt 32 │ state digest 32 │ entry as JSON
//	entry   format 1 │ number of hashes 1 │ hashes 32 each │ leaf
//	listing sequences 8 each
//	head    format 2 │ size 8 │ edge 32 each │ signed note
//
// The leaf is what the tree commits to. Earlier releases wrote leaves of format 1, which
// state one row. They are read forever, because the tree goes on. Between Append and
// Integrate a leaf travels as a record, which is not stored: the keys it is listed by,
// then the leaf.
//
// A head of format 1 is the same, and means that each listing has one entry. A program
// without support for other listings refuses a head of format 2.
const (
	leafFormat   = 2
	storedFormat = 1
	headFormat   = 2

	saltSize = 16

	earlierLeafFormat = 1
	earlierSaltSize   = 32
	digestSize        = sha256.Size
)

var errMalformed = errors.New("change log: malformed record")

// encodeRecord returns the record of an entry: the prefixes of the index keys that list it, then
// the leaf. Integrate, which runs for all callers together, therefore neither parses messages nor
// builds keys from names.
func encodeRecord(salt [saltSize]byte, rows []Row, e Entry) ([]byte, error) {
	message := e.message(salt[:], rows)
	scope, resource := scopeKey(e.Scope), resourceKey(e.Resource)
	record := make([]byte, 0, 2*binary.MaxVarintLen16+len(scope)+len(resource)+1+saltSize+proto.Size(message))
	record = appendSized(appendSized(record, scope), resource)
	record = append(append(record, leafFormat), salt[:]...)
	record, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(record, message)
	if err != nil {
		// The cause could repeat the content of the entry.
		return nil, errors.New("encode change log entry: it is not valid UTF-8")
	}
	return record, nil
}

// message returns the stored form of an entry.
func (e Entry) message(salt []byte, rows []Row) *stored.Entry {
	m := &stored.Entry{
		Time: e.Time.UnixNano(), Action: e.Action, Scope: e.Scope, Resource: e.Resource, Uid: e.UID,
		Version: e.Version, Fields: e.Fields, Detail: e.Detail, Reason: e.Reason, RequestId: e.RequestID,
		Actor: &stored.Actor{
			Subject: e.Actor.Subject, Roles: e.Actor.Roles,
			Authentication: e.Actor.Authentication, Address: e.Actor.Address,
		},
		Rows: make([]*stored.Row, len(rows)),
	}
	for i, row := range rows {
		m.Rows[i] = &stored.Row{Ref: row.Ref}
		if row.Value != nil {
			m.Rows[i].Digest = rowDigest(salt, row.Ref, row.Value)
		}
	}
	shorten(m)
	return m
}

// decodeLeaf returns the entry of a leaf.
func decodeLeaf(leaf []byte) (Entry, error) {
	switch {
	case len(leaf) > saltSize && leaf[0] == leafFormat:
		return decodeMessage(leaf[1:1+saltSize], leaf[1+saltSize:])
	case len(leaf) >= 1+earlierSaltSize+digestSize && leaf[0] == earlierLeafFormat:
		return decodeEarlierLeaf(leaf)
	}
	return Entry{}, errMalformed
}

func decodeMessage(salt, text []byte) (Entry, error) {
	var m stored.Entry
	if err := proto.Unmarshal(text, &m); err != nil {
		return Entry{}, errMalformed
	}
	if err := lengthen(&m); err != nil {
		return Entry{}, err
	}
	return Entry{
		Time: time.Unix(0, m.GetTime()).UTC(), Action: m.GetAction(), Scope: m.GetScope(), Resource: m.GetResource(), UID: m.GetUid(),
		Version: m.GetVersion(), Fields: m.GetFields(), Detail: m.GetDetail(), Reason: m.GetReason(), RequestID: m.GetRequestId(),
		Actor: Actor{
			Subject: m.GetActor().GetSubject(), Roles: m.GetActor().GetRoles(),
			Authentication: m.GetActor().GetAuthentication(), Address: m.GetActor().GetAddress(),
		},
		states: states{salt: bytes.Clone(salt), rows: m.GetRows()},
	}, nil
}

// decodeEarlierLeaf returns the entry of a leaf that an earlier release wrote.
func decodeEarlierLeaf(leaf []byte) (Entry, error) {
	salt, rest := leaf[1:1+earlierSaltSize], leaf[1+earlierSaltSize:]
	var earlier struct {
		Entry

		Detail json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(rest[digestSize:], &earlier); err != nil {
		return Entry{}, fmt.Errorf("decode change log entry: %w", err)
	}
	e := earlier.Entry
	e.Detail = earlier.Detail
	e.states = states{salt: bytes.Clone(salt), single: bytes.Clone(rest[:digestSize])}
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
	size, ok := sizeOf(head)
	if !ok {
		return tree{}, nil, errMalformed
	}
	edge, note, ok := cutHashes(head[9:], bits.OnesCount64(size))
	if !ok {
		return tree{}, nil, errMalformed
	}
	return tree{size: size, edge: edge}, bytes.Clone(note), nil
}

// sizeOf returns the size of the tree that a head describes.
func sizeOf(head []byte) (size uint64, ok bool) {
	if len(head) < 9 || head[0] == 0 || head[0] > headFormat {
		return 0, false
	}
	size = binary.BigEndian.Uint64(head[1:])
	return size, size > 0 && size <= maxSize
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
