package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
)

// scanCrossesGrowing scans keys around and among those that a store may keep apart.
func scanCrossesGrowing(t *testing.T, s *subject) {
	keys := []string{"a", "k\xff", "l", "l\x00", "l1", "l2", "lz", "m", "z"}
	checkScans(t, s, keys, append([]string{"", "b", "l11", "l\xff", "n"}, keys...), 0)
}

// scanGroups scans groups with and without their first key, small and large ones, some of them in
// the keys that a store may keep apart, and keys that are too short for a group.
func scanGroups(t *testing.T, s *subject) {
	var keys, bounds []string
	for _, space := range []string{"a", "l", "s"} {
		keys = append(keys, space)
		for i, id := range []string{"a", "a-b", "b", "c\x01\x02", "d"} {
			own := string(kv.NewKey(space).Text(id))
			bounds = append(bounds, own)
			if i%2 == 0 {
				keys = append(keys, own)
			}
			for row := range 2 * i {
				keys = append(keys, own+string(kv.Key("v\x00").Uint(uint64(row))))
			}
		}
	}
	slices.Sort(keys)
	checkScans(t, s, keys, append(bounds, "", "l", "m", "t"), 2)
}

// checkScans stores keys, half of them in the update that scans, and checks scans with all bounds.
func checkScans(t *testing.T, s *subject, keys, bounds []string, group int) {
	t.Helper()
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		for i, key := range keys {
			if i%2 == 0 {
				if err := tx.Put([]byte(key), []byte("old")); err != nil {
					return err
				}
			}
		}
		return tx.Put([]byte("s\x00e\x00to be deleted"), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]string)
	err = s.Update(t.Context(), func(tx kv.Tx) error {
		if err := tx.Delete([]byte("s\x00e\x00to be deleted")); err != nil {
			return err
		}
		for i, key := range keys {
			values[key] = "old"
			if i%2 != 0 || i%6 == 0 {
				values[key] = "new"
				if err := tx.Put([]byte(key), []byte("new")); err != nil {
					return err
				}
			}
		}
		return checkAll(tx, keys, values, bounds, group)
	})
	err = errors.Join(err, s.View(t.Context(), func(r kv.Reader) error { return checkAll(r, keys, values, bounds, group) }))
	if err != nil {
		t.Error(err)
	}
}

func checkAll(r kv.Reader, keys []string, values map[string]string, bounds []string, group int) error {
	for _, start := range bounds {
		for _, end := range bounds {
			for _, reverse := range []bool{false, true} {
				for _, limit := range []int{1, 2, 1000} {
					within := kv.Range{Start: []byte(start), End: []byte(end), Limit: limit, Reverse: reverse, Group: group}
					if end == "" {
						within.End = nil
					}
					if err := checkScan(r, keys, values, within); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func checkScan(r kv.Reader, keys []string, values map[string]string, within kv.Range) error {
	var want, got []string
	for _, key := range keys {
		if key < string(within.Start) || within.End != nil && key >= string(within.End) {
			continue
		}
		shared := sharedBy(key, within.Group)
		pair := shared + "=" + values[shared]
		if _, stored := values[shared]; !stored {
			pair = shared + "=nothing"
		}
		if !slices.Contains(want, pair) {
			want = append(want, pair)
		}
	}
	if within.Reverse {
		slices.Reverse(want)
	}
	want = want[:min(len(want), within.Limit)]
	for pair, err := range r.Scan(within) {
		if err != nil {
			return err
		}
		if pair.Value == nil {
			pair.Value = []byte("nothing")
		}
		got = append(got, string(pair.Key)+"="+string(pair.Value))
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("Scan(%q to %q, limit %d, reverse %t, group %d) = %q, want %q",
			within.Start, within.End, within.Limit, within.Reverse, within.Group, got, want)
	}
	return nil
}

// sharedBy returns the first strings of a key, or the key if it has fewer or if there is no group.
func sharedBy(key string, group int) string {
	if group == 0 || strings.Count(key, "\x00") < group {
		return key
	}
	rest := []byte(key)
	for range group {
		rest = rest[bytes.IndexByte(rest, 0)+1:]
	}
	return key[:len(key)-len(rest)]
}
