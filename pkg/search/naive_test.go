package search_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/search"
)

// draws is a sequence of numbers that look random, the same in each run.
type draws uint64

func (d *draws) IntN(n int) int {
	*d = *d*6364136223846793005 + 1442695040888963407
	return int(*d>>33) % n
}

// A naive index examines each ID of one workspace.
type naive map[string]bool

func (n naive) find(query, after string, reverse bool, limit int) (found []string) {
	all := make([]string, 0, len(n))
	for id := range n {
		all = append(all, id)
	}
	slices.Sort(all)
	if reverse {
		slices.Reverse(all)
	}
	for _, id := range all {
		passed := after == "" || (!reverse && id > after) || (reverse && id < after)
		if passed && strings.Contains(strings.ToLower(id), strings.ToLower(query)) && len(found) < limit {
			found = append(found, id)
		}
	}
	return found
}

// A pair applies the same changes to an index and to a naive one.
type pair struct {
	index *search.Index
	naive naive
}

func newPair() pair { return pair{search.NewIndex(), naive{}} }

func (p pair) set(t testing.TB, id string, present bool) {
	t.Helper()
	set(t, p.index, "w", id, present)
	if delete(p.naive, id); present {
		p.naive[id] = true
	}
}

func (p pair) compare(t testing.TB, query, after string, reverse bool, limit int) {
	t.Helper()
	got, want := p.index.Find("w", query, after, reverse, limit), p.naive.find(query, after, reverse, limit)
	if !slices.Equal(got, want) {
		t.Fatalf("Find(%.40q after %.40q, reverse %t, limit %d) of %d IDs = %.40q, want %.40q",
			query, after, reverse, limit, len(p.naive), got, want)
	}
}

func TestIndexAgreesWithANaiveOne(t *testing.T) {
	t.Parallel()
	words := []string{"api", "API", "key", "Key", "db", "prod", "test", "bank", "x", "0", "77"}
	random := draws(1)
	draw := func() string {
		parts := make([]string, 1+random.IntN(5))
		for i := range parts {
			parts[i] = words[random.IntN(len(words))]
		}
		return strings.Join(parts, "-")
	}
	p := newPair()
	var ids []string
	for i := range 6_000 {
		// The index grows, then shrinks, and is emptied.
		if id := draw(); i < 4_000 && random.IntN(4) > 0 {
			id += fmt.Sprint("-", random.IntN(1000))
			p.set(t, id, true)
			ids = append(ids, id)
		} else if len(ids) > 0 {
			last := random.IntN(len(ids))
			p.set(t, ids[last], false)
			ids = slices.Delete(ids, last, last+1)
		}
		if i%150 == 0 {
			for _, query := range []string{"", "key", "-", "no match", "prod-x", draw(), strings.ToUpper(draw())} {
				p.compare(t, query, "", i%300 == 0, 1+random.IntN(40))
				p.compare(t, query, draw(), i%300 == 0, 1+random.IntN(40))
			}
			p.compare(t, "", "", false, len(p.naive)+1)
		}
	}
}

// FuzzIndex runs a program: each byte changes or searches one of a few IDs, which are so long that
// a chunk holds only some of them.
func FuzzIndex(f *testing.F) {
	f.Add([]byte{1, 2, 3, 129, 64, 65, 200}, "b", 3)
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x80\x81\x8f"), "A", 100)
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz\xb0\xb1\xb2\xb3\xb4\xb5"), "", 2)
	f.Add([]byte{7}, "\n", 1)
	f.Fuzz(func(t *testing.T, program []byte, query string, limit int) {
		p := newPair()
		for i, step := range program {
			id := fuzzID(step & 0x7f)
			p.set(t, id, step < 0x80)
			if i == len(program)/2 || i == len(program)-1 {
				p.compare(t, "", "", false, 200)
				for _, reverse := range []bool{false, true} {
					p.compare(t, query, "", reverse, limit)
					p.compare(t, query, id, reverse, limit)
					p.compare(t, id[len(id)/2:], id[:len(id)/2], reverse, limit)
				}
			}
		}
	})
}

// fuzzID returns one of 128 IDs of up to 4 KiB, a part of which have upper case.
func fuzzID(n byte) string {
	id := strings.Repeat(string(rune('a'+n%26)), int(n)%8*500) + fmt.Sprintf("-%d-%d", n, n%5)
	if n%7 == 3 {
		return strings.ToUpper(id)
	}
	return id
}
