// Package destination parses the host and port to which a credential is sent.
//
// The vault stores the destinations that a CREDENTIAL allows, and the allowlist sends it to the
// URL of an endpoint. Both compare a [Destination], so both parse hosts and ports with this
// package: [Parse] parses an entry of `allowed_hosts`, which has one spelling, and
// [ParseAuthority] parses the authority of a URL in any spelling. Two destinations are the same if
// and only if they are equal.
package destination

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// HTTPS is the port of an https URL without a port.
const HTTPS = 443

const (
	maxHost  = 253
	maxLabel = 63
)

// The errors of [Parse], [ParseHost], and [ParseAuthority]. They do not repeat the input, because
// people paste credentials into URLs.
var (
	ErrEntry = errors.New("must be a host or host:port: a lower-case DNS name or an IP address in its usual form, " +
		"an IPv6 address in brackets if a port follows, and a port from 1 to 65535 without leading zeros")
	ErrBareHost = errors.New("must be a lower-case DNS name or an IP address in its usual form, without port")
	ErrHost     = errors.New("must name a host: a DNS name or an IP address")
	ErrPort     = errors.New("must have a port between 1 and 65535, or none")
)

// A Destination is a host and a port. The zero Destination is not valid.
type Destination struct {
	// Host is a lower-case DNS name in its ASCII form without trailing dot, or an IP address
	// in its usual form without brackets.
	Host string
	Port uint16
}

// Parse parses an entry of `allowed_hosts`: `host` means port 443, and `host:port` means that
// port. An IPv6 address with a port is in brackets.
func Parse(text string) (Destination, error) {
	if host, err := ParseHost(text); err == nil {
		return Destination{Host: host, Port: HTTPS}, nil
	}
	d, err := ParseAuthority(text)
	if err != nil || text != d.bracketed()+":"+strconv.Itoa(int(d.Port)) {
		return Destination{}, ErrEntry
	}
	return d, nil
}

// ParseHost parses a host without a port in the form of [Destination].
func ParseHost(text string) (string, error) {
	host, err := parseHost(Destination{Host: text}.bracketed())
	if err != nil || host != text {
		return "", ErrBareHost
	}
	return host, nil
}

// ParseAuthority parses the authority of an https URL, without user information. It accepts all
// spellings that clients treat as the same host: upper case, internationalized names, a trailing
// dot, and an empty port.
func ParseAuthority(text string) (Destination, error) {
	host, port := text, ""
	if end := strings.LastIndexByte(text, ']'); end >= 0 {
		host, port = text[:end+1], text[end+1:]
	} else if colon := strings.LastIndexByte(text, ':'); colon >= 0 {
		host, port = text[:colon], text[colon:]
	}
	var d Destination
	var err error
	if d.Port, err = parsePort(port); err != nil {
		return Destination{}, err
	}
	if d.Host, err = parseHost(host); err != nil {
		return Destination{}, err
	}
	return d, nil
}

// String returns the destination in the form of [Parse], without port 443.
func (d Destination) String() string {
	if d.Port == HTTPS {
		return d.Host
	}
	return d.Authority()
}

// Authority returns the destination as the authority of an https URL, without port 443.
func (d Destination) Authority() string {
	if d.Port == HTTPS {
		return d.bracketed()
	}
	return d.bracketed() + ":" + strconv.Itoa(int(d.Port))
}

// bracketed returns the host, in brackets if it is an IPv6 address.
func (d Destination) bracketed() string {
	if strings.Contains(d.Host, ":") {
		return "[" + d.Host + "]"
	}
	return d.Host
}

// parsePort parses a port with its colon.
func parsePort(text string) (uint16, error) {
	if text == "" || text == ":" {
		return HTTPS, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, ":"), 10, 16)
	if err != nil || n == 0 || text[0] != ':' || text[1] == '+' {
		return 0, ErrPort
	}
	return uint16(n), nil
}

// parseHost parses a host. An IPv6 address must be in brackets.
func parseHost(text string) (string, error) {
	if inner, found := strings.CutPrefix(text, "["); found {
		address, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !address.Is6() || address.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "", ErrHost
		}
		return address.String(), nil
	}
	name, err := asciiHost(text)
	if err != nil {
		return "", err
	}
	// Some clients interpret a host whose last label is a number as an IPv4 address in an unusual
	// spelling, so only the usual spelling is accepted.
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		if _, err := netip.ParseAddr(name); err != nil {
			return "", ErrHost
		}
	}
	return name, nil
}

func asciiHost(text string) (string, error) {
	if name := strings.TrimSuffix(text, "."); isNormal(name) {
		return name, nil
	}
	name, err := idna.Lookup.ToASCII(text)
	if err != nil {
		return "", ErrHost
	}
	name = strings.TrimSuffix(name, ".")
	if len(name) > maxHost {
		return "", ErrHost
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return "", ErrHost
		}
	}
	// The result of the mapping must map to itself, otherwise the form is not normal.
	if again, err := idna.Lookup.ToASCII(name); err != nil || again != name {
		return "", ErrHost
	}
	return name, nil
}

// isNormal reports whether a name is in its ASCII form at first sight. Nearly all names are. Names
// with an internationalized label are not, because that label needs a closer look.
func isNormal(name string) bool {
	if len(name) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' ||
			len(label) > 3 && label[2:4] == "--" {
			return false
		}
		for i := range len(label) {
			if c := label[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return true
}
