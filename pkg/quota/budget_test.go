package quota_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/quota"
)

func TestOneKeyGetsHalfOfWhatOthersLeave(t *testing.T) {
	t.Parallel()
	b := quota.NewBudget(1024, fault.QuotaCaller)
	given := make(map[string]*quota.Share)
	for _, tt := range []struct {
		key  string
		take int
		ok   bool
	}{
		{"ada", 512, true},
		{"ada", 1, false},
		{"bob", 257, false},
		{"bob", 256, true},
		{"cy", 128, true},
		{"dan", 64, true},
		{"ada", 0, false}, // it has more than is free
		{"eve", 0, true},
		{"eve", 32, true},
	} {
		share, err := b.Take(tt.key, tt.take)
		if !tt.ok {
			wait(t, err)
			continue
		}
		if err != nil {
			t.Errorf("Take(%s, %d) = %v", tt.key, tt.take, err)
			continue
		}
		given[tt.key] = &share
	}
	given["ada"].Give()
	given["ada"].Give() // once is all that counts
	if got := b.Taken(); got != 256+128+64+32 {
		t.Errorf("%d bytes are taken after 512 were given back", got)
	}
	if _, err := b.Take("ada", 250); err != nil {
		t.Errorf("Take after giving back: %v", err)
	}
}

func TestWhatIsThereAlreadyIsChargedWithoutAsking(t *testing.T) {
	t.Parallel()
	b := quota.NewBudget(100, fault.QuotaCaller)
	share, err := b.Take("ada", 20)
	if err != nil {
		t.Fatal(err)
	}
	share.Charge(100)
	_, err = b.Take("ada", 1)
	wait(t, err)
	share.Give()
	if _, err := b.Take("ada", 50); err != nil {
		t.Errorf("Take after the charge was given back: %v", err)
	}
}

func TestABudgetWithoutABoundRefusesNobody(t *testing.T) {
	t.Parallel()
	b := quota.NewBudget(0, fault.QuotaCaller)
	share, err := b.Take("ada", 1<<40)
	if err != nil || b.Taken() != 0 {
		t.Errorf("Take = %v, and %d bytes are taken", err, b.Taken())
	}
	share.Charge(1)
	share.Give()
}

func TestNoMoreThanTheBudgetIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	const total = 1000
	b := quota.NewBudget(total, fault.QuotaCaller)
	var now, most atomic.Int64
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for range 500 {
				share, err := b.Take(fmt.Sprint(i%7), 10+i)
				if err != nil {
					continue
				}
				at := now.Add(int64(10 + i))
				for seen := most.Load(); at > seen && !most.CompareAndSwap(seen, at); seen = most.Load() {
				}
				now.Add(-int64(10 + i))
				share.Give()
			}
		})
	}
	all.Wait()
	if most.Load() > total || b.Taken() != 0 {
		t.Errorf("%d bytes at once of %d, and %d at the end", most.Load(), total, b.Taken())
	}
}
