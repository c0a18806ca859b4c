package payload

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is how deep arrays and objects may nest, so that a body of nothing
// but brackets cannot exhaust the stack.
const maxDepth = 128

// A scanner reads JSON text (RFC 8259) from front to back, without copying and
// without building anything. Its methods report whether the text was as it has
// to be; after a false nothing more is to be read.
type scanner struct {
	text  []byte
	i     int
	depth int
}

// validJSON reports whether text is one JSON value.
func validJSON(text []byte) bool {
	s := scanner{text: text}
	return utf8.Valid(text) && s.value() && s.end()
}

// peek skips white space and returns the next character, or 0 at the end.
func (s *scanner) peek() byte {
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
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

// end reports whether only white space is left.
func (s *scanner) end() bool { return s.peek() == 0 && s.i == len(s.text) }

// value skips a value.
func (s *scanner) value() bool {
	switch s.peek() {
	case '{':
		return s.object(func([]byte) bool { return s.value() })
	case '[':
		return s.array(func(int) bool { return s.value() })
	case '"':
		_, ok := s.string()
		return ok
	default:
		_, ok := s.scalar()
		return ok
	}
}

// object reads an object. Member reads the value of each member, of which it
// gets the name as it stands between the quotes.
func (s *scanner) object(member func(name []byte) bool) bool {
	return s.list('{', '}', func(int) bool {
		if s.peek() != '"' {
			return false
		}
		name, ok := s.string()
		return ok && s.take(':') && member(name)
	})
}

// array reads an array. Element reads each element, of which it gets the position.
func (s *scanner) array(element func(i int) bool) bool { return s.list('[', ']', element) }

// list reads what stands between two brackets, separated by commas.
func (s *scanner) list(open, end byte, item func(i int) bool) bool {
	if !s.take(open) || s.depth == maxDepth {
		return false
	}
	s.depth++
	if s.peek() != end {
		for i := 0; ; i++ {
			if !item(i) {
				return false
			}
			if s.peek() != ',' {
				break
			}
			s.i++
		}
	}
	s.depth--
	return s.take(end)
}

// string reads a string and returns what stands between its quotes.
func (s *scanner) string() (raw []byte, ok bool) {
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

// plainLen returns how many bytes come before the next quote, backslash or
// control character. It looks at eight bytes at a time: ciphertexts are long.
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

// escape skips a backslash and what belongs to it.
func (s *scanner) escape() bool {
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

// scalar reads a number, true, false or null and returns it.
func (s *scanner) scalar() (raw []byte, ok bool) {
	c := s.peek()
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

func (s *scanner) word(word string) bool {
	if len(s.text)-s.i < len(word) || string(s.text[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

func (s *scanner) number() bool {
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

func (s *scanner) skip(c byte) bool {
	if s.i == len(s.text) || s.text[s.i] != c {
		return false
	}
	s.i++
	return true
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.text) && '0' <= s.text[s.i] && s.text[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}
