package kek

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// secretParameters are the names under which a secret is likely to be written into a URI.
var secretParameters = []string{"pin-value", "pin", "password", "passphrase", "token", "secret", "key"}

// plainName is the form of the names that errors quote. Anything else could be a secret.
var plainName = regexp.MustCompile(`^[a-z][a-z_-]{0,30}$`)

// parameters parses a query. Each parameter must be known, set once, and not be empty.
func parameters(query string, known ...string) (map[string]string, error) {
	values := make(map[string]string)
	if query == "" {
		return values, nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, assigned := strings.Cut(pair, "=")
		switch {
		case assigned && slices.Contains(secretParameters, name) && !slices.Contains(known, name):
			return nil, fmt.Errorf("parameter %s is not allowed: a URI must not contain a secret; name a file that contains it", name)
		case !slices.Contains(known, name):
			return nil, unknownParameter(name, assigned, known)
		}
		text, err := url.PathUnescape(value) // a plus sign is a plus sign
		if err != nil || text == "" {
			return nil, fmt.Errorf("parameter %s must have a value, in which %%XX stands for special characters", name)
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("parameter %s must occur once", name)
		}
		values[name] = text
	}
	return values, nil
}

func unknownParameter(name string, assigned bool, known []string) error {
	what := "unknown parameter"
	if assigned && plainName.MatchString(name) {
		what += fmt.Sprintf(" %q", name)
	}
	if len(known) == 0 {
		return fmt.Errorf("%s; the scheme has no parameters", what)
	}
	return fmt.Errorf("%s; available: %s", what, strings.Join(known, ", "))
}

// parsePath parses what follows the colon of a URI of a local file: ///absolute/path, or
// relative/path.
func parsePath(rest string) (string, error) {
	if strings.ContainsAny(rest, "?#") {
		return "", errors.New("must not have parameters; write ? and # in a path as %3F and %23")
	}
	text := rest
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		if !strings.HasPrefix(after, "/") {
			return "", errors.New("must not name a host: write ///absolute/path, or a relative path without slashes before it")
		}
		text = after
	}
	name, err := url.PathUnescape(text)
	if err != nil || name == "" || strings.ContainsRune(name, 0) || strings.HasSuffix(name, "/") {
		return "", errors.New("must name a file, such as ///etc/keyward/vault.kek")
	}
	return path.Clean(name), nil
}

// fileURI returns the URI that parsePath parses.
func fileURI(name string) string {
	escaped := (&url.URL{Path: path.Clean(name)}).EscapedPath()
	if path.IsAbs(name) {
		return "file://" + escaped
	}
	return "file:" + escaped
}

// checkEndpoint reports whether text is the base URL of an API. Plain HTTP never leaves the
// machine.
func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return errors.New("parameter endpoint must be an https URL; http is allowed on the loopback interface")
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$`)

// checkHost reports whether text is a host or a host and a port.
func checkHost(text string) error {
	host := text
	if h, port, err := net.SplitHostPort(text); err == nil {
		if _, err := netip.ParseAddrPort("127.0.0.1:" + port); err != nil {
			return errors.New("must name a host and a port, such as HOST:8200")
		}
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && !hostName.MatchString(host) {
		return errors.New("must name a host and a port, such as HOST:8200")
	}
	return nil
}
