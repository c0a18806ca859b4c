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
	// Offset is the offset from UTC, in seconds east of it. Offsets have no name, unlike UTC itself,
	// which Fixed is false for.
	Offset int
	Fixed  bool
	// Later is the number of seconds to add, for a message that expires then.
	Later int64
	// Fine says that the layout tells two seconds apart.
	Fine bool
}

const (
	maxLayout    = 64
	maxLater     = 365 * 24 * 60 * 60
	layoutHTTP   = "http"
	layoutSecond = "seconds"
	layoutMilli  = "milliseconds"
)

// newLayout returns a layout, or the violation in it. The offset is `+07:00`, or empty for UTC.
func newLayout(format, offset string) (l Layout, violation string) {
	l.Format = format
	if offset != "" {
		at, err := time.Parse("-07:00", offset)
		if err != nil {
			return l, "must have an offset from UTC such as '+07:00' as the second argument of time"
		}
		_, l.Offset = at.Zone()
		l.Fixed = true
	}
	// Two moments that differ in everything are written in two ways, unless the layout has no time.
	a, b := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC), time.Date(2012, 11, 24, 21, 47, 58, 0, time.UTC)
	if l.Format == "" || len(l.Format) > maxLayout || string(l.Append(nil, a)) == string(l.Append(nil, b)) {
		return l, "must have a layout such as '2006-01-02T15:04:05Z07:00' as the first argument of time"
	}
	if got, ok := l.Parse(l.Append(nil, a)); !ok || string(l.Append(nil, got)) != string(l.Append(nil, a)) {
		return l, "must have a layout as the first argument of time that can be read again"
	}
	l.Fine = string(l.Append(nil, a)) != string(l.Append(nil, a.Add(time.Second)))
	return l, ""
}

// zone returns the time zone of the offset.
func (l Layout) zone() *time.Location {
	if !l.Fixed {
		return time.UTC
	}
	return time.FixedZone("", l.Offset)
}

// Append appends the time in the layout, so many seconds later.
func (l Layout) Append(dst []byte, at time.Time) []byte {
	switch at = at.Add(time.Duration(l.Later) * time.Second).In(l.zone()); l.Format {
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
		at, err := time.ParseInLocation(l.Format, string(text), l.zone())
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
