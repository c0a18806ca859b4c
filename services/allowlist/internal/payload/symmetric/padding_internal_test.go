package symmetric

import (
	"bytes"
	"testing"
)

func TestPaddingIsToldWhateverItIs(t *testing.T) {
	t.Parallel()
	for _, block := range []int{8, 16} {
		for n := range 2*block + 1 {
			padded := PKCS7.append(nil, bytes.Repeat([]byte{'x'}, n), block)
			if got, ok := PKCS7.unpaddedLen(padded, block); !ok || got != n || len(padded) != PKCS7.paddedLen(n, block) || len(padded)%block != 0 {
				t.Errorf("%d bytes padded to %d: unpaddedLen = %d, %v", n, len(padded), got, ok)
			}
			for i := n; i < len(padded); i++ {
				changed := bytes.Clone(padded)
				changed[i] ^= 0x40
				if got, ok := PKCS7.unpaddedLen(changed, block); ok {
					t.Errorf("%d bytes with byte %d of %d of the padding changed: unpaddedLen = %d", n, i, len(padded), got)
				}
			}
		}
		for _, last := range []byte{0, byte(block) + 1, 255} {
			if n, ok := PKCS7.unpaddedLen(bytes.Repeat([]byte{last}, 2*block), block); ok {
				t.Errorf("unpaddedLen of only %d = %d", last, n)
			}
		}
	}
	if n, ok := PKCS7.unpaddedLen(nil, 16); ok {
		t.Errorf("unpaddedLen of nothing = %d", n)
	}
}

func TestPaddingForBlocksOf32BytesDoesNotDependOnTheCipher(t *testing.T) {
	t.Parallel()
	for n := range 100 {
		text := bytes.Repeat([]byte{'x'}, n)
		padded := PKCS7For32.append(nil, text, 16)
		if got, ok := PKCS7For32.unpaddedLen(padded, 16); !ok || got != n || len(padded)%32 != 0 || len(padded) != PKCS7For32.paddedLen(n, 8) {
			t.Errorf("%d bytes padded to %d: unpaddedLen = %d, %v", n, len(padded), got, ok)
		}
		for i := n; i < len(padded); i++ {
			changed := bytes.Clone(padded)
			changed[i] ^= 0x40
			if got, ok := PKCS7For32.unpaddedLen(changed, 16); ok {
				t.Errorf("%d bytes with byte %d of the padding changed: unpaddedLen = %d", n, i, got)
			}
		}
	}
	for _, length := range []int{0, 16, 48} { // of whole blocks of the cipher only
		if n, ok := PKCS7For32.unpaddedLen(bytes.Repeat([]byte{1}, length), 16); ok {
			t.Errorf("unpaddedLen of %d bytes = %d", length, n)
		}
	}
	if n, ok := PKCS7For32.unpaddedLen(bytes.Repeat([]byte{33}, 64), 16); ok {
		t.Errorf("unpaddedLen of 33 bytes of padding = %d", n)
	}
}

func TestOtherPaddingsCannotBeWrong(t *testing.T) {
	t.Parallel()
	for n := range 33 {
		text := bytes.Repeat([]byte{'x'}, n)
		padded := ZeroPadding.append(nil, text, 16)
		if got, ok := ZeroPadding.unpaddedLen(padded, 16); !ok || got != n || len(padded) != (n+15)/16*16 {
			t.Errorf("%d bytes padded with zeros to %d: unpaddedLen = %d, %v", n, len(padded), got, ok)
		}
		if got := NoPadding.append(nil, text, 16); !bytes.Equal(got, text) {
			t.Errorf("%d bytes without padding = %x", n, got)
		}
	}
	if n, _ := ZeroPadding.unpaddedLen([]byte{1, 0, 2, 0, 0, 0}, 1); n != 3 {
		t.Errorf("zeros at the end: unpaddedLen = %d, want 3", n)
	}
}
