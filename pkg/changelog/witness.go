package changelog

import (
	"cmp"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog/internal/stored"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// AcceptedHead is the action of an entry that records that a person accepted a head of another
// log, although it does not extend the last verified one.
const AcceptedHead = "head_accepted"

// A Witness remembers the last verified head of another program's log, in a row of its own store.
// It recognizes a log that was rolled back or replaced: its heads do not extend that head. The
// judgment rests on consistency proofs and signatures, never on sizes alone.
//
// The row is `witness/{name}`, a message of package stored. The store authenticates it like any
// other row, but no entry states it, because it changes with each head. So an attacker with write
// access to this store can put an earlier row back. That alone has no effect: the log that is
// followed still extends the earlier head.
//
// # Keys
//
// The witness relies on one key. A head that another key signs comes with the successions that lead
// from the one to the other. They start at the key of the last verified head: a key that was replaced
// before can sign no succession that the witness follows, even if it is the pinned one. Before the
// first head, the pinned key is all that the witness knows, so a forger with a replaced key that is
// still pinned can lead the witness elsewhere.
type Witness struct {
	name string
	pin  string
}

// NewWitness returns the witness of a log with this name. Heads must be signed with the pinned
// verifier key or one of its successors; if the pinned key is empty, with the key of the first head
// or one of its successors.
func NewWitness(name, pin string) Witness { return Witness{name, pin} }

// A SignedHead is a head of a log, and the key that signs it.
type SignedHead struct {
	// Key is the verifier key.
	Key string
	// Checkpoint is the signed head.
	Checkpoint string
}

// Size returns the size of the log at a head that was verified.
func (h SignedHead) Size() uint64 {
	head, _ := parseCheckpoint(h.Checkpoint) // verified, so it parses, or empty
	return head.Size
}

// A Claim is a head that a program states to others. They have not verified it yet.
type Claim struct {
	SignedHead

	// Successions are the successions of keys, oldest first. They end with the key of the head.
	Successions []string
}

// Seen is the knowledge about a log. The zero Seen knows nothing.
type Seen struct {
	// Verified is the last verified head, with the key that verifies it.
	Verified SignedHead
	// Refused, if not nil, is the newest head that does not extend the verified one. It stays until
	// the log extends the verified head again, or until a person accepts the refused one.
	Refused *SignedHead
	// Former is the key that signed heads before that of the verified one, or empty if the witness
	// followed no succession. A head that it signed may arrive late.
	Former string
}

// Size returns the size of the verified log.
func (s Seen) Size() uint64 { return s.Verified.Size() }

// maxKept is the maximum number of successions that a witness keeps.
const maxKept = 20

func witnessSpace() kv.Key { return kv.NewKey("witness") }

func (w Witness) key() kv.Key { return witnessSpace().Text(w.name) }

// Seen returns what is known about the log.
func (w Witness) Seen(r kv.Reader) (Seen, error) {
	record, err := w.read(r)
	if err != nil {
		return Seen{}, err
	}
	return seenOf(record), nil
}

// Successions returns the successions with which the key of the verified head came, oldest first: the
// last 20 at most.
func (w Witness) Successions(r kv.Reader) ([]string, error) {
	record, err := w.read(r)
	return record.GetSuccessions(), err
}

// read returns the row, which is empty if nothing is known.
func (w Witness) read(r kv.Reader) (*stored.Witnessed, error) {
	value, err := r.Get(w.key())
	if errors.Is(err, kv.ErrNotFound) {
		return new(stored.Witnessed), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read witnessed head: %w", err)
	}
	return decodeWitnessed(value)
}

func decodeWitnessed(value []byte) (*stored.Witnessed, error) {
	record := new(stored.Witnessed)
	if err := proto.Unmarshal(value, record); err != nil {
		return nil, fmt.Errorf("decode witnessed head: %w", err)
	}
	return record, nil
}

func seenOf(record *stored.Witnessed) Seen {
	seen := Seen{Verified: headOf(record.GetVerified()), Former: record.GetFormerKey()}
	if record.GetRefused() != nil {
		refused := headOf(record.GetRefused())
		seen.Refused = &refused
	}
	return seen
}

func headOf(m *stored.Claim) SignedHead {
	return SignedHead{Key: m.GetKey(), Checkpoint: m.GetCheckpoint()}
}

func (h SignedHead) message() *stored.Claim {
	return &stored.Claim{Key: h.Key, Checkpoint: h.Checkpoint}
}

// Witnessed returns what is known about each log, by name. Their number is that of the programs
// that follow this one.
func Witnessed(r kv.Reader) (map[string]Seen, error) {
	all := make(map[string]Seen)
	err := scanAll(r, witnessSpace(), func(rest, value []byte) error {
		name, _, err := kv.CutText(rest)
		if err != nil {
			return err
		}
		record, err := decodeWitnessed(value)
		if err != nil {
			return err
		}
		all[name] = seenOf(record)
		return nil
	})
	return all, err
}

// Extend judges a head and stores the result. The proof is the consistency proof between the
// verified head and the claimed one, whichever is smaller; it is empty for the first head, for an
// empty log, and for a head of the same size. Extend returns what is known now: Refused is set if
// the claimed head is signed with a key to which no successions lead, or belongs to a log with other
// entries. An older head of the same log changes nothing, even if the key before signed it, except
// for that of the empty log: because no proof can show that it is only late, it is refused.
func (w Witness) Extend(tx kv.Tx, claim Claim, proof tlog.TreeProof) (Seen, error) {
	before, err := w.Seen(tx)
	if err != nil {
		return Seen{}, err
	}
	after := w.judge(before, claim, proof)
	if same(before, after) {
		return after, nil
	}
	return after, w.write(tx, after, claim.Successions)
}

func (w Witness) judge(seen Seen, claim Claim, proof tlog.TreeProof) Seen {
	refused := Seen{Verified: seen.Verified, Refused: &claim.SignedHead, Former: seen.Former}
	head, err := OpenCheckpoint(claim.Checkpoint, claim.Key)
	if err != nil {
		return refused
	}
	trusted := w.Admits(claim) && leads(claim.Successions, cmp.Or(seen.Verified.Key, claim.Key), claim.Key)
	if seen.Verified.Checkpoint == "" {
		if !trusted {
			return refused
		}
		return Seen{Verified: claim.SignedHead}
	}
	last, err := parseCheckpoint(seen.Verified.Checkpoint)
	former := claim.Key == seen.Former
	switch {
	case err != nil:
		return refused
	case (trusted || former) && 0 < head.Size && head.Size < last.Size && last.extends(head, proof):
		return seen // it arrives late
	case former && head.Size == last.Size && last.extends(head, proof):
		return seen // signed again since then
	case trusted && head.Size >= last.Size && head.extends(last, proof):
		return seen.follow(claim.SignedHead)
	}
	return refused
}

// follow returns the knowledge after a head that extends the verified one.
func (s Seen) follow(head SignedHead) Seen {
	if head.Key != s.Verified.Key {
		s.Former = s.Verified.Key
	}
	return Seen{Verified: head, Former: s.Former}
}

// Admits reports whether the claimed key is the pinned one, or the successions lead from the pinned
// one to it. Without a pinned key, it is.
func (w Witness) Admits(claim Claim) bool {
	return w.pin == "" || leads(claim.Successions, w.pin, claim.Key)
}

// Accept makes a head the verified one without a proof, because a person confirmed that the log was
// restored. The log of this program records the old and the new head. The claimed head must be
// signed: with the pinned key or one of its successors, if there is one.
func (w Witness) Accept(tx kv.Tx, changes *Log, claim Claim, author Author) (before, after Seen, err error) {
	if before, err = w.Seen(tx); err != nil {
		return before, after, err
	}
	if !w.Admits(claim) {
		return before, after, errors.New("the pinned key does not verify the head")
	}
	if _, err := OpenCheckpoint(claim.Checkpoint, claim.Key); err != nil {
		return before, after, err
	}
	after = Seen{Verified: claim.SignedHead}
	if same(before, after) {
		return before, after, nil
	}
	if err := w.write(tx, after, claim.Successions); err != nil {
		return before, after, err
	}
	detail, err := proto.Marshal(&stored.Accepted{Old: before.Verified.message(), New: after.Verified.message()})
	if err != nil {
		return before, after, fmt.Errorf("encode accepted head: %w", err)
	}
	return before, after, changes.Append(tx, Entry{
		Actor: author.Actor, Action: AcceptedHead, Scope: resource.Everywhere, Resource: w.name,
		Detail: detail, Reason: author.Reason, RequestID: author.RequestID,
	})
}

// write stores what is known, and the successions if the verified head has another key than before.
func (w Witness) write(tx kv.Tx, seen Seen, successions []string) error {
	record, err := w.read(tx) // with the fields that this program does not know
	if err != nil {
		return err
	}
	if seen.Verified.Key != record.GetVerified().GetKey() {
		record.Successions = successions[max(0, len(successions)-maxKept):]
	}
	record.Verified, record.Refused, record.FormerKey = nil, nil, seen.Former
	if seen.Verified != (SignedHead{}) {
		record.Verified = seen.Verified.message()
	}
	if seen.Refused != nil {
		record.Refused = seen.Refused.message()
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode witnessed head: %w", err)
	}
	if err := tx.Put(w.key(), value); err != nil {
		return fmt.Errorf("write witnessed head: %w", err)
	}
	return nil
}

// same reports whether two states of knowledge are equal.
func same(a, b Seen) bool {
	if a.Verified != b.Verified || a.Former != b.Former || (a.Refused == nil) != (b.Refused == nil) {
		return false
	}
	return a.Refused == nil || *a.Refused == *b.Refused
}
