package memory

import "testing"

func TestASmallHeapMayGrowToItsRoom(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, test := range []struct {
		room, live uint64
		want       int
	}{
		{64 * mib, 0, 1600}, // the smallest heap is then 64 MiB
		{64 * mib, 1, 1600},
		{64 * mib, 4 * mib, 1500},
		{64 * mib, 32 * mib, 100},
		{64 * mib, 33 * mib, 100}, // as usual: at twice the live heap
		{64 * mib, 64 * mib, 100},
		{64 * mib, 900 * mib, 100},
		{mib, 0, 100},
	} {
		if got := percent(test.room, test.live); got != test.want {
			t.Errorf("percent(%d, %d) = %d, want %d", test.room, test.live, got, test.want)
		}
	}
}
