package auth

import (
	"errors"
	"strings"
)

// Issuers sign not only access tokens with their keys, but also ID tokens, logout tokens, and
// security events. Most of these name the same issuer and subject, and a careless setup gives them
// the same audience. This file distinguishes access tokens from the rest (RFC 8725, section 3.11).

// checkType refuses a token whose `typ` header names anything other than an access token or a JWT
// without a specific type. Many issuers use `JWT` or no type at all for access tokens.
func checkType(typ string) error {
	// A media type; RFC 7515 compares it in any case and lets "application/" be left out.
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "", "jwt", "at+jwt":
		return nil
	case "logout+jwt":
		return errLogoutToken
	}
	return errors.New("the typ header of the token does not name an access token")
}

var (
	errLogoutToken = errors.New("the token is a logout token, not an access token")
	errIDToken     = errors.New("the token is an ID token, not an access token")
)

// checkKind refuses a token whose claims show that it is not an access token. The type is that of
// the header.
func (c claims) checkKind(typ string, allowIDTokens bool) error {
	// Only security events, including logout tokens, have this claim (RFC 8417).
	if _, isObject := c["events"].(map[string]any); isObject {
		return errLogoutToken
	}
	switch strings.ToLower(c.text("typ")) { // Keycloak's
	case "logout":
		return errLogoutToken
	case "refresh", "offline":
		return errors.New("the token is a refresh token, not an access token")
	}
	if c.isIDToken(typ) && !allowIDTokens {
		return errIDToken
	}
	return nil
}

// isIDToken reports whether the claims are those of an ID token. An ID token without any of these
// claims passes: only its audience, which is a client, distinguishes it.
func (c claims) isIDToken(typ string) bool {
	if c.text("token_use") == "id" || strings.EqualFold(c.text("typ"), "id") { // Amazon Cognito's, Keycloak's
		return true
	}
	for _, hash := range []string{"at_hash", "c_hash", "s_hash"} {
		if c.text(hash) != "" {
			return true
		}
	}
	// Some issuers, such as Keycloak before 24, repeat the nonce in access tokens. A type, or claims
	// that ID tokens do not have, identify them as access tokens.
	marked := strings.HasSuffix(strings.ToLower(typ), "at+jwt") || strings.EqualFold(c.text("typ"), "bearer") ||
		c.text("token_use") == "access" || c["scope"] != nil || c["scp"] != nil || c["client_id"] != nil
	return c.text("nonce") != "" && !marked
}

// text returns a string claim, or an empty string.
func (c claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}
