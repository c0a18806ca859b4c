package memory

import (
	"testing"
	"time"
)

func TestGarbageIsCollectedOnceAfterUse(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	type look struct {
		at          time.Duration
		uses        uint64
		collections uint64
		due         bool
	}
	for name, looks := range map[string][]look{
		"nothing was used": {{1 * time.Second, 0, 0, false}, {time.Minute, 0, 0, false}},
		"used once": {
			{1 * time.Second, 1, 0, false},
			{2 * time.Second, 1, 0, false},
			{3 * time.Second, 1, 0, true},
			{4 * time.Second, 1, 1, true},
			{5 * time.Second, 1, 2, true},
			{6 * time.Second, 1, 3, false},
			{time.Hour, 1, 9, false},
		},
		"used again": {
			{1 * time.Second, 1, 0, false},
			{3 * time.Second, 1, 0, true},
			{4 * time.Second, 1, 1, true},
			{5 * time.Second, 2, 2, true},
			{6 * time.Second, 2, 3, false},
			{7 * time.Second, 2, 3, true},
			{8 * time.Second, 2, 4, true},
			{9 * time.Second, 2, 5, true},
			{10 * time.Second, 2, 6, false},
		},
		"used all the time, by few": {
			{1 * time.Second, 1, 0, false},
			{2 * time.Second, 2, 0, false},
			{20 * time.Second, 3, 1, false},
			{21 * time.Second, 4, 1, true},
			{22 * time.Second, 5, 2, true},
			{23 * time.Second, 6, 3, true},
			{24 * time.Second, 7, 4, false},
			{41 * time.Second, 8, 5, true},
		},
		"under load, which causes collections": {
			{1 * time.Second, 1, 10, false},
			{2 * time.Second, 500, 13, false},
			{30 * time.Second, 9000, 50, false},
			{60 * time.Second, 20_000, 90, false},
			{62 * time.Second, 20_000, 90, true},
		},
	} {
		c := new(collector)
		for _, l := range looks {
			if got := c.due(begin.Add(l.at), l.uses, l.collections); got != l.due {
				t.Errorf("%s: due after %v with %d uses and %d collections = %t, want %t", name, l.at, l.uses, l.collections, got, l.due)
			}
		}
	}
}

func TestDoRunsAndCounts(t *testing.T) {
	t.Parallel()
	before, ran := uses.Load(), false
	Do(func() { ran = true })
	if !ran || uses.Load() == before {
		t.Errorf("Do ran = %t and counted %d uses, want a run and a use", ran, uses.Load()-before)
	}
	defer func() {
		if recover() != "panic" {
			t.Error("a panic does not leave Do")
		}
	}()
	Do(func() { panic("panic") })
}
