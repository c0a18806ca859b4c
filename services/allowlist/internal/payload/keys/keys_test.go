package keys_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeReadsWhatPartnersSend(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		decoding keys.Decoding
		stored   string
		want     string
	}{
		{"raw bytes are taken as they are", keys.Raw, " k\n", " k\n"},
		{"hexadecimal in lower case", keys.Hex, "00ff1a", "\x00\xff\x1a"},
		{"hexadecimal in upper case with a line end", keys.Hex, "00FF1A\r\n", "\x00\xff\x1a"},
		{"base64 with padding", keys.Base64, "+/8=", "\xfb\xff"},
		{"base64 without padding", keys.Base64, "\t+/8", "\xfb\xff"},
		{"base64 of whole groups", keys.Base64, "+/8A", "\xfb\xff\x00"},
		{"base64url with padding", keys.Base64URL, "-_8=", "\xfb\xff"},
		{"base64url without padding", keys.Base64URL, "-_8 ", "\xfb\xff"},
		{"a webhook secret", keys.Whsec, "whsec_+/8=\n", "\xfb\xff"},
		{"a webhook secret without its prefix", keys.Whsec, "+/8=", "\xfb\xff"},
		{"PEM is a text still", keys.PEM, "\n-----BEGIN\n", "-----BEGIN"},
		{"nothing is no bytes", keys.Hex, " ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := keys.Decode(tt.decoding, []byte(tt.stored))
			if err != nil || string(got) != tt.want {
				t.Errorf("Decode(%q) = %q, %v, want %q", tt.stored, got, err, tt.want)
			}
		})
	}
}

func TestDecodeRefusesWhatIsWrittenOtherwise(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		decoding keys.Decoding
		stored   string
	}{
		{"an odd number of digits", keys.Hex, "00f"},
		{"a letter that is no digit", keys.Hex, "0g"},
		{"white space inside hexadecimal", keys.Hex, "00 ff"},
		{"base64url as base64", keys.Base64, "-_8="},
		{"base64 as base64url", keys.Base64URL, "+/8="},
		{"a line end inside base64", keys.Base64, "+/8A\n+/8A"},
		{"too much padding", keys.Base64, "+/8=="},
		{"bits behind the last byte", keys.Base64, "+/9="},
		{"a webhook secret that is not base64", keys.Whsec, "whsec_!"},
		{"a prefix that is not white space", keys.Base64, "\u00a0+/8="},
		{"an unknown decoding", keys.PEM + 1, "00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := keys.Decode(tt.decoding, []byte(tt.stored))
			if !errors.Is(err, keys.ErrDecoding) || got != nil {
				t.Errorf("Decode(%q) = %q, %v, want ErrDecoding", tt.stored, got, err)
			}
		})
	}
}

// TestDecodedKeyMayBeZeroed keeps the stored value out of reach of who zeroes the key.
func TestDecodedKeyMayBeZeroed(t *testing.T) {
	t.Parallel()
	for decoding := keys.Raw; decoding <= keys.PEM; decoding++ {
		stored := []byte("00112233")
		key, err := keys.Decode(decoding, stored)
		if err != nil {
			t.Fatal(err)
		}
		clear(key[:cap(key)])
		if string(stored) != "00112233" {
			t.Errorf("decoding %d shares its bytes with the stored value", decoding)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "00fF", "+/8=", "-_8", "whsec_+/8=", " \n", "=", "====", "A", "-----BEGIN"} {
		for decoding := keys.Raw; decoding <= keys.PEM; decoding++ {
			f.Add(int(decoding), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, decoding int, stored []byte) {
		before := bytes.Clone(stored)
		key, err := keys.Decode(keys.Decoding(decoding), stored)
		if err != nil && !errors.Is(err, keys.ErrDecoding) {
			t.Fatalf("Decode = %v, want ErrDecoding", err)
		}
		if len(key) > len(stored) {
			t.Fatalf("%d bytes decode to %d", len(stored), len(key))
		}
		if !bytes.Equal(stored, before) {
			t.Fatal("Decode changes what is stored")
		}
		if err == nil && keys.Decoding(decoding) == keys.Hex {
			again, err := keys.Decode(keys.Hex, []byte(hex.EncodeToString(key)))
			if err != nil || !bytes.Equal(again, key) {
				t.Fatalf("Decode of the key's hexadecimal = %x, %v, want %x", again, err, key)
			}
		}
	})
}
