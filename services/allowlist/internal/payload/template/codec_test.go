package template_test

import (
	"bytes"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

func TestBytesAreWrittenInEveryEncoding(t *testing.T) {
	t.Parallel()
	b := []byte{0xfb, 0xef, 0xff, 0x0a}
	for e, want := range map[template.Encoding]string{
		template.Base64: "++//Cg==", template.Base64URL: "--__Cg", template.Hex: "fbefff0a", template.HexUpper: "FBEFFF0A", template.Raw: "\xfb\xef\xff\n",
	} {
		c := template.NewCodec(e)
		if got := c.AppendEncoded([]byte("ab"), b); string(got) != "ab"+want || c.EncodedLen(len(b)) != len(want) {
			t.Errorf("encoding %d: %q of %d bytes, want %q", e, got, c.EncodedLen(len(b)), want)
		}
		for _, char := range []byte(want) {
			if !c.Chars().Has(char) {
				t.Errorf("encoding %d writes %q, which it may not hold", e, char)
			}
		}
	}
}

func TestBytesAreReadInEveryEncoding(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		e    template.Encoding
		text string
		ok   bool
	}{
		{"base64", template.Base64, "++//Cg==", true},
		{"base64 without padding", template.Base64, "++//Cg", true},
		{"base64url with padding", template.Base64URL, "--__Cg==", true},
		{"base64url characters in base64", template.Base64, "--__Cg==", false},
		{"base64 characters in base64url", template.Base64URL, "++//Cg", false},
		{"bits that are left over", template.Base64, "++//Ch==", false},
		{"half of the padding", template.Base64, "++//Cg=", false},
		{"a line end in base64", template.Base64, "++//\nCg==", false},
		{"a carriage return in base64", template.Base64, "++//\rCg==", false},
		{"lower-case hexadecimal", template.HexUpper, "fbefff0a", true},
		{"upper-case hexadecimal", template.Hex, "FBEFFF0A", true},
		{"half a byte", template.Hex, "fbefff0", false},
		{"raw", template.Raw, "\xfb\xef\xff\n", true},
	} {
		c := template.NewCodec(test.e)
		got, ok := c.AppendDecoded(nil, []byte(test.text))
		if ok != test.ok || ok && !bytes.Equal(got, []byte{0xfb, 0xef, 0xff, 0x0a}) {
			t.Errorf("%s: AppendDecoded(%q) = %x, %v, want %v", test.name, test.text, got, ok, test.ok)
		}
		if c.MaxDecodedLen(len(test.text)) < len(got) {
			t.Errorf("%s: MaxDecodedLen = %d, less than %d", test.name, c.MaxDecodedLen(len(test.text)), len(got))
		}
	}
}

func FuzzCodec(f *testing.F) {
	for e := template.Base64; e <= template.Raw; e++ {
		f.Add(byte(e), []byte("++//Cg"))
		f.Add(byte(e), []byte("FBefff0a"))
	}
	f.Fuzz(func(t *testing.T, e byte, text []byte) {
		c := template.NewCodec(template.Encoding(e % 5))
		b, ok := c.AppendDecoded(nil, text)
		if !ok {
			return
		}
		for _, char := range text {
			if !c.Chars().Has(char) {
				t.Errorf("encoding %d reads %q, which it may not hold", e%5, char)
			}
		}
		again, ok := c.AppendDecoded(nil, c.AppendEncoded(nil, b))
		if !ok || !bytes.Equal(b, again) {
			t.Errorf("encoding %d reads %q as %x, writes that and reads %x, %v", e%5, text, b, again, ok)
		}
	})
}
