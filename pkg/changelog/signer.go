package changelog

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/mod/sumdb/note"
)

// keys are the keys of a log. They are replaced as a whole.
type keys struct {
	// signers are newest first. There is at least one.
	signers []noteSigner
	// checked is set once a commit found that the stored successions end with the newest key.
	checked atomic.Bool
	// next is the succession from the newest key that this run stored, or nil.
	next atomic.Pointer[pending]
}

// pending is a succession that is stored, but not in use.
type pending struct {
	key string
	// before is the size below which a reader may be older than the succession.
	before uint64
}

func newKeys(seeds [][ed25519.SeedSize]byte, name string) (*keys, error) {
	if len(seeds) == 0 {
		return nil, errors.New("change log key: a log needs at least one")
	}
	k := new(keys)
	for _, seed := range seeds {
		signer, err := newSigner(seed, name)
		if err != nil {
			return nil, fmt.Errorf("change log key: %w", err)
		}
		k.signers = append(k.signers, signer)
	}
	return k, nil
}

func (k *keys) newest() noteSigner { return k.signers[0] }

func (k *keys) oldest() noteSigner { return k.signers[len(k.signers)-1] }

// of returns the signer with a verifier key.
func (k *keys) of(verifierKey string) (noteSigner, bool) {
	for _, s := range k.signers {
		if s.verifierKey == verifierKey {
			return s, true
		}
	}
	return noteSigner{}, false
}

// check returns the signer of a note. It reports ErrTampered unless one of them signed the note, and
// the note states the tree.
func (k *keys) check(t tree, signed []byte) (noteSigner, error) {
	var first error
	for _, s := range k.signers { // note.Open skips the signatures of other keys without a check
		err := s.check(t, signed)
		if err == nil {
			return s, nil
		}
		if first == nil {
			first = err
		}
	}
	return noteSigner{}, first
}

// A noteSigner signs heads and successions. It is a [note.Signer].
type noteSigner struct {
	note.Verifier

	verifierKey string
	key         ed25519.PrivateKey
	// before is the size below which a reader may be older than the succession to this key.
	before uint64
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

// text returns the signed text of a head, a checkpoint.
func (s noteSigner) text(t tree) string {
	return fmt.Sprintf("%s\n%d\n%s\n", s.Name(), t.size, t.root())
}

// sign returns the signed note of a tree, with an epoch unless that is empty.
func (s noteSigner) sign(t tree, epoch string) ([]byte, error) {
	text := s.text(t)
	if epoch != "" {
		text += epochLine + epoch + "\n"
	}
	return note.Sign(&note.Note{Text: text}, s)
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
