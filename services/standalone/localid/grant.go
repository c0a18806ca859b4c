package localid

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// A grant is the result of one visit to the authorization endpoint: a code, and a series of
// refresh tokens, each of which is valid until the next is generated. A code or refresh token that
// is presented a second time has been stolen, by either the first or the second presenter. These
// cases cannot be distinguished, so the whole grant is revoked.
type grant struct {
	browser   *browser
	challenge []byte // SHA-256 of the verifier
	nonce     string
	exchanged bool
	revoked   bool
	renewal   string // the valid refresh token
}

// authorize redirects the browser to the page, with a code if the browser is known. It never
// prompts, so that it behaves the same with and without `prompt=none`.
func (s *SignIn) authorize(w http.ResponseWriter, r *http.Request) {
	params, ok := query(r)
	// A foreign redirect URI receives no response, not even an error.
	if !ok || params["client_id"] != s.config.ClientID || params["redirect_uri"] != s.config.RedirectURI {
		refuse(w, "invalid_request")
		return
	}
	answer := url.Values{"iss": {s.issuer.URL()}}
	if state := params["state"]; state != "" {
		answer.Set("state", state)
	}
	if code, problem := s.newCode(r, params); problem != "" {
		answer.Set("error", problem)
	} else {
		answer.Set("code", code)
	}
	http.Redirect(w, r, s.config.RedirectURI+"?"+answer.Encode(), http.StatusFound)
}

// newCode returns a code for the browser, or an OAuth error code.
func (s *SignIn) newCode(r *http.Request, params map[string]string) (code, problem string) {
	challenge, err := base64.RawURLEncoding.DecodeString(params["code_challenge"])
	switch {
	case params["response_type"] != "code":
		return "", "unsupported_response_type"
	case params["code_challenge_method"] != "S256" || err != nil || len(challenge) != sha256.Size:
		return "", "invalid_request"
	case !strings.Contains(" "+params["scope"]+" ", " openid "):
		return "", "invalid_scope"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.browserOf(r)
	if b == nil {
		return "", "login_required"
	}
	g := &grant{browser: b, challenge: challenge, nonce: params["nonce"]}
	return s.codes.put(g, s.now(), codeLifetime), ""
}

// token exchanges a code or a refresh token for tokens.
func (s *SignIn) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		refuse(w, "invalid_request")
		return
	}
	params, ok := once(r.PostForm)
	switch {
	case !ok:
		refuse(w, "invalid_request")
		return
	case params["client_id"] != s.config.ClientID:
		refuse(w, "invalid_client")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var g *grant
	switch params["grant_type"] {
	case grantCode:
		g = s.exchange(params)
	case grantRefresh:
		g = s.renew(params["refresh_token"])
	default:
		refuse(w, "unsupported_grant_type")
		return
	}
	if g == nil || g.revoked || !g.browser.known(s.now()) {
		refuse(w, "invalid_grant")
		return
	}
	s.answer(w, g)
}

// exchange returns the grant of a code, which the first attempt uses up. The caller must hold the
// lock.
func (s *SignIn) exchange(params map[string]string) *grant {
	g, ok := s.codes.get(params["code"], s.now())
	if !ok {
		return nil
	}
	shown := sha256.Sum256([]byte(params["code_verifier"]))
	fits := params["redirect_uri"] == s.config.RedirectURI && subtle.ConstantTimeCompare(shown[:], g.challenge) == 1
	g.revoked = g.revoked || g.exchanged || !fits
	g.exchanged = true
	return g
}

// renew returns the grant of a refresh token. The caller must hold the lock.
func (s *SignIn) renew(token string) *grant {
	g, ok := s.renewals.get(token, s.now())
	if !ok {
		return nil
	}
	g.revoked = g.revoked || token != g.renewal
	return g
}

// answer sends new tokens and generates the next refresh token. That token is valid for as long as
// the browser is known. The caller must hold the lock.
func (s *SignIn) answer(w http.ResponseWriter, g *grant) {
	person := g.browser.person
	access, err := s.issuer.Sign(person.Subject, s.config.Audience, pageTokenLifetime, person.Claims)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	claims := map[string]any{}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	id, err := s.issuer.Sign(person.Subject, s.config.ClientID, pageTokenLifetime, claims)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	g.renewal = s.renewals.put(g, s.now(), g.browser.until.Sub(s.now()))
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	// The client may have disconnected.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(pageTokenLifetime.Seconds()),
		"refresh_token": g.renewal, "id_token": id, "scope": "openid",
	})
}
