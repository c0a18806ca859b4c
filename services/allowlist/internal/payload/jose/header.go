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

// A header is a protected header that was read, or another JSON object.
type header map[string]json.RawMessage

// readHeader reads the base64url text of a protected header.
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

// readObject reads a JSON object. encoding/json alone would take the last of several
// members of a name, and names in any case; a header must mean the same to everyone.
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

// text returns a member that is a string.
func (h header) text(name string) (string, error) {
	var s *string
	if err := json.Unmarshal(h[name], &s); err != nil || s == nil {
		return "", ErrMessage
	}
	return *s, nil
}

// is reports whether a member is this string.
func (h header) is(name, value string) bool {
	s, err := h.text(name)
	return err == nil && s == value
}

// has reports whether the member is there.
func (h header) has(name string) bool {
	_, ok := h[name]
	return ok
}

// bytes returns a member that is base64url of n bytes; of any number if n is negative.
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

// A headerText is a protected header that is being written. Members stand in the order
// in which they are added, since there are signatures that must come out byte for byte.
type headerText struct{ json bytes.Buffer }

// newHeaderText begins with the algorithm.
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

// addAll adds the members in the order of their names, and the time.
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

// write writes a JSON value. What is written are texts, numbers and maps of texts, so
// that there is no error.
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

// checkMembers returns a finding about members that a configuration adds to a header,
// or "". Reserved are those that the package writes itself or that change what a
// message means.
func checkMembers(members map[string]string, issued IssuedAt, reserved ...string) string {
	for name, value := range members {
		switch {
		case slices.Contains(reserved, name):
			return "a member is one that the algorithms set or that changes the meaning of a message"
		case name == "iat" && issued != NoTime:
			return "iat is there already, by issued_at"
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return "a member is not UTF-8"
		}
	}
	return ""
}
