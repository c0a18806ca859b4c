package endpoint

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// MaxURL is the length of the longest URL, in bytes, normalised.
const MaxURL = 2048

// The findings about a URL. None repeats it: people paste credentials into URLs.
var (
	errScheme   = errors.New("must be an absolute URL that starts with https://")
	errUserInfo = errors.New("must not hold user information")
	errQuery    = errors.New("must not hold a query or a fragment")
	errHost     = errors.New("must name a host: a DNS name or an IP address")
	errPort     = errors.New("must have a port between 1 and 65535, or none")
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
	host, port, err := parseAuthority(authority)
	if err != nil {
		return URL{}, err
	}
	path, err = parse("/" + path)
	if err != nil {
		return URL{}, err
	}
	return URL{host: host, text: scheme + host + port + path}, nil
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

// BareHost returns the host as the vault knows it: without brackets.
func (u URL) BareHost() string { return strings.Trim(u.host, "[]") }

// parseAuthority returns the host and the port, the latter with its colon, or
// empty for the default port.
func parseAuthority(text string) (host, port string, err error) {
	if end := strings.LastIndexByte(text, ']'); end >= 0 {
		host, port = text[:end+1], text[end+1:]
	} else if colon := strings.LastIndexByte(text, ':'); colon >= 0 {
		host, port = text[:colon], text[colon:]
	} else {
		host = text
	}
	if port, err = parsePort(port); err != nil {
		return "", "", err
	}
	host, err = parseHost(host)
	return host, port, err
}

func parsePort(text string) (string, error) {
	if text == "" || text == ":" {
		return "", nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, ":"), 10, 16)
	if err != nil || n == 0 || text[0] != ':' || text[1] == '+' {
		return "", errPort
	}
	if n == 443 {
		return "", nil
	}
	return ":" + strconv.FormatUint(n, 10), nil
}

func parseHost(text string) (string, error) {
	if inner, found := strings.CutPrefix(text, "["); found {
		address, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !address.Is6() || address.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "", errHost
		}
		return "[" + address.String() + "]", nil
	}
	name, err := asciiHost(text)
	if err != nil {
		return "", err
	}
	// A last label of digits makes some clients read the whole host as an IPv4
	// address in one of its odd spellings; only the usual spelling is let through.
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		if _, err := netip.ParseAddr(name); err != nil {
			return "", errHost
		}
	}
	return name, nil
}

func asciiHost(text string) (string, error) {
	name, err := idna.Lookup.ToASCII(text)
	if err != nil {
		return "", errHost
	}
	name = strings.TrimSuffix(name, ".")
	if len(name) > 253 {
		return "", errHost
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return "", errHost
		}
	}
	// What the mapping makes must map to itself, or the form would not be normal.
	if again, err := idna.Lookup.ToASCII(name); err != nil || again != name {
		return "", errHost
	}
	return name, nil
}
