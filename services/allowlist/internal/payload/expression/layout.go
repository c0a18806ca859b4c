package expression

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Layout is a form of the time.
type Layout struct {
	// Format is a layout of package time, or one of `http`, `seconds`, and `milliseconds`.
	Format string
	// Offset is the offset from UTC, such as `+07:00`; empty is UTC.
	Offset string
	// Later is the number of seconds to add, for a message that expires then.
	Later int64
}

const (
	maxLayout    = 64
	maxLater     = 365 * 24 * 60 * 60
	layoutHTTP   = "http"
	layoutSecond = "seconds"
	layoutMilli  = "milliseconds"
)

// check returns the violation in a layout.
func (l Layout) check() string {
	l.Later = 0
	if _, ok := l.zone(); !ok {
		return "must have an offset from UTC such as '+07:00' as the second argument of time"
	}
	// Two moments that differ in everything are written in two ways, unless the layout has no time.
	a, b := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC), time.Date(2012, 11, 24, 21, 47, 58, 0, time.UTC)
	if l.Format == "" || len(l.Format) > maxLayout || l.Append(nil, a) == nil || string(l.Append(nil, a)) == string(l.Append(nil, b)) {
		return "must have a layout such as '2006-01-02T15:04:05Z07:00' as the first argument of time"
	}
	if got, ok := l.Parse(l.Append(nil, a)); !ok || string(l.Append(nil, got)) != string(l.Append(nil, a)) {
		return "must have a layout as the first argument of time that can be read again"
	}
	return ""
}

// zone returns the time zone of the offset.
func (l Layout) zone() (*time.Location, bool) {
	if l.Offset == "" {
		return time.UTC, true
	}
	at, err := time.Parse("-07:00", l.Offset)
	if err != nil {
		return nil, false
	}
	_, offset := at.Zone()
	return time.FixedZone("", offset), true
}

// Append appends the time in the layout, so many seconds later.
func (l Layout) Append(dst []byte, at time.Time) []byte {
	zone, ok := l.zone()
	if !ok {
		return nil
	}
	switch at = at.Add(time.Duration(l.Later) * time.Second).In(zone); l.Format {
	case layoutHTTP:
		return at.UTC().AppendFormat(dst, http.TimeFormat)
	case layoutSecond:
		return appendInt(dst, at.Unix())
	case layoutMilli:
		return appendInt(dst, at.UnixMilli())
	default:
		return at.AppendFormat(dst, l.Format)
	}
}

// Parse reads a time in the layout, as it is written.
func (l Layout) Parse(text []byte) (time.Time, bool) {
	zone, _ := l.zone()
	switch l.Format {
	case layoutHTTP:
		at, err := time.Parse(http.TimeFormat, string(text))
		return at.UTC(), err == nil
	case layoutSecond:
		n, ok := parseInt(text)
		return time.Unix(n, 0).UTC(), ok
	case layoutMilli:
		n, ok := parseInt(text)
		return time.UnixMilli(n).UTC(), ok
	default:
		at, err := time.ParseInLocation(l.Format, string(text), zone)
		return at.UTC(), err == nil
	}
}

// chars returns the characters that a time in the layout may contain.
func (l Layout) chars() string {
	switch l.Format {
	case layoutSecond, layoutMilli:
		return digits
	case layoutHTTP:
		return digits + letterSet + " ,:"
	default:
		return digits + letterSet + "+-" + strings.Map(func(c rune) rune {
			if strings.ContainsRune(digits+letterSet+"+-", c) {
				return -1
			}
			return c
		}, l.Format)
	}
}

// maxTimeDigits is the maximum number of digits of a time, which suffices for the year 9999.
const maxTimeDigits = 15

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// parseInt reads a number without a sign.
func parseInt(text []byte) (int64, bool) {
	n, err := strconv.ParseUint(string(text), 10, 63)
	return int64(n), err == nil && len(text) <= maxTimeDigits
}

// Fine reports whether the layout tells two seconds apart.
func (l Layout) Fine() bool {
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	return string(l.Append(nil, at)) != string(l.Append(nil, at.Add(time.Second)))
}
