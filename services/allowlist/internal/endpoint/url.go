package endpoint

import (
	"errors"
	"strconv"
	"strings"

	"github.com/keyward/keyward/pkg/destination"
)

// MaxURL is the maximum length of a normalized URL in bytes.
const MaxURL = 2048

// The violations of a URL. None repeats it: people paste credentials into URLs.
var (
	errScheme   = errors.New("must be an absolute URL that starts with https://")
	errUserInfo = errors.New("must not contain user information")
	errQuery    = errors.New("must not contain a query or a fragment")
	errHost     = destination.ErrHost
	errPort     = destination.ErrPort
	errPath     = errors.New("must have a path of URL characters with complete percent-encodings")
	errWildcard = errors.New("must have no * except as the entire last segment of the path")
	errURLSize  = errors.New("must be at most 2048 bytes")
)

// A URL is an absolute https URL in its normal form, so that two URLs are the same if and only if
// they are equal. The zero URL is not a URL.
type URL struct{ host, text string }

// ParseURL parses the URL of an endpoint and normalizes it: scheme and host in lower case, an
// internationalized host in its ASCII form, no trailing dot, no default port, no dot segments, no
// unnecessary percent-encoding, and upper-case digits in the remaining encodings. A path that ends
// in `/*` covers everything below it. User information, query, and fragment are refused.
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

// ParseTarget parses the URL of a request and normalizes it in the same way, so that the two can
// be compared. Query and fragment are dropped, a `*` is an ordinary character, and the caller
// checks the length.
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

// parseURL parses a URL without query and fragment, and its path with parse.
func parseURL(text string, parse func(string) (string, error)) (URL, error) {
	if !hasScheme(text) {
		return URL{}, errScheme
	}
	authority, path := text[len(scheme):], "/"
	if slash := strings.IndexByte(authority, '/'); slash >= 0 {
		authority, path = authority[:slash], authority[slash:]
	}
	if strings.Contains(authority, "@") {
		return URL{}, errUserInfo
	}
	to, err := destination.ParseAuthority(authority)
	if err != nil {
		return URL{}, err
	}
	if path, err = parse(path); err != nil {
		return URL{}, err
	}
	host := destination.Destination{Host: to.Host, Port: destination.HTTPS}.Authority()
	return URL{host: host, text: scheme + to.Authority() + path}, nil
}

// String returns the URL in its normal form.
func (u URL) String() string { return u.text }

// Path returns the path, and whether it covers everything below it: then it ends in `/*`.
func (u URL) Path() (path string, below bool) {
	path = u.text[len(u.origin()):]
	return path, strings.HasSuffix(path, wildcard)
}

// Host returns the host without port: a DNS name in its ASCII form, or an IP
// address, in brackets if it is of version 6.
func (u URL) Host() string { return u.host }

// Destination returns the host and port in the form that the vault compares. For the zero URL, it
// is the zero Destination.
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
