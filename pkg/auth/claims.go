package auth

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxSubject is the maximum length of a subject in the OpenID Connect standard.
const maxSubject = 255

// claims are the claims of a verified token.
type claims map[string]any

// identity is a verified token: the subject, the expiry, and the other claims. It is shared by
// requests and immutable, except for the standing in the newest policy that a request has seen.
type identity struct {
	issuer   string
	subject  string
	expiry   time.Time
	claims   claims
	standing atomic.Pointer[standing]
}

// bounds limits the times in a token.
type bounds struct {
	// lifetime is the maximum time from issue to expiry of a token.
	lifetime time.Duration
	// skew is the tolerated clock skew of an issuer whose clock is ahead. It does not extend the
	// lifetime of a token.
	skew time.Duration
}

// newIdentity makes the checks that the library does not make: a token must expire, soon after its
// issue, and have a subject. The errors quote nothing from the token.
func newIdentity(issuer string, c claims, within bounds, now time.Time) (*identity, error) {
	subject, _ := c["sub"].(string)
	expiry, hasExpiry := c.time("exp")
	issued, hasIssued := c.time("iat")
	start, hasStart := c.time("nbf")
	_, claimsStart := c["nbf"]
	switch {
	case c["iss"] != issuer:
		return nil, errors.New("the token names another issuer")
	case !validSubject(subject):
		return nil, errors.New("the token has no valid subject")
	case !hasExpiry || !hasIssued || claimsStart != hasStart:
		return nil, errors.New("the token has no issue time or no expiry time")
	case !now.Before(expiry):
		return nil, errors.New("the token has expired")
	// Check both times: a token from the future would not be short-lived.
	case issued.After(now.Add(within.skew)) || hasStart && start.After(now.Add(within.skew)):
		return nil, errors.New("the token is not valid yet")
	case expiry.Sub(issued) > within.lifetime:
		return nil, errors.New("the lifetime of the token exceeds max_token_lifetime of its issuer")
	}
	return &identity{issuer: issuer, subject: issuer + "#" + subject, expiry: expiry, claims: c}, nil
}

// validSubject reports whether a subject can be logged and compared unchanged.
func validSubject(s string) bool {
	return s != "" && len(s) <= maxSubject && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// time returns a claim that is a number of seconds since 1970.
func (c claims) time(name string) (time.Time, bool) {
	seconds, ok := c[name].(float64)
	if !ok || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// strings returns the values of a claim that is a string or a list of strings. The name may be a
// path into objects, with dots between the steps.
//
// An e-mail address that the issuer has not verified does not count.
func (c claims) strings(name string) []string {
	if verified, said := c["email_verified"]; name == "email" && said && verified != true {
		return nil
	}
	switch v := c.lookup(name).(type) {
	case string:
		return []string{v}
	case []any:
		values := make([]string, 0, len(v))
		for _, item := range v {
			if s, ok := item.(string); ok {
				values = append(values, s)
			}
		}
		return values
	}
	return nil
}

// lookup returns the claim with exactly this name, or else the value at the path.
func (c claims) lookup(name string) any {
	if v, ok := c[name]; ok {
		return v
	}
	return follow(c, name)
}

// follow returns the value at a path of keys separated by dots. Keys may contain dots too, such as
// the client IDs in Keycloak's `resource_access`: shorter keys are tried first.
func follow(object map[string]any, path string) any {
	for at, c := range path {
		if c != '.' {
			continue
		}
		if inner, ok := object[path[:at]].(map[string]any); ok {
			if v := follow(inner, path[at+1:]); v != nil {
				return v
			}
		}
	}
	return object[path]
}
