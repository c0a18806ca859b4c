package symmetric

import (
	"bytes"
	"crypto/rand"
	"testing"
)

func TestValuesLeaveTheirFrameAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, f := range []Framing{{}, {Random: 16}, {Length: true}, {Random: 16, Length: true, Suffix: "corp"}, {Random: 64, Length: true}} {
		for _, n := range []int{0, 1, 31, 4096} {
			value := bytes.Repeat([]byte{'x'}, n)
			framed, err := f.Wrap(rand.Reader, value)
			if err != nil || len(framed) != f.Len(n) {
				t.Fatalf("Wrap(%d bytes) in %+v = %d bytes, %v, want %d", n, f, len(framed), err, f.Len(n))
			}
			if got, ok := f.Unwrap(framed); !ok || !bytes.Equal(got, value) {
				t.Errorf("Unwrap of %d bytes in %+v = %q, %v", n, f, got, ok)
			}
		}
	}
}

func TestOnlyExactFramesAreUnwrapped(t *testing.T) {
	t.Parallel()
	f := Framing{Random: 4, Length: true, Suffix: "id"}
	for name, framed := range map[string]string{
		"nothing":                  "",
		"too short for its frame":  "abcd\x00\x00\x00",
		"a length that is greater": "abcd\x00\x00\x00\x04msgid",
		"a length that is less":    "abcd\x00\x00\x00\x02msgid",
		"a length of 4 GiB":        "abcd\xff\xff\xff\xffmsgid",
		"a length with its sign":   "abcd\x80\x00\x00\x03msgid",
		"another suffix":           "abcd\x00\x00\x00\x03msgiD",
		"no suffix":                "abcd\x00\x00\x00\x03msg",
		"bytes after the suffix":   "abcd\x00\x00\x00\x03msgid\x00",
	} {
		if value, ok := f.Unwrap([]byte(framed)); ok {
			t.Errorf("Unwrap of a frame with %s = %q", name, value)
		}
	}
}

func FuzzFraming(f *testing.F) {
	f.Add(uint8(16), true, "corp", []byte("0123456789abcdef\x00\x00\x00\x03msgcorp"))
	f.Add(uint8(0), false, "", []byte(""))
	f.Fuzz(func(t *testing.T, random uint8, length bool, suffix string, framed []byte) {
		frame := Framing{Random: int(random), Length: length, Suffix: suffix}
		value, ok := frame.Unwrap(framed)
		if !ok {
			return
		}
		again, err := frame.Wrap(rand.Reader, value)
		if err != nil || !bytes.Equal(again[frame.Random:], framed[frame.Random:]) {
			t.Errorf("Wrap(Unwrap(%q)) = %q, %v", framed, again, err)
		}
	})
}
