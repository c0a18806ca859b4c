package jose

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// A header is a protected header from a message, or another JSON object.
type header map[string]json.RawMessage

// readHeader reads a protected header in base64url.
func readHeader(text []byte, lenient bool) (header, error) {
	if len(text) > maxHeader {
		return nil, ErrMessage
	}
	object, err := decode(nil, text, lenient)
	if err != nil {
		return nil, err
	}
	return readObject(object)
}

// readObject reads a JSON object. encoding/json alone would take the last of several members
// with the same name, and match names in any case. A header must mean the same to every reader.
func readObject(text []byte) (header, error) {
	if !utf8.Valid(text) {
		return nil, ErrMessage
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, ErrMessage
	}
	h := header{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, ErrMessage
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, ErrMessage
		}
		key, ok := name.(string)
		if _, twice := h[key]; !ok || twice {
			return nil, ErrMessage
		}
		h[key] = value
	}
	if _, err := d.Token(); err != nil { // the brace
		return nil, ErrMessage
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, ErrMessage
	}
	return h, nil
}

// text returns the value of a string member.
func (h header) text(name string) (string, error) {
	var s *string
	if err := json.Unmarshal(h[name], &s); err != nil || s == nil {
		return "", ErrMessage
	}
	return *s, nil
}

// is reports whether a member is the string value.
func (h header) is(name, value string) bool {
	s, err := h.text(name)
	return err == nil && s == value
}

// has reports whether the member exists.
func (h header) has(name string) bool {
	_, ok := h[name]
	return ok
}

// bytes returns the value of a base64url member of n bytes, or of any length if n is negative.
func (h header) bytes(name string, n int) ([]byte, error) {
	s, err := h.text(name)
	if err != nil {
		return nil, err
	}
	b, err := decode(nil, []byte(s), false)
	if err != nil || n >= 0 && len(b) != n {
		return nil, ErrMessage
	}
	return b, nil
}

// A headerText builds a protected header. It keeps members in the order in which they are added,
// because some signatures must be reproduced byte for byte.
type headerText struct{ json bytes.Buffer }

// newHeaderText returns a header that begins with the algorithm.
func newHeaderText(alg string) *headerText {
	w := &headerText{}
	w.json.WriteByte('{')
	return w.add("alg", alg)
}

// add adds a member.
func (w *headerText) add(name string, value any) *headerText {
	if w.json.Len() > 1 {
		w.json.WriteByte(',')
	}
	w.write(name)
	w.json.WriteByte(':')
	w.write(value)
	return w
}

// addAll adds the members in the order of their names, then the time.
func (w *headerText) addAll(members map[string]string, issued IssuedAt, now time.Time) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		w.add(name, members[name])
	}
	switch issued {
	case Seconds:
		w.add("iat", now.Unix())
	case Milliseconds:
		w.add("iat", now.UnixMilli())
	}
}

// write writes a JSON value: a string, a number, or a map of strings. Encoding these cannot
// fail.
func (w *headerText) write(value any) {
	e := json.NewEncoder(&w.json)
	e.SetEscapeHTML(false)
	_ = e.Encode(value)
	w.json.Truncate(w.json.Len() - 1) // its new line
}

// bytes returns the JSON text.
func (w *headerText) bytes() []byte {
	w.json.WriteByte('}')
	return w.json.Bytes()
}

// checkMembers returns the violation in the members that a configuration adds to a header, or
// "". The reserved members are those that the package writes itself or that change the meaning
// of a message.
func checkMembers(members map[string]string, issued IssuedAt, reserved ...string) string {
	for name, value := range members {
		switch {
		case slices.Contains(reserved, name):
			return "must not add a reserved header member: one that the algorithms set or that changes the meaning of a message"
		case name == "iat" && issued != NoTime:
			return "must not add iat, which issued_at already sets"
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return "must have header members in UTF-8"
		}
	}
	return ""
}
