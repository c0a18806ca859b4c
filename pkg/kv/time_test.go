package kv_test

import (
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

func TestTimesAreStoredWithTheirNanoseconds(t *testing.T) {
	t.Parallel()
	for _, want := range []time.Time{{}, time.Unix(-1, 0).UTC(), time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)} {
		if got := kv.TimeOf(kv.Nanos(want)); got != want {
			t.Errorf("TimeOf(Nanos(%v)) = %v", want, got)
		}
	}
	elsewhere := time.Date(2030, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	if got := kv.TimeOf(kv.Nanos(elsewhere)); got != elsewhere.UTC() {
		t.Errorf("TimeOf(Nanos(%v)) = %v, want it in UTC", elsewhere, got)
	}
}
