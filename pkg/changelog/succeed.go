package changelog

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// # Keys
//
// A log has one key at a time. [Log.Succeed] replaces it: the present key signs the next one, and
// the succession is stored in the transaction that stores the seed of the next key. [Log.Use] lets
// the log sign with it. In between, and in a reader that is older than the transaction, the
// successions and the keys in memory differ, and both are right.
//
// Someone who changes the stored successions cannot forge one. They end with the newest key and have
// all other keys that the log knows in their order, so one that is removed, exchanged or moved is
// noticed. Only the successions before the oldest known key can be removed unnoticed. A witness that
// knows only an earlier key refuses the log then, until a person confirms its head.

// ErrTooManyKeys reports a log whose key was replaced [MaxSuccessions] times.
var ErrTooManyKeys = errors.New("change log: the key was replaced 1000 times, which is the maximum")

// Succeed stores the succession from the newest key to that of another seed. Call [Log.Use] once tx is
// committed. If the succession is already the last, Succeed changes nothing. It fails with
// [ErrTooManyKeys] after [MaxSuccessions], and with [ErrTampered] if the stored successions are not
// those of this log.
func (l *Log) Succeed(tx kv.Tx, next [32]byte) error {
	k := l.keys.Load()
	signer, err := newSigner(next, l.name)
	if err != nil {
		return fmt.Errorf("change log key: %w", err)
	}
	c, err := l.readChain(tx)
	if err != nil {
		return err
	}
	size, err := Next(tx)
	if err != nil {
		return err
	}
	if last := len(c.keys) - 1; last > 0 && c.keys[last] == signer.verifierKey {
		if signer.verifierKey != k.newest().verifierKey {
			k.next.Store(&pending{signer.verifierKey, size + 1})
		}
		return k.matches(c, size)
	}
	if err := k.matches(c, size); err != nil {
		return err
	}
	if c, err = c.extend(k.newest(), signer.verifierKey); err != nil {
		return err
	}
	if err := tx.Put(successionKey(), c.stored); err != nil {
		return fmt.Errorf("write succession of keys: %w", err)
	}
	l.chain.Store(&c)
	k.next.Store(&pending{signer.verifierKey, size + 1})
	return nil
}

// Use replaces the keys of the log by those of the seeds, newest first, as in [New]. The next commit signs
// with the newest. Call it after the commit of [Log.Succeed], and to remove older keys once a commit
// has signed with a newer one. If the stored successions do not end with the newest key, the next
// commit fails with [ErrTampered]. Use is safe for concurrent use with all other methods, but not
// with itself.
func (l *Log) Use(seeds [][32]byte) error {
	next, err := newKeys(seeds, l.name)
	if err != nil {
		return err
	}
	now := l.keys.Load()
	succession := now.next.Load()
	for i := range next.signers {
		s := &next.signers[i]
		if same, ok := now.of(s.verifierKey); ok {
			s.before = same.before
		} else if succession != nil && succession.key == s.verifierKey {
			s.before = succession.before
		}
	}
	if next.newest().verifierKey == now.newest().verifierKey {
		next.next.Store(succession)
	}
	l.keys.Store(next)
	return nil
}

// successions returns the stored successions. It fails with ErrTampered unless they are those of
// this log. Size is the size of the log as r has it.
func (l *Log) successions(r kv.Reader, k *keys, size uint64) (chain, error) {
	c, err := l.readChain(r)
	if err != nil {
		return chain{}, err
	}
	return c, k.matches(c, size)
}

// matches reports ErrTampered unless the successions are those of the known keys.
func (k *keys) matches(c chain, size uint64) error {
	end, next := c, k.next.Load()
	if last := len(c.keys) - 1; last > 0 && next != nil && c.keys[last] == next.key {
		end = c.cut(last - 1)
	}
	for known := k.signers; ; known = known[1:] {
		if end.fits(known) {
			return nil
		}
		if len(known) == 1 || size >= known[0].before {
			return fmt.Errorf("%w: the successions of keys are not those of this log", ErrTampered)
		}
		// r may be older than the succession to the newest key.
	}
}

// readChain returns the stored successions, and verifies their signatures unless it has done so
// before.
func (l *Log) readChain(r kv.Reader) (chain, error) {
	value, err := r.Get(successionKey())
	if errors.Is(err, kv.ErrNotFound) {
		return chain{}, nil
	}
	if err != nil {
		return chain{}, fmt.Errorf("read successions of keys: %w", err)
	}
	if known := l.chain.Load(); known != nil && bytes.Equal(known.stored, value) {
		return *known, nil
	}
	c, err := decodeChain(value)
	if err != nil {
		return chain{}, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	l.chain.Store(&c)
	return c, nil
}
