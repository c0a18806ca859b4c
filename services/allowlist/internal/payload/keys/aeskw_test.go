package keys_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// TestKeyWrapIsThatOfTheRFC uses the vectors of RFC 3394 section 4.
func TestKeyWrapIsThatOfTheRFC(t *testing.T) {
	t.Parallel()
	const kek, data = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
	for _, tt := range []struct {
		name      string
		kek, data int // number of bytes
		want      string
	}{
		{"4.1", 16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{"4.2", 24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
		{"4.3", 32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
		{"4.4", 24, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},
		{"4.5", 32, 24, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
		{"4.6", 32, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
	} {
		kek, data := unhex(t, kek)[:tt.kek], unhex(t, data)[:tt.data]
		wrapped, err := keys.WrapAES(kek, data)
		if err != nil || hex.EncodeToString(wrapped) != tt.want {
			t.Errorf("%s: WrapAES = %x, %v, want %s", tt.name, wrapped, err, tt.want)
			continue
		}
		if key, err := keys.UnwrapAES(kek, wrapped); err != nil || !bytes.Equal(key, data) {
			t.Errorf("%s: UnwrapAES = %x, %v, want %x", tt.name, key, err, data)
		}
	}
}

func TestKeyWrapRefusesInvalidLengths(t *testing.T) {
	t.Parallel()
	kek := make([]byte, 16)
	for _, n := range []int{0, 8, 15, 17, 20, 4 << 10, 1 << 20} {
		if wrapped, err := keys.WrapAES(kek, make([]byte, n)); !errors.Is(err, keys.ErrLength) || wrapped != nil {
			t.Errorf("WrapAES of %d bytes = %x, %v, want ErrLength", n, wrapped, err)
		}
	}
	for _, n := range []int{0, 8, 16, 23, 25, 4<<10 + 8, 1 << 20} {
		if key, err := keys.UnwrapAES(kek, make([]byte, n)); !errors.Is(err, keys.ErrUnwrap) || key != nil {
			t.Errorf("UnwrapAES of %d bytes = %x, %v, want ErrUnwrap", n, key, err)
		}
	}
	for _, n := range []int{0, 15, 20, 33} {
		if _, err := keys.WrapAES(make([]byte, n), kek); !errors.Is(err, keys.ErrKey) {
			t.Errorf("WrapAES under %d bytes = %v, want ErrKey", n, err)
		}
		if _, err := keys.UnwrapAES(make([]byte, n), make([]byte, 24)); !errors.Is(err, keys.ErrKey) {
			t.Errorf("UnwrapAES under %d bytes = %v, want ErrKey", n, err)
		}
	}
}

func TestChangedKeyWrapDoesNotOpen(t *testing.T) {
	t.Parallel()
	kek, key := []byte("0123456789abcdef"), bytes.Repeat([]byte("k"), 40)
	wrapped, err := keys.WrapAES(kek, key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(wrapped) {
		changed := bytes.Clone(wrapped)
		changed[i/8] ^= 1 << (i % 8)
		if got, err := keys.UnwrapAES(kek, changed); !errors.Is(err, keys.ErrUnwrap) || got != nil {
			t.Fatalf("UnwrapAES with bit %d changed = %x, %v, want ErrUnwrap", i, got, err)
		}
	}
}

func FuzzUnwrapAES(f *testing.F) {
	kek := []byte("0123456789abcdef")
	for _, n := range []int{16, 24, 32, 64} {
		wrapped, err := keys.WrapAES(kek, bytes.Repeat([]byte("k"), n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(kek, wrapped)
		f.Add(kek, wrapped[:len(wrapped)-8])
	}
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, kek, wrapped []byte) {
		key, err := keys.UnwrapAES(kek, wrapped)
		if err != nil {
			if key != nil || !errors.Is(err, keys.ErrUnwrap) && !errors.Is(err, keys.ErrKey) {
				t.Fatalf("UnwrapAES = %x, %v", key, err)
			}
			return
		}
		if again, err := keys.WrapAES(kek, key); err != nil || !bytes.Equal(again, wrapped) {
			t.Fatalf("WrapAES of the unwrapped key = %x, %v, want %x", again, err, wrapped)
		}
	})
}
