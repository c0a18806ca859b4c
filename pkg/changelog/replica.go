package changelog

import (
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/kv"
)

// Hashes yields the hash of each entry, in order. The hashes say nothing of the entries, which are salted.
func Hashes(r kv.Reader) iter.Seq2[tlog.Hash, error] {
	return func(yield func(tlog.Hash, error) bool) {
		for pair, err := range kv.All(r, kv.Prefix(kv.NewKey(entrySpace), 0)) {
			var hashes []tlog.Hash
			if err == nil {
				hashes, _, err = decodeStored(pair.Value)
			}
			if err == nil && len(hashes) == 0 {
				err = errMalformed
			}
			if err != nil {
				yield(tlog.Hash{}, err)
				return
			}
			if !yield(hashes[0], nil) {
				return
			}
		}
	}
}

// A Replica is the tree of a log, from the hashes of its entries. The zero Replica has no entries.
type Replica struct{ tree tree }

// Add adds the hash of the next entry.
func (c *Replica) Add(hash tlog.Hash) error {
	_, err := c.tree.addHash(hash)
	return err
}

// Size returns the number of entries.
func (c *Replica) Size() uint64 { return c.tree.size }

// Root returns the root of the tree over them.
func (c *Replica) Root() tlog.Hash { return c.tree.root() }

// A Standing is how a log stands to what a witness knows about it.
type Standing int

// The standings.
const (
	// Unwitnessed means that the witness knows no head of the log.
	Unwitnessed Standing = iota
	// Extending means that the log extends the last verified head.
	Extending
	// Shorter means that the log has fewer entries than the last verified head.
	Shorter
	// Diverged means that the log has other entries than the last verified head, or that another key signs
	// it, to which no successions lead.
	Diverged
)

// Standing judges a head as [Witness.Extend] would if the log was served, without a change. The root is
// that of the log at the size of the last verified head. It is not used for a shorter log.
func (s Seen) Standing(claim Claim, root tlog.Hash) Standing {
	if s.Verified.Checkpoint == "" {
		return Unwitnessed
	}
	last, err := parseCheckpoint(s.Verified.Checkpoint)
	head, err2 := OpenCheckpoint(claim.Checkpoint, claim.Key)
	switch {
	case err != nil || err2 != nil:
		return Diverged
	case head.Size < last.Size:
		return Shorter
	case root != last.Root || !leads(claim.Successions, s.Verified.Key, claim.Key):
		return Diverged
	}
	return Extending
}
