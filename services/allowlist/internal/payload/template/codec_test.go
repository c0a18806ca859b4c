package template_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

func TestBytesAreWrittenInEveryEncoding(t *testing.T) {
	t.Parallel()
	b := []byte{0xfb, 0xef, 0xff, 0x0a}
	for e, want := range map[template.Encoding]string{
		template.Base64: "++//Cg==", template.Base64URL: "--__Cg", template.Hex: "fbefff0a", template.HexUpper: "FBEFFF0A", template.Raw: "\xfb\xef\xff\n",
		template.Base64MIME: "++//Cg==", template.Base64URLPadded: "--__Cg==",
	} {
		c := template.NewCodec(e)
		if got := c.AppendEncoded([]byte("ab"), b); string(got) != "ab"+want || c.EncodedLen(len(b)) != len(want) {
			t.Errorf("encoding %d: %q of %d bytes, want %q", e, got, c.EncodedLen(len(b)), want)
		}
		for _, char := range []byte(want) {
			if !c.Chars().Has(char) {
				t.Errorf("encoding %d writes %q, which Chars does not contain", e, char)
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
		{"base64 in lines", template.Base64MIME, "++//\r\nCg==", true},
		{"base64 in one line", template.Base64MIME, "++//Cg==", true},
		{"base64 in lines without padding", template.Base64MIME, "++\n//Cg\n", true},
		{"a line end in a group and in the padding", template.Base64MIME, "\n+\r+//C\n\ng=\r\n=\n", true},
		{"line ends alone", template.Base64MIME, "\r\n\r\n", false},
		{"a blank in base64 in lines", template.Base64MIME, "++// Cg==", false},
		{"a tab in base64 in lines", template.Base64MIME, "++//\tCg==", false},
		{"half of the padding in lines", template.Base64MIME, "++//\nCg=\n", false},
		{"padding in the middle of lines", template.Base64MIME, "++//Cg==\n++//", false},
		{"bits that are left over in lines", template.Base64MIME, "++//\nCh==", false},
		{"base64url characters in lines", template.Base64MIME, "--__\nCg==", false},
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

func TestBase64IsReadAsItArrives(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"++//Cg==": true, "++//Cg": true, "--__Cg==": true, "--__Cg": true,
		"++//\nCg==": true, "--__\r\nCg": true, "\n+\r+//C\n\ng=\r\n=\n": true,
		"++__Cg==": false, "-+//Cg": false, "++//Cg=": false, "++//Ch==": false, "--__Ch": false, "++// Cg": false, "++//\tCg": false,
		"\r\n": false, "++//Cg==++//": false, "++//C": false,
	} {
		for _, e := range []template.Encoding{template.Base64, template.Base64URL, template.Base64MIME, template.Base64URLPadded} {
			c := template.NewCodec(e).Lenient()
			got, read := c.AppendDecoded([]byte("ab"), []byte(text))
			if read != ok || ok && string(got) != "ab\xfb\xef\xff\n" {
				t.Errorf("encoding %d: AppendDecoded(%q) = %x, %v, want %v", e, text, got, read, ok)
			}
			if b := []byte{0xfb, 0xef, 0xff}; string(c.AppendEncoded(nil, b)) != string(template.NewCodec(e).AppendEncoded(nil, b)) {
				t.Errorf("encoding %d: a lenient codec writes %s", e, c.AppendEncoded(nil, b))
			}
		}
	}
	for _, e := range []template.Encoding{template.Hex, template.Raw} {
		if _, ok := template.NewCodec(e).Lenient().AppendDecoded(nil, []byte("ab\n")); ok != (e == template.Raw) {
			t.Errorf("encoding %d with a line end is read: %v", e, ok)
		}
	}
}

// Holes end where the template says, whatever a lenient codec could read.
func TestHolesOfLenientCodecsEndWhereTheirLiteralBegins(t *testing.T) {
	t.Parallel()
	c := template.NewCodec(template.Base64).Lenient()
	holes := func(fixed bool) []template.Hole {
		return []template.Hole{{Name: "a", Chars: c.Chars(), Fixed: fixed}, {Name: "b", Chars: c.Chars()}}
	}
	for _, tt := range []struct {
		text, received string
		fixed          bool
		a, b           string // empty if the message is refused
	}{
		{"${a}-${b}", "++//-++//", false, "++//", "++//"},
		{"${a}-${b}", "++//---__", false, "++//", "--__"},
		{"${a}-${b}", "--__-++//", false, "", ""},
		{"${a}_${b}", "-A_B_AAAA", false, "-A", "B_AAAA"},
		{"${a}\n${b}", "++\r//\n++\n//", false, "++\r//", "++\n//"},
		{"${a}${b}", "++//--__", true, "++//", "--__"},
		{"${a}${b}", "++\n//++//", true, "++\n/", "/++//"}, // a lacks a byte, and is refused for that
		{"<${a}>${b}", "<+\n+//>++\r\n//\n", false, "+\n+//", "++\r\n//"},
	} {
		made, violation := template.Text(tt.text, holes(tt.fixed))
		if violation != "" {
			t.Errorf("Text(%q): %s", tt.text, violation)
			continue
		}
		found := make([][]byte, 2)
		ok := made.Read([]byte(tt.received), found, []int{4, -1})
		if ok && tt.a == "" {
			_, ok = c.AppendDecoded(nil, found[1])
		}
		if ok != (tt.a != "") || ok && (string(found[0]) != tt.a || string(found[1]) != tt.b) {
			t.Errorf("%q reads %q as %q, %v, want %q and %q", tt.text, tt.received, found, ok, tt.a, tt.b)
		}
	}
}

// Lines are those of RFC 2045, whatever is left for the last one.
func TestBase64InLinesIsThatOfMIME(t *testing.T) {
	t.Parallel()
	c := template.NewCodec(template.Base64MIME)
	for _, n := range []int{0, 1, 56, 57, 58, 114, 115, 3077, 3078, 3079, 9000} {
		b := bytes.Repeat([]byte{0xab}, n)
		got := c.AppendEncoded(nil, b)
		lines := bytes.Split(got, []byte("\r\n"))
		for i, line := range lines {
			if last := i == len(lines)-1; len(line) > 76 || !last && len(line) != 76 || last && len(line) == 0 && n > 0 {
				t.Errorf("%d bytes: line %d has %d characters", n, i, len(line))
			}
		}
		if want := base64.StdEncoding.EncodeToString(b); string(bytes.Join(lines, nil)) != want {
			t.Errorf("%d bytes are written as %q", n, got)
		}
		if len(got) != c.EncodedLen(n) {
			t.Errorf("%d bytes: EncodedLen = %d, and %d are written", n, c.EncodedLen(n), len(got))
		}
	}
}

func TestHashedTextsAreTheWrittenOnes(t *testing.T) {
	t.Parallel()
	b := bytes.Repeat([]byte("what is encoded and hashed"), 400)
	for e := template.Base64; e <= last; e++ {
		c := template.NewCodec(e)
		for _, n := range []int{0, 1, 57, 3077, 3078, 3079, 6156, 9001} {
			h := sha256.New()
			c.WriteEncoded(h, b[:n])
			if want := sha256.Sum256(c.AppendEncoded(nil, b[:n])); !bytes.Equal(h.Sum(nil), want[:]) {
				t.Errorf("encoding %d, %d bytes: the hashed text differs from the written text", e, n)
			}
		}
	}
}

// last is the last of the encodings.
const last = template.Base64URLPadded

// FuzzLenientCodec checks that all strings of one value are the same, except for what a lenient codec
// ignores.
func FuzzLenientCodec(f *testing.F) {
	f.Add([]byte("++//Cg=="))
	f.Add([]byte("\r\n-\n-__Cg=\r=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := template.NewCodec(template.Base64URL).Lenient()
		b, ok := c.AppendDecoded(nil, text)
		if !ok {
			return
		}
		plain := strings.NewReplacer("\r", "", "\n", "", "+", "-", "/", "_", "=", "").Replace(string(text))
		if again := c.AppendEncoded(nil, b); string(again) != plain || len(b) > c.MaxDecodedLen(len(text)) {
			t.Errorf("%q is read as %x, which is written as %q", text, b, again)
		}
	})
}

func FuzzCodec(f *testing.F) {
	for e := template.Base64; e <= last; e++ {
		f.Add(byte(e), []byte("++//Cg"))
		f.Add(byte(e), []byte("FBefff0a"))
		f.Add(byte(e), []byte("\r\n+\n+//Cg=\r=\n"))
	}
	f.Fuzz(func(t *testing.T, e byte, text []byte) {
		c := template.NewCodec(template.Encoding(e % byte(last+1)))
		b, ok := c.AppendDecoded(nil, text)
		if !ok {
			return
		}
		for _, char := range text {
			if !c.Chars().Has(char) {
				t.Errorf("encoding %d reads %q, which Chars does not contain", e%byte(last+1), char)
			}
		}
		again, ok := c.AppendDecoded(nil, c.AppendEncoded(nil, b))
		if !ok || !bytes.Equal(b, again) {
			t.Errorf("encoding %d reads %q as %x, writes that and reads %x, %v", e%byte(last+1), text, b, again, ok)
		}
	})
}
