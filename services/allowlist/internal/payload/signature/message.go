package signature

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// A Message is the signed message and its context. An empty field is unknown, except for the
// bodies and the query.
type Message struct {
	// Body is the body that is sent.
	Body []byte
	// Plaintext is the body before encryption, if it is known.
	Plaintext      []byte
	PlaintextKnown bool
	// Time is the time of signing, or the time to compare with.
	Time time.Time
	// ID is the message's ID: 1-128 printable ASCII characters, except the character that
	// follows it in a header.
	ID string
	// The request: Host has no port, Path has a leading slash, and Query has no question mark.
	Method, Host, Path, Query string
	// ContentType is the content type of Body.
	ContentType string
	// Headers returns the value of a header by its lowercase name, for expressions. Values are the
	// strings of the call.
	Headers func(name string) (string, bool)
	Values  map[string]string
	// KeepUnused is how long objects that are built from keys are cached without use.
	KeepUnused time.Duration
}

// The names of the variables of a message.
const (
	nameBody        = "body"
	namePlaintext   = "plaintext"
	nameSecret      = "secret"
	nameID          = "id"
	nameMethod      = "method"
	nameHost        = "host"
	namePath        = "path"
	nameQuery       = "query"
	nameContentType = "content_type"
)

// messageNames returns the variables of a message.
func messageNames() []string {
	return append(carriedNames(), nameBody, namePlaintext, nameMethod, nameHost, namePath, nameQuery, nameContentType)
}

// The values that a message may carry in addition to the signature, by position. The named values of
// a configuration follow them, in the order of [Strings].Values.
const (
	timestamp = iota
	timestampMS
	timestampRFC3339
	id
	carriedCount
)

// carriedNames returns the placeholders of the values that a message may carry, without the named
// ones.
func carriedNames() []string {
	return []string{"timestamp", "timestamp_ms", "timestamp_rfc3339", nameID}
}

// position returns the position of the named value among those that a message may carry, or -1.
func position(name string) int {
	switch name {
	case "timestamp":
		return timestamp
	case "timestamp_ms":
		return timestampMS
	case "timestamp_rfc3339":
		return timestampRFC3339
	case nameID:
		return id
	default:
		return -1
	}
}

// carried holds the values that a message may carry, by position; a missing value is nil.
type carried [][]byte

const (
	maxID      = 128
	maxYear    = 9999
	timeDigits = 15
	rfc3339    = "2006-01-02T15:04:05Z"
	// maxRFC3339 is the length of a time with nanoseconds and an offset.
	maxRFC3339 = 35
)

// text returns the time in one of its forms, or the ID.
func (m *Message) text(i int) ([]byte, bool) {
	if i == id {
		text := []byte(m.ID)
		foreign := bytes.ContainsFunc(text, func(c rune) bool { return c < '!' || c > '~' })
		return text, len(text) > 0 && len(text) <= maxID && !foreign
	}
	at := m.Time.UTC()
	if at.Unix() < 0 || at.Year() > maxYear {
		return nil, false
	}
	switch i {
	case timestamp:
		return strconv.AppendInt(nil, at.Unix(), 10), true
	case timestampMS:
		return strconv.AppendInt(nil, at.UnixMilli(), 10), true
	default:
		return at.AppendFormat(nil, rfc3339), true
	}
}

// context returns the value that the call provides for a name, or nothing for names that are not
// part of the context.
func (m *Message) context(name string) ([]byte, bool) {
	var text string
	switch name {
	case nameBody:
		return m.Body, true
	case namePlaintext:
		return m.Plaintext, m.PlaintextKnown
	case nameQuery:
		return []byte(m.Query), visible(m.Query)
	case nameMethod:
		text = m.Method
	case nameHost:
		text = m.Host
	case namePath:
		text = m.Path
	case nameContentType:
		text = m.ContentType
	default:
		return nil, true
	}
	return []byte(text), text != "" && visible(text)
}

// visible reports whether a string has no control characters. HTTP sends none in its head, and
// in an input of lines, a line end could split one value into two.
func visible(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return false
		}
	}
	return true
}

// timeChars returns the characters that a time may contain.
func timeChars(i int) template.Charset {
	if i == timestampRFC3339 {
		return template.Chars("0123456789-:.+TZ")
	}
	return template.Chars("0123456789")
}

// openChars returns the characters that a value may contain which has no form of its own, such as
// the ID: the printable ones except those that end it in one of the templates.
func openChars(name string, templates ...map[string]string) template.Charset {
	var ends, all []byte
	for _, texts := range templates {
		for _, text := range texts {
			if _, behind, ok := strings.Cut(text, "${"+name+"}"); ok && behind != "" {
				ends = append(ends, behind[0])
			}
		}
	}
	for c := byte('!'); c <= '~'; c++ {
		if bytes.IndexByte(ends, c) < 0 {
			all = append(all, c)
		}
	}
	return template.Chars(string(all))
}

// isID reports whether text is an ID of these characters.
func isID(text []byte, chars *template.Charset) bool {
	for _, c := range text {
		if !chars.Has(c) {
			return false
		}
	}
	return len(text) > 0 && len(text) <= maxID
}

// farOff is a difference that no clock has: the time is in another unit.
const farOff = 10 * 365 * 24 * time.Hour

// outside returns the error for a time outside the tolerance.
func outside(i int, off, tolerance time.Duration) error {
	switch {
	case off.Abs() > farOff && i == timestamp:
		return invalid("The time in the header is outside the tolerance by years. If it is in milliseconds, use ${timestamp_ms}.")
	case off.Abs() > farOff && i == timestampMS:
		return invalid("The time in the header is outside the tolerance by years. If it is in seconds, use ${timestamp}.")
	case off < 0:
		return invalid("The time in the header is %v ahead, outside the tolerance of %v.", -off.Round(time.Second), tolerance)
	default:
		return invalid("The time in the header is %v ago, outside the tolerance of %v.", off.Round(time.Second), tolerance)
	}
}

// parseTime reads a time in one of its forms.
func parseTime(i int, text string) (time.Time, bool) {
	if i == timestampRFC3339 {
		at, err := time.Parse(time.RFC3339, text)
		return at.UTC(), err == nil && len(text) <= maxRFC3339
	}
	// ParseUint accepts no sign.
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(text) > timeDigits {
		return time.Time{}, false
	}
	if i == timestampMS {
		return time.UnixMilli(int64(n)).UTC(), true
	}
	return time.Unix(int64(n), 0).UTC(), true
}
