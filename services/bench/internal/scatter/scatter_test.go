package scatter

import "testing"

func TestNumbersAreScatteredAndDifferent(t *testing.T) {
	t.Parallel()
	const n, size = 10_000, 100
	numbers, texts := make(map[uint64]bool), make(map[string]bool)
	counts := make([]int, size)
	for i := range uint64(n) {
		numbers[Number(i)] = true
		text := Text(i, 13)
		if len(text) != 13 {
			t.Fatalf("Text(%d, 13) = %q, want 13 characters", i, text)
		}
		texts[text] = true
		counts[Index(i, size)]++
	}
	if len(numbers) != n || len(texts) != n {
		t.Errorf("%d numbers have %d numbers and %d texts, want as many", n, len(numbers), len(texts))
	}
	for i, count := range counts {
		if count < n/size/2 || count > n/size*2 {
			t.Errorf("index %d occurs %d times in %d, want about %d", i, count, n, n/size)
		}
	}
	if got := Text(7, 40); len(got) != 40 {
		t.Errorf("Text(7, 40) has %d characters", len(got))
	}
}
