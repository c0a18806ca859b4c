// Package replay detects repeated requests, so that a caller that did not receive a response can
// retry safely.
//
// A [Ledger] stores, in the transaction of the change itself, which idempotency key of which
// caller and method changed which resource. It stores only keyed HMACs: one of the key, scoped to
// caller and method, and one of the request. A bare hash would let anyone who reads the disk test
// guesses of values.
//
//	replay/{id HMAC}                 → expiry, request HMAC, resource name
//	replay-expiry/{expiry}{id HMAC}  → nothing
//
// Records last 24 hours. Each new record removes a few expired ones, so that no sweeper is needed.
package replay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// Lifetime is the time for which an idempotency key is remembered.
const Lifetime = 24 * time.Hour

const (
	format      = 1 // first byte of a record
	macSize     = sha256.Size
	cleanupSize = 2 // expired records removed with each new one
)

// A Request identifies one request of one caller. The zero Request is a request without an
// idempotency key, which is never a replay.
type Request struct {
	id, content []byte
}

// A Ledger remembers requests. It is safe for concurrent use.
type Ledger struct {
	key [32]byte
	now func() time.Time
}

// NewLedger returns a ledger whose HMACs use a key.
func NewLedger(key [32]byte, now func() time.Time) *Ledger {
	return &Ledger{key: key, now: now}
}

// Request describes a request with an idempotency key by a caller to a method. With an empty key
// it returns the zero Request.
func (l *Ledger) Request(caller, method, id string, req proto.Message) (Request, error) {
	if id == "" {
		return Request{}, nil
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return Request{}, fmt.Errorf("fingerprint request: %w", err)
	}
	defer clear(content)
	return Request{
		id:      l.mac("id", []byte(caller), []byte(method), []byte(id)),
		content: l.mac("content", []byte(method), content),
	}, nil
}

// With adds content to a request that was not part of its message. The zero Request is returned
// unchanged.
func (l *Ledger) With(req Request, content []byte) Request {
	if req.id == nil {
		return req
	}
	return Request{id: req.id, content: l.mac("with", req.content, content)}
}

// Once describes the use of a thing that can be used only once, by any caller and any method. The
// purpose names its kind.
func (l *Ledger) Once(purpose string, thing []byte) Request {
	return Request{
		id:      l.mac("once", []byte(purpose), thing),
		content: l.mac("content", []byte(purpose), thing),
	}
}

// Lookup returns the resource that the same request changed earlier. It fails with
// REQUEST_ID_REUSED if the idempotency key was used for another request.
func (l *Ledger) Lookup(r kv.Reader, req Request) (resource string, seen bool, err error) {
	if req.id == nil {
		return "", false, nil
	}
	record, err := r.Get(recordKey(req.id))
	if errors.Is(err, kv.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read request record: %w", err)
	}
	if len(record) < 1+8+macSize || record[0] != format {
		return "", false, errors.New("replay: unknown record format")
	}
	expiry, content, resource := record[1:9], record[9:9+macSize], string(record[9+macSize:])
	if int64(binary.BigEndian.Uint64(expiry)) <= l.now().Unix() {
		return "", false, nil
	}
	if !hmac.Equal(content, req.content) {
		return "", false, fault.New(fault.InvalidArgument, fault.RequestIDReused,
			"the request id was used for another request; use a new one").
			At("request_id", "must not have been used for another request in the last 24 hours")
	}
	return resource, true, nil
}

// Record stores that req changed the resource. It makes at most 6 writes.
func (l *Ledger) Record(tx kv.Tx, req Request, resource string) error {
	if req.id == nil {
		return nil
	}
	if err := l.cleanup(tx); err != nil {
		return err
	}
	expiry := uint64(l.now().Add(Lifetime).Unix())
	record := binary.BigEndian.AppendUint64([]byte{format}, expiry)
	record = append(append(record, req.content...), resource...)
	if err := tx.Put(recordKey(req.id), record); err != nil {
		return fmt.Errorf("write request record: %w", err)
	}
	if err := tx.Put(expiryKey(expiry, req.id), nil); err != nil {
		return fmt.Errorf("write request expiry: %w", err)
	}
	return nil
}

// cleanup removes a few expired records.
func (l *Ledger) cleanup(tx kv.Tx) error {
	over := kv.Range{
		Start: kv.NewKey("replay-expiry"),
		End:   kv.NewKey("replay-expiry").Uint(uint64(l.now().Unix())),
		Limit: cleanupSize,
	}
	var keys [][]byte
	for pair, err := range tx.Scan(over) {
		if err != nil {
			return fmt.Errorf("scan request expiries: %w", err)
		}
		keys = append(keys, pair.Key)
	}
	for _, key := range keys {
		if err := l.remove(tx, key); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes an expiry and its record, unless the record was rewritten with a later expiry.
func (l *Ledger) remove(tx kv.Tx, key []byte) error {
	expiry, id, err := kv.CutUint(key[len(kv.NewKey("replay-expiry")):])
	if err != nil {
		return err
	}
	record, err := tx.Get(recordKey(id))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return fmt.Errorf("read request record: %w", err)
	}
	if len(record) >= 9 && binary.BigEndian.Uint64(record[1:9]) == expiry {
		if err := tx.Delete(recordKey(id)); err != nil {
			return fmt.Errorf("delete request record: %w", err)
		}
	}
	if err := tx.Delete(key); err != nil {
		return fmt.Errorf("delete request expiry: %w", err)
	}
	return nil
}

func (l *Ledger) mac(purpose string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, l.key[:])
	for _, part := range append([][]byte{[]byte(purpose)}, parts...) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return h.Sum(nil)
}

func recordKey(id []byte) []byte { return append(kv.NewKey("replay"), id...) }

func expiryKey(expiry uint64, id []byte) []byte {
	return append(kv.NewKey("replay-expiry").Uint(expiry), id...)
}
