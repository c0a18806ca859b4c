package keyform_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
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
		decoding keyform.Decoding
		stored   string
		want     string
	}{
		{"raw bytes are taken as they are", keyform.Raw, " k\n", " k\n"},
		{"hexadecimal in lower case", keyform.Hex, "00ff1a", "\x00\xff\x1a"},
		{"hexadecimal in upper case with a line end", keyform.Hex, "00FF1A\r\n", "\x00\xff\x1a"},
		{"base64 with padding", keyform.Base64, "+/8=", "\xfb\xff"},
		{"base64 without padding", keyform.Base64, "\t+/8", "\xfb\xff"},
		{"base64 of whole groups", keyform.Base64, "+/8A", "\xfb\xff\x00"},
		{"base64url with padding", keyform.Base64URL, "-_8=", "\xfb\xff"},
		{"base64url without padding", keyform.Base64URL, "-_8 ", "\xfb\xff"},
		{"a webhook secret", keyform.Whsec, "whsec_+/8=\n", "\xfb\xff"},
		{"a webhook secret without its prefix", keyform.Whsec, "+/8=", "\xfb\xff"},
		{"a webhook secret in lines", keyform.Whsec, "whsec_+/8A\r\n+/8=", "\xfb\xff\x00\xfb\xff"},
		{"base64url as base64", keyform.Base64, "-_8=", "\xfb\xff"},
		{"base64 as base64url", keyform.Base64URL, "+/8", "\xfb\xff"},
		{"random characters, as WeCom generates them", keyform.Base64, "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "\x8d\x69\x98\x9b\xba\xab\xe6\x73\x28\x01\x4c\x19\x46\x31\xad\x07\x19\xb3\xdc\xa0\x35\xb6\x40\x23\xdf\x29\x24\x47\xaa\xb6\x07\x60"},
		{"the same with padding", keyform.Base64, "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C=", "\x8d\x69\x98\x9b\xba\xab\xe6\x73\x28\x01\x4c\x19\x46\x31\xad\x07\x19\xb3\xdc\xa0\x35\xb6\x40\x23\xdf\x29\x24\x47\xaa\xb6\x07\x60"},
		{"base64 in lines", keyform.Base64, "+/8A\n+/8A\n", "\xfb\xff\x00\xfb\xff\x00"},
		{"hexadecimal with colons", keyform.Hex, "00:ff:1A", "\x00\xff\x1a"},
		{"hexadecimal with colons and blanks", keyform.Hex, "00: ff: 1a", "\x00\xff\x1a"},
		{"hexadecimal in groups", keyform.Hex, "00ff 1a2b", "\x00\xff\x1a\x2b"},
		{"hexadecimal in lines", keyform.Hex, "00ff\r\n1a\r\n", "\x00\xff\x1a"},
		{"hexadecimal with a prefix", keyform.Hex, "0x00FF1a", "\x00\xff\x1a"},
		{"hexadecimal with a prefix in groups", keyform.Hex, "0X00FF 1a", "\x00\xff\x1a"},
		{"a list of bytes", keyform.Hex, "0x00, 0xff,0x1A", "\x00\xff\x1a"},
		{"a list of bytes in lines", keyform.Hex, "0x00,\n0xff,\n0x1A\n", "\x00\xff\x1a"},
		{"a list of bytes with blanks", keyform.Hex, "0x00 0xff", "\x00\xff"},
		{"a byte order mark", keyform.Hex, "\xef\xbb\xbf00ff", "\x00\xff"},
		{"UTF-16 of Windows", keyform.Hex, "\xff\xfe0\x000\x00f\x00f\x00\r\x00\n\x00", "\x00\xff"},
		{"UTF-16 that begins with its large end", keyform.Base64, "\xfe\xff\x00+\x00/\x008\x00=", "\xfb\xff"},
		{"UTF-16 without a mark", keyform.Hex, "0\x000\x00f\x00f\x00", "\x00\xff"},
		{"PEM is a text still", keyform.PEM, "\n-----BEGIN\n", "-----BEGIN"},
		{"nothing is no bytes", keyform.Hex, " ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := keyform.Decode(tt.decoding, []byte(tt.stored))
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
		decoding keyform.Decoding
		stored   string
	}{
		{"an odd number of digits", keyform.Hex, "00f"},
		{"a letter that is no digit", keyform.Hex, "0g"},
		{"both alphabets at once", keyform.Base64, "+_8="},
		{"base64 with a comma", keyform.Base64, "+/8A,+/8A"},
		{"padding inside base64", keyform.Base64, "+/8=+/8="},
		{"escapes of line ends in base64", keyform.Base64, `+/8A\n+/8A`},
		{"base64 in quotation marks", keyform.Base64, `"+/8A"`},
		{"half a byte between colons", keyform.Hex, "0:ff"},
		{"half a byte between blanks", keyform.Hex, "0 0f f"},
		{"a list of decimal bytes", keyform.Hex, "12, 34"},
		{"a list of short bytes", keyform.Hex, "0x1, 0x2"},
		{"a list of long bytes", keyform.Hex, "0x1234, 0x5678"},
		{"a list with an empty element", keyform.Hex, "0x12,, 0x34"},
		{"a list that ends with a comma", keyform.Hex, "0x12, 0x34,"},
		{"a list with an element of another form", keyform.Hex, "0x12, 34"},
		{"a colon at the end", keyform.Hex, "12:34:"},
		{"a colon at the beginning", keyform.Hex, ":12:34"},
		{"two colons", keyform.Hex, "12::34"},
		{"a prefix alone", keyform.Hex, "0x "},
		{"quotation marks", keyform.Hex, `"00ff"`},
		{"too much padding", keyform.Base64, "+/8=="},
		{"bits behind the last byte", keyform.Base64, "+/9="},
		{"bits behind the last of 16 bytes", keyform.Base64, "jWmYm7qr5nMoAUwZRjGtBx"},
		{"a webhook secret that is not base64", keyform.Whsec, "whsec_!"},
		{"a prefix that is not white space", keyform.Base64, "\u00a0+/8="},
		{"PEM of digits only", keyform.Base64, "-----BEGIN A-----\nAAAA"},
		{"an unknown decoding", keyform.PEM + 1, "00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := keyform.Decode(tt.decoding, []byte(tt.stored))
			if !errors.Is(err, keyform.ErrDecoding) || got != nil {
				t.Errorf("Decode(%q) = %q, %v, want ErrDecoding", tt.stored, got, err)
			}
		})
	}
}

// TestDecodedKeyMayBeZeroed keeps the stored value out of reach of who zeroes the key.
func TestDecodedKeyMayBeZeroed(t *testing.T) {
	t.Parallel()
	for decoding := keyform.Raw; decoding <= keyform.PEM; decoding++ {
		stored := []byte("00112233")
		key, err := keyform.Decode(decoding, stored)
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
		for decoding := keyform.Raw; decoding <= keyform.PEM; decoding++ {
			f.Add(int(decoding), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, decoding int, stored []byte) {
		before := bytes.Clone(stored)
		key, err := keyform.Decode(keyform.Decoding(decoding), stored)
		if err != nil && !errors.Is(err, keyform.ErrDecoding) {
			t.Fatalf("Decode = %v, want ErrDecoding", err)
		}
		if len(key) > len(stored) {
			t.Fatalf("%d bytes decode to %d", len(stored), len(key))
		}
		if !bytes.Equal(stored, before) {
			t.Fatal("Decode changes what is stored")
		}
		if err == nil && keyform.Decoding(decoding) == keyform.Hex {
			again, err := keyform.Decode(keyform.Hex, []byte(hex.EncodeToString(key)))
			if err != nil || !bytes.Equal(again, key) {
				t.Fatalf("Decode of the key's hexadecimal = %x, %v, want %x", again, err, key)
			}
		}
	})
}
