// Package changelog stores the log of all changes as a Merkle tree.
//
// A service appends an [Entry] in the same transaction as the change that it describes
// ([Log.Append]). There is no change without an entry, and no entry without a change. The store
// decides the order: when it commits, it passes the records of the commit to [Log.Integrate],
// which numbers them, extends the tree, and signs the new head.
//
// # Promises
//
//   - Sequence numbers are consecutive, start at 0, and follow the order of commits.
//   - A leaf commits to a random salt and the entry, with a digest of each row that the
//     change wrote. The tree follows RFC 6962. The head is a signed note with the text of a
//     checkpoint: the log's name, its size, and the root.
//   - Stored data is verified before it is extended: a log never signs a head on top of one
//     that it did not sign itself.
//   - The key of the log can be replaced ([Log.Succeed]). The old key signs the new one, so that
//     a witness that knows one key of the log can rely on the present one.
//   - [Log.Verify] detects every change to the stored data, except for a store that was
//     restored to an earlier state as a whole. A [Witness] in another program detects that: it
//     keeps the last head, and requires a proof ([Prove]) that each new one extends it.
//
// # No secrets
//
// An entry outlives its secret, and people read it. It never contains a value or anything from
// which a value can be computed. The digests of rows are salted, and values in rows are
// encrypted.
package changelog

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// Name is the name of the log in the store. Open the store with a log of this name.
const Name = "changes"

// A Log is the change log of one store. It is safe for concurrent use, except that Integrate must
// not run concurrently, which the store ensures.
type Log struct {
	name string
	now  func() time.Time
	keys atomic.Pointer[keys]
	// chain is the successions that were verified last, or nil.
	chain atomic.Pointer[chain]

	mu sync.Mutex
	// trusted is the last head that this log signed or verified.
	trusted []byte
}

// New returns the log of an origin, such as the name of the service. Heads are signed for that
// origin. The seeds are those of the log's Ed25519 keys, newest first: one, unless the key was
// replaced. The first signs; a stored head that another one signed is accepted, and is signed with the
// first by the next commit. If the stored successions do not end with the first, the next commit fails
// with [ErrTampered].
func New(seeds [][32]byte, origin string, now func() time.Time) (*Log, error) {
	l := &Log{name: "keyward.dev/" + origin, now: now}
	first, err := newKeys(seeds, l.name)
	if err != nil {
		return nil, err
	}
	l.keys.Store(first)
	return l, nil
}

// VerifierKey returns the public key of the newest key in the text form of
// golang.org/x/mod/sumdb/note. To verify a head, use the key that [Log.Checkpoint] returns with it.
func (l *Log) VerifierKey() string { return l.keys.Load().newest().verifierKey }

// Next returns the sequence number of the entry that tx appends next. A record can therefore name
// the entry of its own change.
func Next(tx kv.Tx) (uint64, error) {
	size, err := Size(tx)
	return size + uint64(tx.Appended(Name)), err
}

// Pending reports whether an entry belongs to the commit of tx, and is therefore not in the log yet.
func Pending(tx kv.Tx, sequence uint64) (bool, error) {
	if tx.Appended(Name) == 0 {
		return false, nil
	}
	size, err := Size(tx)
	return size <= sequence && sequence < size+uint64(tx.Appended(Name)), err
}

// Append adds an entry to the log as part of tx. The rows are those that the change wrote or
// deleted, as they are stored. An entry without a time gets the current time. Append ignores the
// entry's Sequence.
//
// Neither the entry nor a row may contain an unencrypted secret value.
func (l *Log) Append(tx kv.Tx, e Entry, rows ...Row) error {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	var salt [saltSize]byte
	rand.Read(salt[:])
	record, err := encodeRecord(salt, rows, e)
	if err != nil {
		return err
	}
	if err := tx.Append(Name, record); err != nil {
		return fmt.Errorf("append to change log: %w", err)
	}
	return nil
}

// Integrate adds the records of one commit to the tree. Only the store calls it.
func (l *Log) Integrate(tx kv.Tx, records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	keys := l.keys.Load()
	tree, err := l.load(tx, keys)
	if err != nil {
		return fmt.Errorf("extend change log: %w", err)
	}
	index := make(indexed)
	for _, record := range records {
		if err := add(tx, &tree, index, record); err != nil {
			return fmt.Errorf("extend change log: %w", err)
		}
	}
	if err := index.write(tx.Put); err != nil {
		return fmt.Errorf("extend change log: %w", err)
	}
	note, err := keys.newest().sign(tree, "")
	if err != nil {
		return fmt.Errorf("sign change log: %w", err)
	}
	head := encodeHead(tree, note)
	if err := tx.Put(headKey(), head); err != nil {
		return fmt.Errorf("write change log head: %w", err)
	}
	// If the commit fails, the stored head differs from this one and is verified again.
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

// load returns the tree that the stored head describes. It verifies the head unless it is the
// trusted one, which saves a signature check with each commit. It checks the successions with the
// first commit that uses the keys.
func (l *Log) load(r kv.Reader, k *keys) (tree, error) {
	head, err := readHead(r)
	if err != nil {
		return tree{}, err
	}
	var described tree
	if head != nil {
		var note []byte
		if described, note, err = decodeHead(head); err != nil {
			return tree{}, fmt.Errorf("%w: %w", ErrTampered, err)
		}
		if !l.trusts(head) {
			if _, err := k.check(described, note); err != nil {
				return tree{}, err
			}
			l.trust(head)
		}
	}
	if !k.checked.Load() {
		if _, err := l.successions(r, k, described.size); err != nil {
			return tree{}, err
		}
		k.checked.Store(true)
	}
	return described, nil
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
