package kvtest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/kv"
)

func missingIsNotFound(t *testing.T, s *subject) {
	put(t, s, "empty", "")
	check := func(r kv.Reader) {
		if v, err := r.Get([]byte("missing")); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("Get(missing) = %q, %v, want %v", v, err, kv.ErrNotFound)
		}
		if v, err := r.Get([]byte("empty")); err != nil || len(v) != 0 {
			t.Errorf("Get(empty) = %q, %v, want no bytes", v, err)
		}
	}
	err := errors.Join(
		s.Update(t.Context(), func(tx kv.Tx) error { check(tx); return nil }),
		s.View(t.Context(), func(r kv.Reader) error { check(r); return nil }))
	if err != nil {
		t.Error(err)
	}
}

func deleteIsIdempotent(t *testing.T, s *subject) {
	put(t, s, "a", "1", "b", "2")
	for range 2 {
		if err := s.Update(t.Context(), func(tx kv.Tx) error { return tx.Delete([]byte("a")) }); err != nil {
			t.Errorf("Update(delete) = %v", err)
		}
	}
	if diff := gocmp.Diff([]string{"b=2"}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func scanIsOrdered(t *testing.T, s *subject) {
	want := []string{"\x00", "\x00\x00", "\x00\xff", "\x01", "A", "a", "a\x00", "aa", "b", "\x7f", "\x80", "\xff", "\xff\xff"}
	for _, i := range []int{7, 3, 12, 0, 9, 5, 1, 11, 2, 8, 4, 10, 6} {
		put(t, s, want[i], "")
	}
	got := contents(t, s)
	for i := range got {
		got[i] = strings.TrimSuffix(got[i], "=")
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("scan (-want +got):\n%s", diff)
	}
}

// ranges are all kinds of bounds around the keys that model makes.
func ranges() []kv.Range {
	bounds := [][]byte{nil, []byte("0"), []byte("k"), []byte("k05"), []byte("k05x"), []byte("k11"), []byte("z")}
	var rs []kv.Range
	for _, start := range bounds {
		for _, end := range bounds {
			for _, limit := range []int{0, 1, 3, 100} {
				rs = append(rs,
					kv.Range{Start: start, End: end, Limit: limit},
					kv.Range{Start: start, End: end, Limit: limit, Reverse: true})
			}
		}
	}
	return rs
}

// expected is what a scan of the pairs, ordered by key, must yield.
func expected(pairs []string, r kv.Range) []string {
	var want []string
	for _, pair := range pairs {
		key, _, _ := strings.Cut(pair, "=")
		if cmp.Compare(key, string(r.Start)) >= 0 && (r.End == nil || cmp.Compare(key, string(r.End)) < 0) {
			want = append(want, pair)
		}
	}
	if r.Reverse {
		slices.Reverse(want)
	}
	return want[:min(len(want), r.Limit)]
}

func checkRanges(r kv.Reader, pairs []string) error {
	for _, within := range ranges() {
		got, err := collect(r, within)
		if err != nil {
			return err
		}
		if want := expected(pairs, within); !slices.Equal(got, want) {
			return fmt.Errorf("Scan(%q to %q, limit %d, reverse %t) = %q, want %q",
				within.Start, within.End, within.Limit, within.Reverse, got, want)
		}
	}
	return nil
}

func scanIsBounded(t *testing.T, s *subject) {
	var pairs []string
	for i := range 12 {
		key := fmt.Sprintf("k%02d", i)
		put(t, s, key, "v")
		pairs = append(pairs, key+"=v")
	}
	if err := s.View(t.Context(), func(r kv.Reader) error { return checkRanges(r, pairs) }); err != nil {
		t.Error(err)
	}
}

func readYourWrites(t *testing.T, s *subject) {
	put(t, s, "a", "old", "b", "old")
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		if err := errors.Join(putAll(tx, "a", "new", "c", "new"), tx.Delete([]byte("b"))); err != nil {
			return err
		}
		for key, want := range map[string]string{"a": "new", "c": "new"} {
			if v, err := tx.Get([]byte(key)); err != nil || string(v) != want {
				t.Errorf("Get(%s) = %q, %v, want %q", key, v, err, want)
			}
		}
		if v, err := tx.Get([]byte("b")); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("Get(b) = %q, %v, want %v", v, err, kv.ErrNotFound)
		}
		return putAll(tx, "b", "again")
	})
	if err != nil {
		t.Fatalf("Update = %v", err)
	}
	if diff := gocmp.Diff([]string{"a=new", "b=again", "c=new"}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func scanYourWrites(t *testing.T, s *subject) {
	for i := range 12 {
		put(t, s, fmt.Sprintf("k%02d", i), "old")
	}
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		var pairs []string
		for i := range 12 {
			key := fmt.Sprintf("k%02d", i)
			switch i % 4 {
			case 0:
				pairs = append(pairs, key+"=old")
			case 1:
				pairs = append(pairs, key+"=new", key+"x=new")
				if err := putAll(tx, key, "new", key+"x", "new"); err != nil {
					return err
				}
			default:
				if err := tx.Delete([]byte(key)); err != nil {
					return err
				}
			}
		}
		if err := putAll(tx, "a", "new"); err != nil {
			return err
		}
		return checkRanges(tx, append([]string{"a=new"}, pairs...))
	})
	if err != nil {
		t.Error(err)
	}
}

func scanWhileWriting(t *testing.T, s *subject) {
	for _, reverse := range []bool{false, true} {
		put(t, s, "a", "1", "b", "2", "c", "3", "d", "4")
		err := s.Update(t.Context(), func(tx kv.Tx) error {
			seen := 0
			for p, err := range tx.Scan(kv.Range{Limit: 10, Reverse: reverse}) {
				if err != nil {
					return err
				}
				seen++
				if err := tx.Delete(p.Key); err != nil {
					return err
				}
			}
			if seen != 4 {
				return fmt.Errorf("reverse %t: a scan that deletes has seen %d of 4 pairs", reverse, seen)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if got := contents(t, s); got != nil {
			t.Errorf("reverse %t: %q are left", reverse, got)
		}
	}
}

// scribble overwrites bytes on which no one else should depend.
func scribble(b []byte) {
	for i := range b {
		b[i] = '!'
	}
}

func returnedBytesAreOwned(t *testing.T, s *subject) {
	put(t, s, "a", "1", "b", "2")
	spoil := func(r kv.Reader) error {
		for range 2 {
			v, err := r.Get([]byte("a"))
			if err != nil || string(v) != "1" {
				return fmt.Errorf("Get(a) = %q, %w", v, err)
			}
			scribble(v)
			var got []byte
			for p, err := range r.Scan(all()) {
				if err != nil {
					return err
				}
				got = fmt.Appendf(got, "%s=%s ", p.Key, p.Value)
				scribble(p.Key)
				scribble(p.Value)
			}
			if !bytes.Equal(got, []byte("a=1 b=2 ")) {
				return fmt.Errorf("scan yields %q", got)
			}
		}
		return nil
	}
	if err := s.View(t.Context(), spoil); err != nil {
		t.Errorf("View = %v", err)
	}
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		// Once with what is stored, and once with what this update has written.
		if err := spoil(tx); err != nil {
			return err
		}
		return errors.Join(putAll(tx, "a", "1"), spoil(tx))
	})
	if err != nil {
		t.Errorf("Update = %v", err)
	}
	if diff := gocmp.Diff([]string{"a=1", "b=2"}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func passedBytesMayBeReused(t *testing.T, s *subject) {
	put(t, s, "b", "2")
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		buffer := []byte("a1")
		err := tx.Put(buffer[:1], buffer[1:])
		copy(buffer, "b?")
		err = errors.Join(err, tx.Delete(buffer[:1]))
		copy(buffer, "r?")
		err = errors.Join(err, tx.Append(logName, buffer))
		scribble(buffer)
		return err
	})
	if err != nil {
		t.Fatalf("Update = %v", err)
	}
	if diff := gocmp.Diff([]string{"a=1", journalKey(0) + "=r?"}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}
