package exchange

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// answers is how many answers are remembered: about 290 a second over the life of an
// exchange. Beyond that the oldest are forgotten first.
const answers = 1 << 18

// Spent remembers what was answered with a key and an IV that the question fixed. A
// second answer that differs would repeat both, which under GCM gives both answers away,
// and lets others be forged. The same answer again, as after a lost connection, is the
// same ciphertext. The memory is this process's own.
type spent struct {
	mu    sync.Mutex // between the look and the note
	given *expirable.LRU[[32]byte, [32]byte]
}

func newSpent() *spent {
	return &spent{given: expirable.NewLRU[[32]byte, [32]byte](answers, nil, lifetime+time.Minute)}
}

// answer notes an answer, or refuses one that differs from what was answered before.
// The memory holds digests only.
func (s *spent) answer(x payload.Exchange, body []byte) error {
	question := sha256.New()
	question.Write([]byte{byte(len(x.Key))})
	question.Write(x.Key)
	question.Write(x.IV)
	key, text := [32]byte(question.Sum(nil)), sha256.Sum256(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, answered := s.given.Get(key); answered && before != text {
		return fault.New(fault.InvalidArgument, ReasonInvalid, "the message of this exchange was answered already").
			At("exchange", "must be of a message that was not answered in another way")
	}
	s.given.Add(key, text)
	return nil
}
