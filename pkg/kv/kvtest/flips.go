package kvtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// An Outcome says what became of a data file with one changed byte.
type Outcome struct {
	// Named means that the verification named a difference.
	Named bool
	// Refused means that the service did not open the file.
	Refused bool
}

// Flips changes one bit of the file of a closed store at a time, and passes the path of each copy to try.
// The places are spread over the file, and 64 are in its two root pages. The number of places is that of
// the variable KEYWARD_FLIPS, or few. A file whose difference is not named must open, and must have the
// same rows.
func Flips(t *testing.T, path string, few int, try func(flipped string, at int) Outcome) {
	t.Helper()
	places := few
	if text := os.Getenv("KEYWARD_FLIPS"); text != "" {
		var err error
		if places, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const inRoots = 64
	size := len(bytes.TrimRight(content, "\x00"))
	offsets := make([]int, places)
	for i := range offsets {
		if i < inRoots {
			const header, root = 16, 64
			offsets[i] = i%2*os.Getpagesize() + header + i/2*root/(inRoots/2) + random(t, 2)
			continue
		}
		offsets[i] = i*size/places + random(t, max(1, size/places))
	}
	want := Rows(t, path)
	dir := t.TempDir()
	var named, refused, unused int
	for _, at := range offsets {
		flipped := filepath.Join(dir, filepath.Base(path))
		spoiled := bytes.Clone(content[:max(size, at+1)])
		spoiled[at] ^= 1 << random(t, 8)
		write(t, flipped, spoiled, len(content))
		got := try(flipped, at)
		switch {
		case got.Refused:
			refused++
			if !got.Named {
				t.Errorf("byte %d: the service does not open the file, and no difference is named", at)
			}
		case got.Named:
			named++
		default:
			unused++
			write(t, flipped, spoiled, len(content))
			if !maps.EqualFunc(Rows(t, flipped), want, bytes.Equal) {
				t.Errorf("byte %d: the file has other rows, and no difference is named", at)
			}
		}
	}
	t.Logf("%d flips: %d are in unused space, %d are named, and %d of a file that does not open are named", places, unused, named, refused)
}

// write writes a file of a size whose bytes behind content are zero. A data file is long and nearly empty.
func write(t *testing.T, path string, content []byte, size int) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, content, 0o600), os.Truncate(path, int64(size))); err != nil {
		t.Fatal(err)
	}
}

// random returns a number that is less than n.
func random(t *testing.T, n int) int {
	t.Helper()
	number, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		t.Fatal(err)
	}
	return int(number.Int64())
}
