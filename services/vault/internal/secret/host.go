package secret

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
)

var errHost = errors.New("must be a lower-case DNS name or an IP address in its usual form, without port")

const (
	maxHost  = 253
	maxLabel = 63
)

// ParseHost parses a host that a credential may be sent to: a lower-case DNS name
// without trailing dot or wildcard, or an IP address, without port.
func ParseHost(text string) (string, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		if addr.Zone() != "" || addr.String() != text {
			return "", errHost
		}
		return text, nil
	}
	if len(text) > maxHost {
		return "", errHost
	}
	labels := strings.Split(text, ".")
	for _, label := range labels {
		if !validLabel(label) {
			return "", errHost
		}
	}
	// A name that ends in a number would be read as an IP address by some.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "", errHost
	}
	return text, nil
}

func validLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// checkHosts fails unless a credential has hosts and nothing else has.
func checkHosts(usage Usage, hosts []string) error {
	switch {
	case usage == Credential && len(hosts) == 0:
		return fault.Field("secret.allowed_hosts", "must name the hosts that a CREDENTIAL may be sent to")
	case usage != Credential && len(hosts) > 0:
		return fault.Field("secret.allowed_hosts", "must be empty unless the usage is CREDENTIAL")
	}
	return nil
}
