package changelog

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/kv"
)

// ErrTampered reports a log that does not match itself or its signature: something other than this
// log changed it.
var ErrTampered = errors.New("change log: stored log does not match its signed head")

// A Head is the state of a log at one moment, signed.
type Head struct {
	// Size is the number of entries.
	Size uint64
	// Root is the root of the tree over them.
	Root tlog.Hash
	// Note is the signed note that states origin, size and root.
	Note []byte
}

// Head returns the signed head of the log. The head of an empty log has no note. Head fails with
// [ErrTampered] if this log did not sign the head.
func (l *Log) Head(r kv.Reader) (Head, error) {
	stored, err := readHead(r)
	if err != nil || stored == nil {
		return Head{}, err
	}
	tree, note, err := decodeHead(stored)
	if err != nil {
		return Head{}, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if err := l.signer.check(tree, note); err != nil {
		return Head{}, err
	}
	return Head{Size: tree.size, Root: tree.root(), Note: note}, nil
}

// A noteSigner signs heads. It is a [note.Signer].
type noteSigner struct {
	note.Verifier
	verifierKey string
	key         ed25519.PrivateKey
}

func newSigner(seed [ed25519.SeedSize]byte, name string) (noteSigner, error) {
	key := ed25519.NewKeyFromSeed(seed[:])
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return noteSigner{}, errors.New("public key has an unexpected type")
	}
	verifierKey, err := note.NewEd25519VerifierKey(name, public)
	if err != nil {
		return noteSigner{}, err
	}
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		return noteSigner{}, err
	}
	return noteSigner{Verifier: verifier, verifierKey: verifierKey, key: key}, nil
}

// Sign signs a message.
func (s noteSigner) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

// text returns the signed text, a checkpoint.
func (s noteSigner) text(t tree) string {
	return fmt.Sprintf("%s\n%d\n%s\n", s.Name(), t.size, t.root())
}

// sign returns the signed note of a tree.
func (s noteSigner) sign(t tree) ([]byte, error) {
	return note.Sign(&note.Note{Text: s.text(t)}, s)
}

// check reports ErrTampered unless the note is signed and states the tree.
func (s noteSigner) check(t tree, signed []byte) error {
	opened, err := note.Open(signed, note.VerifierList(s))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if opened.Text != s.text(t) {
		return fmt.Errorf("%w: the signed root is another one", ErrTampered)
	}
	return nil
}
