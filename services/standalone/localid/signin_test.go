package localid

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestATicketSignsABrowserIn(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	if got := d.authorize(nil); got.Get("error") != "login_required" || got.Get("state") != "a state" || got.Has("code") {
		t.Errorf("authorize before a ticket was shown = %v, want login_required", got)
	}
	d.signIn()
	if c := d.cookie; c.Name != "__Host-keyward-8443" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %v", c)
	}
	answer := d.authorize(nil)
	if answer.Get("state") != "a state" || answer.Get("iss") != d.issuer.URL() {
		t.Errorf("authorize = %v, want the state and the issuer with it", answer)
	}
	got := d.exchange(answer.Get("code"), nil)
	access, id := d.verify(got.Access, "keyward"), d.verify(got.ID, "console")
	if access["sub"] != "olivia" || access["group"] != "owners" {
		t.Errorf("the access token has the claims %v", access)
	}
	if id["sub"] != "olivia" || id["nonce"] != "a nonce" {
		t.Errorf("the ID token has the claims %v", id)
	}
	if lifetime := access["exp"].(float64) - access["iat"].(float64); int(lifetime) != got.Expires || got.Expires != 600 {
		t.Errorf("the access token is valid for %v s and expires_in is %d, want 600", lifetime, got.Expires)
	}
	// A page that is reloaded signs in without a ticket.
	if again := d.exchange(d.code(), nil); again.Access == "" {
		t.Errorf("after a reload: %+v", again)
	}
}

func TestTicketsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	used, old := d.Ticket(Person{Subject: "olivia"}), d.Ticket(Person{Subject: "olivia"})
	if got := d.show(used); got.StatusCode != http.StatusNoContent {
		t.Fatalf("POST /ticket = %d, want 204", got.StatusCode)
	}
	d.clock = d.clock.Add(ticketLifetime)
	fresh := d.Ticket(Person{Subject: "olivia"})
	for _, tt := range []struct{ name, contentType, body, want string }{
		{"a used ticket", "application/json", `{"ticket":"` + used + `"}`, "invalid_ticket"},
		{"an expired ticket", "application/json", `{"ticket":"` + old + `"}`, "invalid_ticket"},
		{"an unknown ticket", "application/json", `{"ticket":"AAAAAAAAAAAAAAAAAAAAAAAAAA"}`, "invalid_ticket"},
		{"none", "application/json", `{}`, "invalid_ticket"},
		{"a ticket in a form", "application/x-www-form-urlencoded", "ticket=" + fresh, "invalid_request"},
		{"a ticket in plain text, as a page of another origin could send it", "text/plain", `{"ticket":"` + fresh + `"}`, "invalid_request"},
		{"a ticket without a content type", "", `{"ticket":"` + fresh + `"}`, "invalid_request"},
		{"no JSON", "application/json", fresh, "invalid_request"},
		{"a ticket after too many bytes", "application/json", `{"x":"` + strings.Repeat("x", maxBody) + `","ticket":"` + fresh + `"}`, "invalid_request"},
	} {
		d.cookie = nil
		got := d.send(http.MethodPost, "/ticket", tt.contentType, tt.body)
		var answer tokens
		if err := json.NewDecoder(got.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		if got.StatusCode != http.StatusBadRequest || answer.Error != tt.want || d.cookie != nil {
			t.Errorf("%s: POST /ticket = %d %q, cookie %v; want 400 %q and no cookie", tt.name, got.StatusCode, answer.Error, d.cookie, tt.want)
		}
	}
	if got := d.show(fresh); got.StatusCode != http.StatusNoContent {
		t.Errorf("POST /ticket = %d after all of these, want 204", got.StatusCode)
	}
}

func TestSigningOutEndsEverything(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	got, code := d.exchange(d.code(), nil), d.code()
	cookie := d.cookie
	for _, where := range []string{"https://attacker.example/", redirect, ""} {
		query := url.Values{"client_id": {"console"}, "post_logout_redirect_uri": {where}}
		if refused := d.send(http.MethodGet, "/sign-out?"+query.Encode(), "", ""); refused.StatusCode != http.StatusBadRequest {
			t.Errorf("sign-out to %q = %d, want 400", where, refused.StatusCode)
		}
	}
	query := url.Values{"client_id": {"console"}, "post_logout_redirect_uri": {origin + "/"}, "state": {"s"}}
	out := d.send(http.MethodGet, "/sign-out?"+query.Encode(), "", "")
	if out.StatusCode != http.StatusFound || out.Header.Get("Location") != origin+"/?state=s" || d.cookie.MaxAge >= 0 {
		t.Errorf("sign-out = %d to %q with cookie %v", out.StatusCode, out.Header.Get("Location"), d.cookie)
	}
	d.cookie = cookie // as if the browser had kept the cookie
	if after := d.authorize(nil); after.Get("error") != "login_required" {
		t.Errorf("authorize after sign-out = %v", after)
	}
	if after := d.refresh(got.Refresh); after.Error != "invalid_grant" {
		t.Errorf("refresh after sign-out = %+v", after)
	}
	if after := d.exchange(code, nil); after.Error != "invalid_grant" {
		t.Errorf("a code from before the sign-out = %+v", after)
	}
}

func TestABrowserIsForgottenAfterHours(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	got := d.exchange(d.code(), nil)
	for range 11 {
		d.clock = d.clock.Add(time.Hour)
		if got = d.refresh(got.Refresh); got.Error != "" {
			t.Fatalf("refresh = %+v", got)
		}
	}
	d.clock = d.clock.Add(time.Hour)
	if got = d.refresh(got.Refresh); got.Error != "invalid_grant" {
		t.Errorf("refresh after %v = %+v", browserLifetime, got)
	}
	if got := d.authorize(nil); got.Get("error") != "login_required" {
		t.Errorf("authorize after %v = %v", browserLifetime, got)
	}
	d.signIn()
	if len(d.renewals.kept) != 12 || len(d.browsers.kept) != 1 {
		t.Errorf("%d refresh tokens and %d browsers remain", len(d.renewals.kept), len(d.browsers.kept))
	}
	d.exchange(d.code(), nil)
	if len(d.renewals.kept) != 1 {
		t.Errorf("%d refresh tokens remain, want only the new one", len(d.renewals.kept))
	}
}

func TestOfManyWhoShowATicketOneIsSignedIn(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	ticket := d.Ticket(Person{Subject: "olivia"})
	statuses := make(chan int, 16)
	var all sync.WaitGroup
	for range cap(statuses) {
		all.Go(func() {
			r := httptest.NewRequest(http.MethodPost, origin+"/issuer/ticket", strings.NewReader(`{"ticket":"`+ticket+`"}`))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			d.Page(r).ServeHTTP(w, r)
			statuses <- w.Code
		})
	}
	all.Wait()
	close(statuses)
	signedIn := 0
	for status := range statuses {
		if status == http.StatusNoContent {
			signedIn++
		}
	}
	if signedIn != 1 {
		t.Errorf("%d browsers are signed in, want 1", signedIn)
	}
}

func TestSignInServesExactMethodsAndPathsOnly(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	for _, tt := range []struct {
		method, target string
		served         bool
	}{
		{"GET", "/issuer/.well-known/openid-configuration", true},
		{"HEAD", "/issuer/.well-known/openid-configuration", true},
		{"GET", "/issuer/keys", true},
		{"GET", "/issuer/authorize?x=1", true},
		{"POST", "/issuer/authorize", false},
		{"OPTIONS", "/issuer/token", false},
		{"GET", "/issuer/token", false},
		{"GET", "/issuer/ticket", false},
		{"OPTIONS", "/issuer/ticket", false},
		{"POST", "/issuer/sign-out", false},
		{"GET", "/issuer/authorize/", false},
		{"GET", "/issuer%2Fauthorize", false},
		{"GET", "/authorize", false},
	} {
		r := httptest.NewRequest(tt.method, origin+tt.target, nil)
		if got := d.Page(r) != nil; got != tt.served {
			t.Errorf("Page(%s %s) = %v, want %v", tt.method, tt.target, got, tt.served)
		}
	}
}

func TestDiscoveryLeadsToTheEndpoints(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	var document map[string]any
	if err := json.NewDecoder(d.send(http.MethodGet, discoveryPath, "", "").Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	for name, method := range map[string]string{
		"authorization_endpoint": "GET", "token_endpoint": "POST", "end_session_endpoint": "GET", "jwks_uri": "GET",
	} {
		where, _ := document[name].(string)
		if d.Page(httptest.NewRequest(method, where, nil)) == nil {
			t.Errorf("%s is %q, which is not served", name, where)
		}
	}
	if document["issuer"] != d.issuer.URL() {
		t.Errorf("issuer = %v, want %s", document["issuer"], d.issuer.URL())
	}
}

func TestASignInWithoutItsAddressesIsNotMade(t *testing.T) {
	t.Parallel()
	issuer, err := NewIssuer(origin + "/issuer")
	if err != nil {
		t.Fatal(err)
	}
	whole := SignInConfig{ClientID: "console", RedirectURI: redirect, AfterSignOut: origin, Audience: "keyward"}
	for name, remove := range map[string]func(*SignInConfig){
		"client":   func(c *SignInConfig) { c.ClientID = "" },
		"redirect": func(c *SignInConfig) { c.RedirectURI = "" },
		"sign-out": func(c *SignInConfig) { c.AfterSignOut = "" },
		"audience": func(c *SignInConfig) { c.Audience = "" },
	} {
		cfg := whole
		remove(&cfg)
		if _, err := NewSignIn(issuer, cfg); err == nil {
			t.Errorf("NewSignIn without %s succeeded", name)
		}
	}
}

func FuzzAuthorize(f *testing.F) {
	issuer, err := NewIssuer(origin + "/issuer")
	if err != nil {
		f.Fatal(err)
	}
	s, err := NewSignIn(issuer, SignInConfig{ClientID: "c", RedirectURI: redirect, AfterSignOut: origin, Audience: "a"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("client_id=c&redirect_uri=https%3A%2F%2F127.0.0.1%3A8443%2Fsigned-in&state=%0d%0aLocation:x")
	f.Add("client_id=c&redirect_uri=https://attacker.example/")
	f.Add("client_id=c&redirect_uri=" + redirect + "&redirect_uri=" + redirect)
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, origin+"/issuer/authorize", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		s.Page(r).ServeHTTP(w, r)
		where := w.Header().Get("Location")
		if base, _, _ := strings.Cut(where, "?"); where != "" && base != redirect || strings.Contains(where, "code=") {
			t.Errorf("authorize redirects to %q", where)
		}
	})
}
