package kv_test

import (
	"bytes"
	"cmp"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
)

func TestKeysSortAsTheirTuples(t *testing.T) {
	t.Parallel()
	texts := []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00a", "\x01", "\x01\x00", "\x02", "a", "a\x00", "a\x00b", "a\x01", "aa", "b", "\xff", "\xff\xff"}
	numbers := []uint64{0, 1, 255, 256, 1 << 40, 1<<64 - 1}
	var keys [][]byte
	for _, text := range texts {
		for _, n := range numbers {
			keys = append(keys, kv.NewKey("space").Text(text).Uint(n))
		}
	}
	if !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Errorf("keys are not in the order of their tuples: %x", keys)
	}
	for i, key := range keys {
		for j, other := range keys {
			if i != j && bytes.HasPrefix(key, other) {
				t.Errorf("key %x is a prefix of %x", other, key)
			}
		}
	}
}

func TestExtendingAKeyLeavesItAlone(t *testing.T) {
	t.Parallel()
	base := kv.NewKey("space").Text("a")
	// Without a copy, both would write to the same spare capacity.
	x, y := base.Text("x"), base.Text("y")
	n, m := base.Uint(1), base.Uint(2)
	if bytes.Equal(x, y) || bytes.Equal(n, m) {
		t.Errorf("keys that extend %x share bytes: %x and %x, %x and %x", base, x, y, n, m)
	}
}

func TestMalformedKeysAreRefused(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"a text without an end":              "text",
		"no bytes":                           "",
		"an escape at the end":               "text\x01",
		"an escape of nothing that needs it": "text\x01\x03\x00",
	} {
		if text, _, err := kv.CutText([]byte(key)); err == nil {
			t.Errorf("%s: CutText(%q) = %q, want an error", name, key, text)
		}
	}
	if n, _, err := kv.CutUint([]byte("1234567")); err == nil {
		t.Errorf("CutUint(7 bytes) = %d, want an error", n)
	}
}

func TestAfterIsTheEndOfAPrefix(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ prefix, want []byte }{
		{[]byte("a"), []byte("b")},
		{[]byte("a\xff"), []byte("b")},
		{[]byte("a\x00"), []byte("a\x01")},
		{[]byte("\xff\xff"), nil},
		{nil, nil},
	} {
		before := bytes.Clone(test.prefix)
		if got := kv.After(test.prefix); !bytes.Equal(got, test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("After(%q) = %q, want %q", test.prefix, got, test.want)
		}
		if !bytes.Equal(before, test.prefix) {
			t.Errorf("After(%q) changes its argument to %q", before, test.prefix)
		}
	}
}

func FuzzKeyRoundTrip(f *testing.F) {
	f.Add("", uint64(0), "")
	f.Add("a\x00b\x01c", uint64(1)<<63, "\x01\x02\x00")
	f.Fuzz(func(t *testing.T, first string, n uint64, second string) {
		key := kv.NewKey(first).Uint(n).Text(second)
		gotFirst, rest, err := kv.CutText(key)
		if err != nil || gotFirst != first {
			t.Fatalf("CutText(%x) = %q, %v, want %q", key, gotFirst, err, first)
		}
		gotN, rest, err := kv.CutUint(rest)
		if err != nil || gotN != n {
			t.Fatalf("CutUint = %d, %v, want %d", gotN, err, n)
		}
		gotSecond, rest, err := kv.CutText(rest)
		if err != nil || gotSecond != second || len(rest) != 0 {
			t.Fatalf("CutText = %q and %x, %v, want %q and nothing", gotSecond, rest, err, second)
		}
	})
}

func FuzzKeyOrder(f *testing.F) {
	f.Add("a", uint64(1), "a\x00", uint64(0))
	f.Add("\x01", uint64(1), "\x00", uint64(2))
	f.Fuzz(func(t *testing.T, a string, n uint64, b string, m uint64) {
		want := cmp.Or(cmp.Compare(a, b), cmp.Compare(n, m))
		if got := bytes.Compare(kv.NewKey(a).Uint(n), kv.NewKey(b).Uint(m)); got != want {
			t.Errorf("keys of (%q, %d) and (%q, %d) compare as %d, want %d", a, n, b, m, got, want)
		}
	})
}

// FuzzCutText checks that what is accepted is the only way to write its text.
func FuzzCutText(f *testing.F) {
	f.Add([]byte("text\x00rest"))
	f.Add([]byte("\x01\x01\x01\x02\x00"))
	f.Fuzz(func(t *testing.T, key []byte) {
		text, rest, err := kv.CutText(key)
		if err != nil {
			return
		}
		if again := append(kv.NewKey(text), rest...); !bytes.Equal(again, key) {
			t.Errorf("CutText(%x) = %q and %x, which are written %x", key, text, rest, again)
		}
	})
}
