package auth

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxSubject is how long a subject may be, by the OpenID Connect standard.
const maxSubject = 255

// claims are what a verified token says.
type claims map[string]any

// identity is a verified token: who its bearer is, until when, and what else
// the issuer says about them. It is shared by requests and never changed.
type identity struct {
	issuer  string
	subject string
	expiry  time.Time
	claims  claims
}

// bounds limits the times that a token names.
type bounds struct {
	// lifetime is how long a token may be good for, from its issue to its end.
	lifetime time.Duration
	// skew is how far the issuer's clock may be ahead of ours. It does not prolong a token.
	skew time.Duration
}

// newIdentity checks what the standard leaves to us: that a token has an end,
// soon after its beginning, and names a subject. The errors quote nothing.
func newIdentity(issuer string, c claims, within bounds, now time.Time) (*identity, error) {
	subject, _ := c["sub"].(string)
	expiry, hasExpiry := c.time("exp")
	issued, hasIssued := c.time("iat")
	start, hasStart := c.time("nbf")
	_, claimsStart := c["nbf"]
	switch {
	case c["iss"] != issuer:
		return nil, errors.New("the token is of another issuer")
	case !validSubject(subject):
		return nil, errors.New("the token has no usable subject")
	case !hasExpiry || !hasIssued || claimsStart != hasStart:
		return nil, errors.New("the token does not say when it was issued and when it ends")
	case !now.Before(expiry):
		return nil, errors.New("the token has expired")
	// Both ends count: a token from the future would not be short-lived.
	case issued.After(now.Add(within.skew)) || hasStart && start.After(now.Add(within.skew)):
		return nil, errors.New("the token is not good yet")
	case expiry.Sub(issued) > within.lifetime:
		return nil, errors.New("the token is good for longer than max_token_lifetime of its issuer")
	}
	return &identity{issuer: issuer, subject: issuer + "#" + subject, expiry: expiry, claims: c}, nil
}

// validSubject reports whether a subject can be logged and compared as it is.
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

// strings returns the values of a claim that is a string or a list of strings.
// The name may be a path into objects, its steps separated by dots.
//
// An address that the issuer says it has not verified is nobody's.
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

// lookup returns the claim of that very name, or else what lies at the path.
func (c claims) lookup(name string) any {
	if v, ok := c[name]; ok {
		return v
	}
	return follow(c, name)
}

// follow returns what lies at a path of keys separated by dots. Keys may have dots, too,
// such as the client IDs in Keycloak's `resource_access`: shorter keys are tried first.
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
