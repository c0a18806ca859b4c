package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/keyward/keyward/pkg/resource"
)

// maxToken is the maximum length of a token. A token of Microsoft with 200 groups has 11 KiB.
const maxToken = 16 << 10

// preview is the unverified part of a token that selects the issuer and the key. It is not used
// for anything else.
type preview struct {
	algorithm string
	typ       string
	keyID     string
	issuer    string
}

// parseBearer extracts the token from the values of the authorization header. The errors do not
// quote them.
func parseBearer(values []string) (string, error) {
	if len(values) != 1 {
		return "", errors.New("there is more than one authorization header")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	switch {
	case !strings.EqualFold(scheme, "bearer"):
		return "", errors.New("the authorization header is not of the bearer scheme")
	case token == "" || len(token) > maxToken:
		return "", errors.New("the token is missing or too long")
	// The library ignores white space, which would allow many spellings of one token.
	case !isToken(token):
		return "", errors.New("the token is not base64url")
	}
	return token, nil
}

// tokenBytes are the bytes of a token.
var tokenBytes = func() (allowed [256]bool) {
	for c := range allowed {
		allowed[c] = c == '-' || c == '_' || c == '.' || resource.Alphanumeric(byte(c))
	}
	return allowed
}()

// isToken reports whether a string consists of bytes of tokens only.
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return true
}

// previewToken parses the header and the issuer of a token without verifying them.
func previewToken(token string) (preview, error) {
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	if signature == "" || strings.Contains(signature, ".") {
		return preview{}, errors.New("the token does not have three parts")
	}
	var h struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ"`
	}
	var c struct {
		Issuer string `json:"iss"`
	}
	if !decodePart(header, &h) || !decodePart(payload, &c) {
		return preview{}, errors.New("the token is not base64url and JSON")
	}
	return preview{algorithm: h.Algorithm, typ: h.Type, keyID: h.KeyID, issuer: c.Issuer}, nil
}

func decodePart(part string, into any) bool {
	data, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(data, into) == nil
}
