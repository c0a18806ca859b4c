// Package changelog keeps the log of who did what, as a Merkle tree in the store.
//
// A service appends an [Entry] in the same transaction as the change it describes
// ([Log.Append]), so that there is no change without entry and no entry without
// change. The store decides the order: when it commits, it hands the records of
// that commit to [Log.Integrate], which numbers them, extends the tree and signs
// its new head.
//
// # Promises
//
//   - Sequences are consecutive, start at 0 and follow the order of commits.
//   - A leaf commits to a random salt, a digest of the changed record's new state
//     and the entry. The tree is that of RFC 6962, the head a signed note with the
//     text of a checkpoint: the log's name, its size, and the root.
//   - What is stored is checked before it is extended: a log never signs a head
//     on top of one that it has not signed itself.
//   - [Log.Verify] notices every change to what is stored, but for one: a store
//     that was put back to an earlier state as a whole. Who keeps heads notices that.
//
// # No secrets
//
// An entry outlives the secret it tells of, and people read it. It never holds a
// value, nor anything from which one follows. The digest of the state is salted, and
// the state is the record as stored, where values are sealed.
package changelog

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// Name is the name of the log in the store: a store that a Log is used with must
// have been given it under this name.
const Name = "changes"

// A Log is the change log of one store. It may be used from many goroutines, but
// Integrate from one at a time, which a store sees to.
type Log struct {
	signer noteSigner
	now    func() time.Time

	mu sync.Mutex
	// trusted is the head that was last found, or made, to be signed by this log.
	trusted []byte
}

// New returns the log of the given origin, such as the name of the service, which
// heads are signed for. The seed is that of its Ed25519 key.
func New(seed [32]byte, origin string, now func() time.Time) (*Log, error) {
	signer, err := newSigner(seed, "keyward.dev/"+origin)
	if err != nil {
		return nil, fmt.Errorf("change log key: %w", err)
	}
	return &Log{signer: signer, now: now}, nil
}

// VerifierKey returns the public key of the log, in the text form of
// golang.org/x/mod/sumdb/note. Who has it can check every head.
func (l *Log) VerifierKey() string { return l.signer.verifierKey }

// Append adds an entry to the log as part of tx. State is the new state of the
// changed record as it is stored, or nil if it was deleted. An entry without time
// gets the present one; its Sequence is ignored.
//
// Neither entry nor state may hold a secret value that is not sealed.
func (l *Log) Append(tx kv.Tx, e Entry, state []byte) error {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	e.Time = e.Time.UTC()
	var salt [saltSize]byte
	rand.Read(salt[:])
	record, err := encodeRecord(salt, state, e)
	if err != nil {
		return err
	}
	if err := tx.Append(Name, record); err != nil {
		return fmt.Errorf("append to change log: %w", err)
	}
	return nil
}

// Integrate makes entries of the records of one commit. It is for the store.
func (l *Log) Integrate(tx kv.Tx, records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	tree, err := l.load(tx)
	if err != nil {
		return fmt.Errorf("extend change log: %w", err)
	}
	index := make(indexed)
	for _, record := range records {
		if err := add(tx, &tree, index, record); err != nil {
			return fmt.Errorf("extend change log: %w", err)
		}
	}
	if err := index.write(tx); err != nil {
		return fmt.Errorf("extend change log: %w", err)
	}
	head, err := l.sign(tree)
	if err != nil {
		return fmt.Errorf("sign change log: %w", err)
	}
	if err := tx.Put(headKey(), head); err != nil {
		return fmt.Errorf("write change log head: %w", err)
	}
	// Should the commit fail, the stored head is another one, and is checked anew.
	l.trust(head)
	return nil
}

// add extends the tree by one entry, writes it, and adds it to the index.
func add(tx kv.Tx, tree *tree, index indexed, record []byte) error {
	scope, resource, leaf, err := decodeRecord(record)
	if err != nil {
		return err
	}
	sequence := tree.size
	hashes, err := tree.add(leaf)
	if err != nil {
		return err
	}
	if err := tx.Put(entryKey(sequence), encodeStored(hashes, leaf)); err != nil {
		return fmt.Errorf("write entry: %w", err)
	}
	index.add(scope, sequence)
	index.add(resource, sequence)
	return nil
}

// load returns the tree as the stored head describes it. It verifies the head
// unless it is the one that was trusted last, which saves a signature check with
// each commit.
func (l *Log) load(r kv.Reader) (tree, error) {
	head, err := readHead(r)
	if err != nil || head == nil {
		return tree{}, err
	}
	tree, note, err := decodeHead(head)
	if err != nil {
		return tree, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if l.trusts(head) {
		return tree, nil
	}
	if err := l.signer.check(tree, note); err != nil {
		return tree, err
	}
	l.trust(head)
	return tree, nil
}

func (l *Log) sign(t tree) ([]byte, error) {
	note, err := l.signer.sign(t)
	if err != nil {
		return nil, err
	}
	return encodeHead(t, note), nil
}

func (l *Log) trust(head []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trusted = bytes.Clone(head)
}

func (l *Log) trusts(head []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trusted != nil && bytes.Equal(l.trusted, head)
}
