package nonce

import (
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/budget"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

const (
	// least is the size of the first block, and of the smallest.
	least = 64
	// share is the part of a budget that one block is at most. There are two at most: 1/64
	// of the budget is lost when the process dies.
	share = 128
	// leastAhead is how long a block is to last at least.
	leastAhead = 10 * time.Second
	// How long the vault is left alone after it refused, and after it could not be asked.
	exhaustedPause = 10 * time.Second
	failedPause    = time.Second
)

// A block is the nonces of one version that are in memory.
type block struct {
	mu sync.Mutex
	// left is how many there are, and size how many there were after the last call.
	left, size uint64
	// bits is the smallest number of random bits that the vault has heard of from here; 0:
	// of none.
	bits int
	// taken is how many were taken since granted, when the vault granted the last ones.
	taken   uint64
	granted time.Time
	// used and budget are the version's, as the vault told last.
	used, budget uint64
	// call is under way to the vault; nil: none is.
	call *call
	// exhausted is the vault's refusal at the end of the budget. Neither after it nor after
	// another failure is the vault asked before again, unless a message has to wait for it.
	exhausted error
	again     time.Time
}

// A call is a question to the vault that messages wait for.
type call struct {
	bits int
	done chan struct{}
	err  error // once done is closed
}

// covers reports whether values can be taken without asking the vault.
func (b *block) covers(bits int, values uint64) bool {
	return b.bits != 0 && bits >= b.bits && values <= b.left
}

// rate returns how many values are taken in a second. A burst of less than that is no rate
// yet.
func (b *block) rate(now time.Time) float64 {
	return float64(b.taken) / max(now.Sub(b.granted), time.Second).Seconds()
}

// low reports whether more is to be fetched: half is used, or what is left does not last
// alone at the present rate.
func (b *block) low(alone time.Duration, now time.Time) bool {
	if b.left < b.size/2 {
		return true
	}
	lasts := min(b.rate(now)*alone.Seconds(), float64(b.budget/share)/2)
	return float64(b.left) < lasts
}

// next returns the size of the next block: what lasts ahead at the present rate.
func (b *block) next(bits int, ahead time.Duration, now time.Time) uint64 {
	most := max(1, budget.Of(bits)/share)
	expected := b.rate(now) * ahead.Seconds()
	if expected >= float64(most) {
		return most
	}
	return min(most, max(least, uint64(expected)))
}

// add adds what the vault granted.
func (b *block) add(bits int, granted vaultclient.Granted, now time.Time) {
	b.left += granted.Reserved
	b.size, b.bits = b.left, bits
	b.taken, b.granted = 0, now
	b.used, b.budget = granted.Used, granted.Budget
	b.exhausted = nil
}

// refuse notes that the vault granted nothing. A budget that ends because of fewer random
// bits takes back what was reserved under more.
func (b *block) refuse(bits int, err error, now time.Time) {
	if !fault.Is(err, vaultclient.ReasonNoncesExhausted) {
		b.again = now.Add(failedPause)
		return
	}
	if bits < b.bits {
		b.left = 0
	}
	b.bits, b.exhausted, b.again = bits, err, now.Add(exhaustedPause)
}
