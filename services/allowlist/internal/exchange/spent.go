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
	// noted is the time for which a response is remembered. A second exchange with the same question
	// may begin while the first one is valid, so this is longer than both lifetimes together.
	noted = 2*lifetime + time.Minute
	// sweepInterval is the time between two removals of expired records.
	sweepInterval = time.Minute
	// sweepBatch is the number of records that one transaction removes, with an index entry each.
	sweepBatch = kv.MaxOps / 2

	spentFormat = 1
)

// A spent remembers the responses to requests that fixed the key and the IV of the response. A
// second, different response would repeat both, which under GCM reveals both responses and allows
// others to be forged. The same response again, such as after a lost connection, is the same
// ciphertext.
//
// A response is recorded durably before it is returned, so that it survives restarts and crashes.
// The store holds only MACs, under a separate key, since the key of the request or the response
// could be guessed from a bare hash.
//
//	spent/{MAC of the question}                    → format, expiry, MAC of the answer
//	spent-expiry/{expiry}{MAC of the question}     → empty
//
// Expiries are in seconds since 1970.
type spent struct {
	kv  kv.Store
	key [32]byte
	now func() time.Time
}

// An answer is the response that is encrypted with the key and the IV of a question, which is the
// request. Equal answers have equal ciphertexts.
type answer struct {
	// endpoint and revision identify the configuration.
	endpoint string
	revision uint64
	body     []byte
	// unique says that the ciphertext differs each time even if the body is the same.
	unique bool
}

// note records an answer, or refuses one that differs from an earlier answer.
func (s *spent) note(ctx context.Context, x payload.Exchange, a answer) error {
	return s.noteTo(ctx, s.mac("question", x.Key, x.IV), a)
}

// noteIssued records the response for which an exchange issued values, or refuses another response. The
// token is the decoded exchange: the encoding of one may contain line ends.
func (s *spent) noteIssued(ctx context.Context, token []byte, a answer) error {
	return s.noteTo(ctx, s.mac("issued", token), a)
}

// noteTo records an answer to a question, which is a MAC.
func (s *spent) noteTo(ctx context.Context, question []byte, a answer) error {
	text := s.macOf(a)
	expiry := uint64(s.now().Add(noted).Unix())
	err := s.kv.Update(ctx, func(tx kv.Tx) error {
		before, err := loadSpent(tx, question)
		if err != nil {
			return err
		}
		if before != nil {
			if s.good(before) && !hmac.Equal(before.text, text) {
				return fault.New(fault.InvalidArgument, ReasonInvalid, "this exchange already has a different response").
					At("exchange", "must belong to a request that has no other response yet")
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

// good reports whether a record has not expired.
func (s *spent) good(r *record) bool { return uint64(s.now().Unix()) < r.expiry }

// run removes expired records at each interval until the context ends.
func (s *spent) run(ctx context.Context, logger *slog.Logger) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			logger.WarnContext(ctx, "expired records of answered exchanges could not be removed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep removes all expired records, in bounded transactions.
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

// removeSome removes a few expired records.
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
		// A record that was renewed has another expiry, and must not be removed.
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

// mac returns the MAC of parts, each prefixed with its length.
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

// A record is the stored form of an answer.
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
