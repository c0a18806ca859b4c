package jose

import "github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"

// readMembers reads a JSON object: the text between the quotation marks of its strings, which are
// base64url without escapes in a valid message, and other members with the functions given for
// them. Duplicate and unknown members are refused. The strings alias the scanned text; they are not
// checked to be UTF-8.
//
// It does not copy, because a message may be large, and its sender decides how many members it has.
func readMembers(s *jsonbytes.Scanner, texts map[string]*[]byte, other map[string]func() bool) error {
	seen := make(map[string]bool, len(texts)+len(other))
	ok := s.Object(func(raw []byte) bool {
		name := string(raw)
		if seen[name] {
			return false
		}
		seen[name] = true
		if read := other[name]; read != nil {
			return read()
		}
		to := texts[name]
		if to == nil {
			return false
		}
		var ok bool
		*to, ok = s.Quoted()
		return ok
	})
	if !ok {
		return ErrMessage
	}
	return nil
}

// readUnprotected returns a function that reads an unprotected header.
func readUnprotected(s *jsonbytes.Scanner, h *header) func() bool {
	return func() bool {
		text, ok := s.Raw()
		if !ok || len(text) > maxHeader {
			return false
		}
		var err error
		*h, err = readObject(text)
		return err == nil
	}
}
