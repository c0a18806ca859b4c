package exchange

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const (
	// noted is how long an answer is remembered: longer than an exchange is good that
	// begins, with the same question, while another one is.
	noted = 2*lifetime + time.Minute
	// sweepInterval is the time between two removals of what is over.
	sweepInterval = time.Minute
	// sweepBatch is how many records one transaction removes, with an index entry each.
	sweepBatch = kv.MaxOps / 2

	spentFormat = 1
)

// Spent remembers what was answered with a key and an IV that the question fixed. A
// second answer that differs would repeat both, which under GCM gives both answers away,
// and lets others be forged. The same answer again, as after a lost connection, is the
// same ciphertext.
//
// An answer is noted durably before it leaves, so that neither a restart nor a crash
// forgets it. The store holds MACs only, under a key of its own, since the question's key
// or the answer could be guessed from a bare hash.
//
//	spent/{MAC of the question}                    → format, expiry, MAC of the answer
//	spent-expiry/{expiry}{MAC of the question}     → nothing
//
// Expiries are in seconds since 1970.
type spent struct {
	kv  kv.Store
	key [32]byte
	now func() time.Time
}

// An answer is what is encrypted with the key and the IV of a question. Of equal answers
// the ciphertexts are equal.
type answer struct {
	// endpoint and revision are those of the configuration.
	endpoint string
	revision uint64
	body     []byte
	// unique says that the ciphertext differs each time although the body does not.
	unique bool
}

// note notes an answer, or refuses one that differs from what was answered before.
func (s *spent) note(ctx context.Context, x payload.Exchange, a answer) error {
	question, text := s.mac("question", x.Key, x.IV), s.macOf(a)
	expiry := uint64(s.now().Add(noted).Unix())
	err := s.kv.Update(ctx, func(tx kv.Tx) error {
		before, err := loadSpent(tx, question)
		if err != nil {
			return err
		}
		if before != nil {
			if s.good(before) && !hmac.Equal(before.text, text) {
				return fault.New(fault.InvalidArgument, ReasonInvalid, "the message of this exchange was answered already").
					At("exchange", "must be of a message that was not answered in another way")
			}
			if err := tx.Delete(spentExpiryKey(before.expiry, question)); err != nil {
				return fmt.Errorf("delete expiry of answer: %w", err)
			}
		}
		if err := tx.Put(spentKey(question), record{expiry, text}.marshal()); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		if err := tx.Put(spentExpiryKey(expiry, question), nil); err != nil {
			return fmt.Errorf("write expiry of answer: %w", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note answer: %w", err)
	}
	return nil
}

// good reports whether a record still counts.
func (s *spent) good(r *record) bool { return uint64(s.now().Unix()) < r.expiry }

// run removes what is over, at each interval until the context ends.
func (s *spent) run(ctx context.Context, logger *slog.Logger) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			logger.WarnContext(ctx, "answers that are over could not be removed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep removes all that is over, in bounded transactions.
func (s *spent) sweep(ctx context.Context) error {
	for {
		removed := 0
		err := s.kv.Update(ctx, func(tx kv.Tx) (err error) {
			removed, err = s.removeSome(tx)
			return err
		})
		if err != nil || removed < sweepBatch {
			return err
		}
	}
}

// removeSome removes a few records that are over.
func (s *spent) removeSome(tx kv.Tx) (removed int, err error) {
	space := kv.NewKey("spent-expiry")
	over := kv.Range{Start: space, End: space.Uint(uint64(s.now().Unix()) + 1), Limit: sweepBatch}
	var keys [][]byte
	for pair, err := range tx.Scan(over) {
		if err != nil {
			return 0, fmt.Errorf("scan expiries of answers: %w", err)
		}
		keys = append(keys, bytes.Clone(pair.Key))
	}
	for _, key := range keys {
		_, question, err := kv.CutUint(key[len(space):])
		if err != nil {
			return 0, fmt.Errorf("read expiry of answer: %w", err)
		}
		// A record that was noted again has another expiry, and no longer this one.
		if err := errors.Join(tx.Delete(spentKey(question)), tx.Delete(key)); err != nil {
			return 0, fmt.Errorf("delete answer: %w", err)
		}
	}
	return len(keys), nil
}

// macOf returns the MAC of an answer.
func (s *spent) macOf(a answer) []byte {
	revision := binary.BigEndian.AppendUint64(nil, a.revision)
	if a.unique {
		return s.mac("answer", []byte(a.endpoint), revision, a.body, []byte(rand.Text()))
	}
	return s.mac("answer", []byte(a.endpoint), revision, a.body)
}

// mac returns the MAC of parts, each of which follows its length.
func (s *spent) mac(use string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, s.key[:])
	write(h, []byte(use))
	for _, part := range parts {
		write(h, part)
	}
	return h.Sum(nil)
}

func write(h hash.Hash, part []byte) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(part)))
	h.Write(length[:])
	h.Write(part)
}

// A record is an answer as it is stored.
type record struct {
	expiry uint64
	text   []byte
}

func (r record) marshal() []byte {
	return append(binary.BigEndian.AppendUint64([]byte{spentFormat}, r.expiry), r.text...)
}

// loadSpent returns the record of a question, or nil.
func loadSpent(r kv.Reader, question []byte) (*record, error) {
	stored, err := r.Get(spentKey(question))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(stored) != 1+8+sha256.Size || stored[0] != spentFormat {
		return nil, errors.New("read answer: unknown record format")
	}
	return &record{expiry: binary.BigEndian.Uint64(stored[1:9]), text: stored[9:]}, nil
}

func spentKey(question []byte) kv.Key { return append(kv.NewKey("spent"), question...) }

func spentExpiryKey(expiry uint64, question []byte) kv.Key {
	return append(kv.NewKey("spent-expiry").Uint(expiry), question...)
}
