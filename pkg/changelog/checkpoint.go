package changelog

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// ReasonTooShort is the reason for a proof that ends behind the log.
const ReasonTooShort fault.Reason = "LOG_TOO_SHORT"

// MaxProof is the maximum number of hashes in a consistency proof.
const MaxProof = 64

var errCheckpoint = errors.New("change log: malformed checkpoint")

// A Checkpoint is the content of a signed head: the text of C2SP tlog-checkpoint.
type Checkpoint struct {
	// Origin is the name of the log.
	Origin string
	// Size is the number of entries.
	Size uint64
	// Root is the root of the tree over them.
	Root tlog.Hash
	// Epoch is the history of the program that signed the checkpoint, or empty if it states none; see
	// [Log.CheckpointIn].
	Epoch string
}

// epochLine begins the extension line of a checkpoint that states an epoch.
const epochLine = "keyward.dev/epoch "

// Checkpoint returns the signed head of the log with the key that verifies it, and the successions
// of keys up to that one. The checkpoint of an empty log, and of one whose head is signed with an
// earlier key, is signed when it is requested. Checkpoint fails with [ErrTampered] if no key of this
// log signed the stored head, or if the stored successions are not those of this log.
func (l *Log) Checkpoint(r kv.Reader) (Claim, error) { return l.CheckpointIn(r, "") }

// CheckpointIn is [Log.Checkpoint] with an extension line that states the epoch: which history of the
// program it is, if the program distinguishes several. So the epoch of a head is known even if that
// history was lost. An epoch is not empty and has no line breaks.
func (l *Log) CheckpointIn(r kv.Reader, epoch string) (Claim, error) {
	keys := l.keys.Load()
	tree, note, signer, err := readTree(r, keys)
	if err != nil {
		return Claim{}, err
	}
	chain, err := l.successions(r, keys, tree.size)
	if err != nil {
		return Claim{}, err
	}
	current, successions := chain.current(keys)
	if signer.verifierKey != current.verifierKey || epoch != "" {
		if note, err = current.sign(tree, epoch); err != nil {
			return Claim{}, fmt.Errorf("sign checkpoint: %w", err)
		}
	}
	return Claim{SignedHead{current.verifierKey, string(note)}, successions}, nil
}

// Prove returns the proof that the log's first `from` entries are a prefix of its first `to`
// entries. An empty log is a prefix of every log and needs no proof. Prove fails with LOG_TOO_SHORT
// if the log has fewer than `to` entries, and with INVALID_FIELD if `from` is greater than `to`.
func Prove(r kv.Reader, from, to uint64) (tlog.TreeProof, error) {
	size, err := Size(r)
	switch {
	case err != nil:
		return nil, err
	case from > to:
		return nil, fault.Field("from_size", "must not be greater than to_size")
	case to > size:
		return nil, fault.New(fault.OutOfRange, ReasonTooShort, "the log has fewer entries than to_size").
			With("size", strconv.FormatUint(size, 10))
	case from == 0:
		return nil, nil
	}
	proof, err := tlog.ProveTree(int64(to), int64(from), storedHashes{r})
	if err != nil {
		return nil, fmt.Errorf("prove consistency: %w", err)
	}
	return proof, nil
}

// storedHashes reads the hashes that are stored with the entries; see keys.go. It is a
// [tlog.HashReader].
type storedHashes struct{ r kv.Reader }

// ReadHashes returns the hashes with these indexes.
func (s storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, number := tlog.SplitStoredHashIndex(index)
		value, err := s.r.Get(entryKey(uint64(number+1)<<level - 1))
		if err != nil {
			return nil, fmt.Errorf("read hash: %w", err)
		}
		hashes, _, err := decodeStored(value)
		if err != nil || level >= len(hashes) {
			return nil, fmt.Errorf("read hash: %w", errMalformed)
		}
		found[i] = hashes[level]
	}
	return found, nil
}

// OpenCheckpoint returns the content of a checkpoint that is signed with the key, which has the
// text form of golang.org/x/mod/sumdb/note.
func OpenCheckpoint(text, verifierKey string) (Checkpoint, error) {
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read log key: %w", err)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("verify checkpoint: %w", err)
	}
	c, err := parseCheckpoint(opened.Text)
	if err == nil && c.Origin != verifier.Name() {
		err = errCheckpoint
	}
	return c, err
}

// ErrForeign reports a checkpoint that no key of a log signed, not even one that was replaced.
var ErrForeign = errors.New("change log: no key of this log signed the checkpoint")

// Extends returns the content of a checkpoint, and whether the log extends it: its first entries are
// those that the checkpoint describes. It fails with [ErrForeign] unless a key of this log signed the
// checkpoint, which may have been replaced since, or a key to which the successions lead from one: the
// entries after which it was in use may be lost.
func (l *Log) Extends(r kv.Reader, checkpoint string, successions []string) (then Checkpoint, extended bool, err error) {
	if then, err = l.open(r, checkpoint, successions); err != nil {
		return Checkpoint{}, false, err
	}
	now, err := l.Head(r)
	if err != nil {
		return Checkpoint{}, false, err
	}
	if now.Size == 0 {
		now.Root = emptyRoot
	}
	if then.Size > now.Size {
		return then, false, nil
	}
	var proof tlog.TreeProof
	if 0 < then.Size && then.Size < now.Size {
		if proof, err = Prove(r, then.Size, now.Size); err != nil {
			return Checkpoint{}, false, err
		}
	}
	return then, Checkpoint{Size: now.Size, Root: now.Root}.extends(then, proof), nil
}

// open returns the content of a checkpoint that a key of this log signed, or one to which the
// successions lead.
func (l *Log) open(r kv.Reader, checkpoint string, successions []string) (then Checkpoint, err error) {
	chain, err := l.readChain(r)
	if err != nil {
		return Checkpoint{}, err
	}
	own := append([]string{l.VerifierKey()}, chain.keys...)
	for _, key := range own {
		if then, err = OpenCheckpoint(checkpoint, key); err == nil {
			return then, nil
		}
	}
	for _, key := range own {
		if then, failed := OpenCheckpoint(checkpoint, follow(successions, key)); failed == nil {
			return then, nil
		}
	}
	return then, fmt.Errorf("%w: %w", ErrForeign, err)
}

// parseCheckpoint parses the text of a checkpoint, which may be followed by signatures or other
// lines.
func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) != 4 {
		return Checkpoint{}, errCheckpoint
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || size > maxSize || strconv.FormatUint(size, 10) != lines[1] {
		return Checkpoint{}, errCheckpoint
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, errCheckpoint
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root), Epoch: epochIn(lines[3])}, nil
}

// epochIn returns the epoch in the extension lines of a checkpoint, which end with an empty line.
func epochIn(rest string) string {
	for line := range strings.Lines(rest) {
		if epoch, found := strings.CutPrefix(line, epochLine); found {
			return strings.TrimSuffix(epoch, "\n")
		}
		if line == "\n" {
			break
		}
	}
	return ""
}

// extends reports whether the proof shows that the log of one checkpoint is a prefix of that of
// another, which is not smaller.
func (c Checkpoint) extends(older Checkpoint, proof tlog.TreeProof) bool {
	if older.Size == 0 {
		return older.Root == emptyRoot && (c.Size > 0 || c.Root == emptyRoot)
	}
	return tlog.CheckTree(proof, int64(c.Size), c.Root, int64(older.Size), older.Root) == nil
}

// emptyRoot is the root of a tree without leaves: the hash of nothing.
var emptyRoot = tlog.Hash(sha256.Sum256(nil))
