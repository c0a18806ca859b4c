package nonce

import (
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/budget"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

const (
	// least is the size of the first block, and the minimum size.
	least = 64
	// share limits a block to 1/share of a budget. A process holds at most two blocks: 1/64 of the
	// budget is lost when it dies.
	share = 128
	// leastAhead is the minimum time that a block should last.
	leastAhead = 10 * time.Second
	// The pauses after the vault refused, and after it could not be reached.
	exhaustedPause = 10 * time.Second
	failedPause    = time.Second
)

// A block holds the cached nonces of one version.
type block struct {
	mu sync.Mutex
	// left is the number of nonces. size is their number after the last call.
	left, size uint64
	// bits is the smallest number of random bits that this ledger has reported to the vault, or 0 if
	// it has reported none.
	bits int
	// taken is the number of nonces that were taken since granted, the time of the last grant.
	taken   uint64
	granted time.Time
	// used and budget are the last values of the version that the vault returned.
	used, budget uint64
	// call is the call to the vault in progress, or nil.
	call *call
	// exhausted is the vault's refusal at the end of the budget. After it, or after another failure,
	// the vault is not asked before again, unless a message must wait for it.
	exhausted error
	again     time.Time
}

// A call is a request to the vault that messages wait for.
type call struct {
	bits int
	done chan struct{}
	err  error // once done is closed
}

// covers reports whether values can be taken without asking the vault.
func (b *block) covers(bits int, values uint64) bool {
	return b.bits != 0 && bits >= b.bits && values <= b.left
}

// rate returns the number of values that are taken per second. A burst of less than a second
// counts as a second.
func (b *block) rate(now time.Time) float64 {
	return float64(b.taken) / max(now.Sub(b.granted), time.Second).Seconds()
}

// low reports whether to fetch more: half is used, or the rest does not last for the time alone at
// the current rate.
func (b *block) low(alone time.Duration, now time.Time) bool {
	if b.left < b.size/2 {
		return true
	}
	lasts := min(b.rate(now)*alone.Seconds(), float64(b.budget/share)/2)
	return float64(b.left) < lasts
}

// next returns the size of the next block, which lasts for the time ahead at the current rate.
func (b *block) next(bits int, ahead time.Duration, now time.Time) uint64 {
	most := max(1, budget.Of(bits)/share)
	expected := b.rate(now) * ahead.Seconds()
	if expected >= float64(most) {
		return most
	}
	return min(most, max(least, uint64(expected)))
}

// add adds the nonces that the vault granted.
func (b *block) add(bits int, granted vaultclient.Granted, now time.Time) {
	b.left += granted.Reserved
	b.size, b.bits = b.left, bits
	b.taken, b.granted = 0, now
	b.used, b.budget = granted.Used, granted.Budget
	b.exhausted = nil
}

// refuse records that the vault granted nothing. If the budget ends because of fewer random bits,
// the nonces that were reserved under more bits are dropped.
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
