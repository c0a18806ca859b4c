package endpoint

import (
	"errors"
	"strconv"
	"strings"

	"github.com/keyward/keyward/pkg/destination"
)

// MaxURL is the length of the longest URL, in bytes, normalised.
const MaxURL = 2048

// The findings about a URL. None repeats it: people paste credentials into URLs.
var (
	errScheme   = errors.New("must be an absolute URL that starts with https://")
	errUserInfo = errors.New("must not hold user information")
	errQuery    = errors.New("must not hold a query or a fragment")
	errHost     = destination.ErrHost
	errPort     = destination.ErrPort
	errPath     = errors.New("must have a path of URL characters with whole percent-encodings")
	errWildcard = errors.New("must have no * except as the whole last segment of the path")
	errURLSize  = errors.New("must be at most 2048 bytes")
)

// A URL is an absolute https URL in its one normal form, so that two URLs are the
// same if and only if they are equal. The zero URL is none.
type URL struct{ host, text string }

// ParseURL reads the URL of an endpoint and brings it to its normal form: scheme
// and host in lower case, an internationalised host in its ASCII form, no trailing
// dot, no default port, no dot segments, no needless percent-encoding and upper-case
// digits in the rest. A path that ends in `/*` stands for everything below it. User
// information, query and fragment are refused.
func ParseURL(text string) (URL, error) {
	if len(text) > MaxURL {
		return URL{}, errURLSize
	}
	if strings.ContainsAny(text, "?#") && hasScheme(text) {
		return URL{}, errQuery
	}
	u, err := parseURL(text, parsePath)
	if err == nil && len(u.text) > MaxURL {
		return URL{}, errURLSize
	}
	return u, err
}

// ParseTarget reads the URL of a request and brings it to the same normal form, so
// that the two can be compared. Query and fragment are dropped, a `*` is a character
// like others, and the length is the caller's affair.
func ParseTarget(text string) (URL, error) {
	if end := strings.IndexAny(text, "?#"); end >= 0 {
		text = text[:end]
	}
	return parseURL(text, normalPath)
}

const scheme = "https://"

func hasScheme(text string) bool {
	return len(text) >= len(scheme) && strings.EqualFold(text[:len(scheme)], scheme)
}

// parseURL reads a URL without query and fragment, and its path by parse.
func parseURL(text string, parse func(string) (string, error)) (URL, error) {
	if !hasScheme(text) {
		return URL{}, errScheme
	}
	authority, path, _ := strings.Cut(text[len(scheme):], "/")
	if strings.Contains(authority, "@") {
		return URL{}, errUserInfo
	}
	to, err := destination.ParseAuthority(authority)
	if err != nil {
		return URL{}, err
	}
	path, err = parse("/" + path)
	if err != nil {
		return URL{}, err
	}
	host := destination.Destination{Host: to.Host, Port: destination.HTTPS}.Authority()
	return URL{host: host, text: scheme + to.Authority() + path}, nil
}

// String returns the URL in its normal form.
func (u URL) String() string { return u.text }

// Path returns the path, and whether it stands for everything below it: then it ends
// in `/*`.
func (u URL) Path() (path string, below bool) {
	path = u.text[len(u.origin()):]
	return path, strings.HasSuffix(path, wildcard)
}

// Host returns the host without port: a DNS name in its ASCII form, or an IP
// address, in brackets if it is of version 6.
func (u URL) Host() string { return u.host }

// Destination returns the host and port, as the vault compares them. That of the zero URL is
// none.
func (u URL) Destination() destination.Destination {
	if u == (URL{}) {
		return destination.Destination{}
	}
	to := destination.Destination{Host: strings.Trim(u.host, "[]"), Port: destination.HTTPS}
	if text, found := strings.CutPrefix(u.origin()[len(scheme)+len(u.host):], ":"); found {
		// The URL is in its normal form, so this cannot fail; port 0 would be allowed nowhere.
		port, _ := strconv.ParseUint(text, 10, 16)
		to.Port = uint16(port)
	}
	return to
}
