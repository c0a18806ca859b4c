package keyring

import (
	"bytes"
	"math/bits"
	"testing"
)

func TestPaddingLeaksOnlyItsBuckets(t *testing.T) {
	t.Parallel()
	buckets := map[int]bool{}
	for size, last := 0, 0; size <= 64<<10; size++ {
		padded := paddedSize(size)
		if padded < minPadded || padded < size+lengthSize || padded < last {
			t.Fatalf("paddedSize(%d) = %d, want at least %d, the size with its length, and the one before", size, padded, minPadded)
		}
		if padded > minPadded && float64(padded) > 1.12*float64(size+lengthSize) {
			t.Errorf("paddedSize(%d) = %d, more than 12 %% longer", size, padded)
		}
		if size%509 == 0 && len(pad(make([]byte, size))) != padded {
			t.Fatalf("pad(%d bytes) has another length than %d", size, padded)
		}
		buckets[padded], last = true, padded
	}
	// A floating-point number of this size has 5 bits of exponent and as many of
	// mantissa: the length reveals 2 to 5 bits of a size instead of 16.
	if len(buckets) > 180 {
		t.Errorf("sizes up to 64 KiB fall into %d buckets, want at most 180", len(buckets))
	}
	for bucket := range buckets {
		exponent := bits.Len(uint(bucket)) - 1
		if bits.Len(uint(bucket))-bits.TrailingZeros(uint(bucket)) > bits.Len(uint(exponent))+1 {
			t.Errorf("%d is no length of PADMÉ", bucket)
		}
	}
}

func TestPadmeIsThatOfThePaper(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{0: 0, 1: 1, 2: 2, 3: 3, 8: 8, 9: 10, 100: 104, 1000: 1024, 1025: 1088, 65536: 65536, 65537: 67584} {
		if got := padme(size); got != want {
			t.Errorf("padme(%d) = %d, want %d", size, got, want)
		}
	}
}

func FuzzUnpad(f *testing.F) {
	for _, seed := range [][]byte{nil, {0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 1}, {255, 255, 255, 255, 0}, pad([]byte("value"))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := unpad(data)
		if err == nil && !bytes.HasPrefix(data[lengthSize:], value) {
			t.Errorf("unpad(%x) = %x, want a part of it", data, value)
		}
		if value, err := unpad(pad(data)); err != nil || !bytes.Equal(value, data) {
			t.Errorf("unpad(pad(%x)) = %x, %v, want the same", data, value, err)
		}
	})
}
