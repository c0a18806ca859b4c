package jsonbytes

import "unicode/utf8"

// Members visits the members of a document in their order: each name, unescaped, with the [Text] of
// its value. It reports whether the document is a JSON object in UTF-8 and visit accepted all of
// them. A name may occur twice: the caller decides.
func Members(document []byte, visit func(name, text []byte) bool) bool {
	s := Scan(document)
	return utf8.Valid(document) && s.Peek() == '{' && s.Object(func(raw []byte) bool {
		name, ok := Unquote(raw)
		if !ok {
			return false
		}
		value, ok := s.Raw()
		if !ok {
			return false
		}
		text, ok := Text(value)
		return ok && visit(name, text)
	}) && s.End()
}
