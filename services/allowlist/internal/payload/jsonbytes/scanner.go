package jsonbytes

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is the maximum depth of nested arrays and objects, so that a body of nothing but
// brackets cannot exhaust the stack.
const MaxDepth = 128

// A Scanner reads JSON text from front to back. Its methods report whether the text was valid;
// after a false, do not read on. The caller must check that the text is UTF-8.
type Scanner struct {
	text  []byte
	i     int
	depth int
}

// Scan returns a scanner at the beginning of text.
func Scan(text []byte) *Scanner { return &Scanner{text: text} }

// Valid reports whether text is one JSON value in UTF-8.
func Valid(text []byte) bool {
	s := Scanner{text: text}
	return utf8.Valid(text) && s.Value() && s.End()
}

// Peek skips white space and returns the next character, or 0 at the end.
func (s *Scanner) Peek() byte {
	for ; s.i < len(s.text); s.i++ {
		switch c := s.text[s.i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take skips white space and the character c.
func (s *Scanner) take(c byte) bool {
	if s.Peek() != c {
		return false
	}
	s.i++
	return true
}

// End reports whether only white space is left.
func (s *Scanner) End() bool { return s.Peek() == 0 && s.i == len(s.text) }

// Value skips a value.
func (s *Scanner) Value() bool {
	switch s.Peek() {
	case '{':
		return s.Object(func([]byte) bool { return s.Value() })
	case '[':
		return s.Array(func(int) bool { return s.Value() })
	case '"':
		_, ok := s.Quoted()
		return ok
	default:
		_, ok := s.Scalar()
		return ok
	}
}

// Raw skips a value and returns its text.
func (s *Scanner) Raw() (raw []byte, ok bool) {
	s.Peek()
	start := s.i
	ok = s.Value()
	return s.text[start:s.i], ok
}

// Object reads an object. It calls member with the name of each member, as it appears between
// the quotes; member reads the value.
func (s *Scanner) Object(member func(name []byte) bool) bool {
	return s.list('{', '}', func(int) bool {
		if s.Peek() != '"' {
			return false
		}
		name, ok := s.Quoted()
		return ok && s.take(':') && member(name)
	})
}

// Array reads an array. It calls element with the position of each element; element reads it.
func (s *Scanner) Array(element func(i int) bool) bool { return s.list('[', ']', element) }

// list reads the comma-separated items between two brackets.
func (s *Scanner) list(open, end byte, item func(i int) bool) bool {
	if !s.take(open) || s.depth == MaxDepth {
		return false
	}
	s.depth++
	if s.Peek() != end {
		for i := 0; ; i++ {
			if !item(i) {
				return false
			}
			if s.Peek() != ',' {
				break
			}
			s.i++
		}
	}
	s.depth--
	return s.take(end)
}

// Quoted reads a string and returns its content between the quotes.
func (s *Scanner) Quoted() (raw []byte, ok bool) {
	if !s.take('"') {
		return nil, false
	}
	start := s.i
	for {
		s.i += plainLen(s.text[s.i:])
		if s.i == len(s.text) {
			return nil, false
		}
		switch c := s.text[s.i]; {
		case c == '"':
			s.i++
			return s.text[start : s.i-1], true
		case c != '\\' || !s.escape():
			return nil, false
		}
	}
}

// plainLen returns the number of bytes before the next quote, backslash, or control character.
// It processes eight bytes at a time because ciphertexts are long.
func plainLen(text []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(text); i += 8 {
		v := binary.LittleEndian.Uint64(text[i:])
		quote, backslash := v^(ones*'"'), v^(ones*'\\')
		// The lowest set top bit of each term is exact; higher ones may be borrowed.
		found := ((v-ones*0x20)&^v | (quote-ones)&^quote | (backslash-ones)&^backslash) & tops
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < 0x20 || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// escape skips a backslash and the rest of its escape sequence.
func (s *Scanner) escape() bool {
	if s.i+2 > len(s.text) {
		return false
	}
	c := s.text[s.i+1]
	s.i += 2
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		_, ok := hex4(s.text[s.i:])
		s.i += 4
		return ok
	default:
		return false
	}
}

// Scalar reads a number, true, false, or null and returns it.
func (s *Scanner) Scalar() (raw []byte, ok bool) {
	c := s.Peek()
	start := s.i
	switch c {
	case 't':
		ok = s.word("true")
	case 'f':
		ok = s.word("false")
	case 'n':
		ok = s.word("null")
	default:
		ok = s.number()
	}
	return s.text[start:s.i], ok
}

func (s *Scanner) word(word string) bool {
	if len(s.text)-s.i < len(word) || string(s.text[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

func (s *Scanner) number() bool {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		return s.digits()
	}
	return true
}

func (s *Scanner) skip(c byte) bool {
	if s.i == len(s.text) || s.text[s.i] != c {
		return false
	}
	s.i++
	return true
}

func (s *Scanner) digits() bool {
	start := s.i
	for s.i < len(s.text) && '0' <= s.text[s.i] && s.text[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}
