package localid

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	origin   = "https://127.0.0.1:8443"
	redirect = origin + "/signed-in"
	verifier = "a-verifier-of-at-least-forty-three-characters"
)

// A desk is a sign-in with one browser.
type desk struct {
	*SignIn
	t      *testing.T
	clock  time.Time
	cookie *http.Cookie
}

func openDesk(t *testing.T) *desk {
	t.Helper()
	issuer, err := NewIssuer(origin + "/issuer")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, clock: time.Now()}
	issuer.now = func() time.Time { return d.clock }
	d.SignIn, err = NewSignIn(issuer, SignInConfig{
		ClientID: "console", RedirectURI: redirect, AfterSignOut: origin + "/", Audience: "keyward",
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// send sends a request as the browser does, and stores the cookie of the response.
func (d *desk) send(method, path, contentType, body string) *http.Response {
	d.t.Helper()
	r := httptest.NewRequest(method, origin+"/issuer"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if d.cookie != nil {
		r.AddCookie(d.cookie)
	}
	handler := d.Page(r)
	if handler == nil {
		d.t.Fatalf("%s %s is not served", method, path)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	got := w.Result()
	for _, cookie := range got.Cookies() {
		d.cookie = cookie
	}
	return got
}

func (d *desk) show(ticket string) *http.Response {
	d.t.Helper()
	return d.send(http.MethodPost, "/ticket", "application/json", `{"ticket":"`+ticket+`"}`)
}

// signIn presents a new ticket.
func (d *desk) signIn() {
	d.t.Helper()
	got := d.show(d.Ticket(Person{Subject: "olivia", Claims: map[string]any{"group": "owners"}}))
	if got.StatusCode != http.StatusNoContent {
		d.t.Fatalf("POST /ticket = %d, want 204", got.StatusCode)
	}
}

// changed returns the parameters with some of them changed, or removed if empty.
func changed(params, changes map[string]string) url.Values {
	values := url.Values{}
	maps.Copy(params, changes)
	for name, value := range params {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

// authorize returns the query of the redirect to the page.
func (d *desk) authorize(changes map[string]string) url.Values {
	d.t.Helper()
	challenge := sha256.Sum256([]byte(verifier))
	got := d.send(http.MethodGet, "/authorize?"+changed(map[string]string{
		"response_type": "code", "client_id": "console", "redirect_uri": redirect, "scope": "openid",
		"state": "a state", "nonce": "a nonce", "code_challenge_method": "S256",
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]),
	}, changes).Encode(), "", "")
	where, err := got.Location()
	if err != nil {
		d.t.Fatalf("GET /authorize = %d and does not redirect", got.StatusCode)
	}
	if base, _, _ := strings.Cut(where.String(), "?"); base != redirect {
		d.t.Fatalf("GET /authorize redirects to %s", where)
	}
	return where.Query()
}

// A tokens is a response of the token endpoint.
type tokens struct {
	Error   string
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
	Expires int    `json:"expires_in"`
}

func (d *desk) token(form url.Values) tokens {
	d.t.Helper()
	response := d.send(http.MethodPost, "/token", "application/x-www-form-urlencoded", form.Encode())
	var got tokens
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		d.t.Fatal(err)
	}
	if ok := response.StatusCode == http.StatusOK; ok == (got.Error != "") || ok == (got.Access == "") {
		d.t.Errorf("POST /token = %d %+v", response.StatusCode, got)
	}
	return got
}

func (d *desk) exchange(code string, changes map[string]string) tokens {
	d.t.Helper()
	return d.token(changed(map[string]string{
		"grant_type": "authorization_code", "client_id": "console", "redirect_uri": redirect,
		"code": code, "code_verifier": verifier,
	}, changes))
}

func (d *desk) refresh(token string) tokens {
	d.t.Helper()
	return d.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {"console"}, "refresh_token": {token}})
}

// code signs in if necessary and returns a new code.
func (d *desk) code() string {
	d.t.Helper()
	if d.cookie == nil {
		d.signIn()
	}
	code := d.authorize(nil).Get("code")
	if code == "" {
		d.t.Fatal("a known browser gets no code")
	}
	return code
}

// verify returns the claims of a token that is valid for the audience.
func (d *desk) verify(token, audience string) map[string]any {
	d.t.Helper()
	keys := keysOf(d.t, d.issuer)
	verifier := oidc.NewVerifier(d.issuer.URL(), keys, &oidc.Config{
		ClientID: audience, SupportedSigningAlgs: []string{oidc.ES256}, Now: d.now,
	})
	verified, err := verifier.Verify(context.Background(), token)
	if err != nil {
		d.t.Fatalf("Verify for %s: %v", audience, err)
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		d.t.Fatal(err)
	}
	return claims
}

// keysOf returns the keys that an issuer serves.
func keysOf(t *testing.T, issuer *Issuer) oidc.KeySet {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(issuer.keys, &set); err != nil {
		t.Fatal(err)
	}
	return &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{set.Keys[0].Key}}
}
