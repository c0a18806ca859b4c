package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A visitor is a browser in front of the console, as far as signing in is concerned.
type visitor struct {
	t      testing.TB
	client *http.Client
	issuer string // the URL
	origin string
}

func (s site) visitor(t testing.TB) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	v := &visitor{t: t, origin: s.json, client: &http.Client{
		Jar: jar, Timeout: patience,
		Transport:     &http.Transport{TLSClientConfig: s.tls(t), DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var config struct{ Issuer string }
	v.decode(v.send(http.MethodGet, s.json+"/config.json", "", "", ""), &config)
	v.issuer = config.Issuer
	return v
}

func (v *visitor) send(method, url, contentType, token, body string) *http.Response {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, url, strings.NewReader(body))
	check(v.t, err)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Origin", v.origin)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	got, err := v.client.Do(req)
	check(v.t, err)
	v.t.Cleanup(func() { _ = got.Body.Close() })
	return got
}

func (v *visitor) decode(from *http.Response, into any) {
	v.t.Helper()
	data, err := io.ReadAll(from.Body)
	check(v.t, err)
	if err := json.Unmarshal(data, into); err != nil {
		v.t.Fatalf("%d %s: %v", from.StatusCode, data, err)
	}
}

// open follows a link, and returns the status for its ticket.
func (v *visitor) open(link string) int {
	v.t.Helper()
	page, ticket, ok := strings.Cut(link, "#ticket=")
	if !ok || page != v.origin+"/" {
		v.t.Fatalf("the link is %q", link)
	}
	return v.send(http.MethodPost, v.issuer+"/ticket", "application/json", "", `{"ticket":"`+ticket+`"}`).StatusCode
}

// A session is the state of the page after signing in.
type session struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}

// signIn signs in like the page when it is loaded: code flow with PKCE. It returns an empty
// session and a reason if the issuer does not know the browser.
func (v *visitor) signIn() (session, string) {
	v.t.Helper()
	const verifier = "a-verifier-of-at-least-forty-three-characters"
	challenge := sha256.Sum256([]byte(verifier))
	base := url.Values{"client_id": {"keyward-console"}, "redirect_uri": {v.origin + "/signed-in"}}
	ask := url.Values{
		"response_type": {"code"}, "scope": {"openid"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	answer := v.send(http.MethodGet, v.issuer+"/authorize?"+base.Encode()+"&"+ask.Encode(), "", "", "")
	back, err := answer.Location()
	check(v.t, err)
	if problem := back.Query().Get("error"); problem != "" {
		return session{}, problem
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "code_verifier": {verifier}}
	var got session
	v.decode(v.send(http.MethodPost, v.issuer+"/token", "application/x-www-form-urlencoded", "", base.Encode()+"&"+form.Encode()), &got)
	return got, ""
}

// subject returns the API's principal for a token.
func (v *visitor) subject(token string) string {
	v.t.Helper()
	var caller struct{ Subject string }
	v.decode(v.send(http.MethodGet, v.origin+"/v1/caller", "", token, ""), &caller)
	_, name, _ := strings.Cut(caller.Subject, "#")
	return name
}

// consoleOf starts standalone with a terminal, and returns the input of the terminal and the link
// of each person.
func consoleOf(t *testing.T) (s site, p *process, typed io.Writer) {
	t.Helper()
	folder, err := programs()
	check(t, err)
	dir := t.TempDir()
	cmd := exec.Command(filepath.Join(folder, "standalone"), "--dir", dir, "--grpc", "127.0.0.1:0", "--json", "127.0.0.1:0", "--metrics", "")
	typed, err = cmd.StdinPipe()
	check(t, err)
	p = startCommand(t, "standalone", cmd)
	return site{json: p.waitFor("JSON"), access: filepath.Join(dir, "access")}, p, typed
}

func TestALinkSignsInOnceAndForThatPerson(t *testing.T) {
	t.Parallel()
	s, p, typed := consoleOf(t)
	links := map[person]string{owner: p.waitFor("owner"), member: p.waitFor("member"), admin: p.waitFor("admin")}
	for who, link := range links {
		v := s.visitor(t)
		if _, problem := v.signIn(); problem != "login_required" {
			t.Errorf("without a link: %q, want login_required", problem)
		}
		if status := v.open(link); status != http.StatusNoContent {
			t.Fatalf("the link of %s = %d, want 204", who, status)
		}
		for _, when := range []string{"first", "after a reload"} {
			got, problem := v.signIn()
			if problem != "" {
				t.Fatalf("%s %s: %s", who, when, problem)
			}
			if name := v.subject(got.Access); name != string(who) {
				t.Errorf("%s: the link of %s signs in %s", when, who, name)
			}
			if status := v.send(http.MethodGet, v.origin+"/v1/caller", "", got.ID, "").StatusCode; status != http.StatusUnauthorized {
				t.Errorf("the API answers an ID token with %d, want 401", status)
			}
		}
		if status := s.visitor(t).open(link); status != http.StatusBadRequest {
			t.Errorf("the link of %s a second time = %d, want 400", who, status)
		}
	}
	p.waitFor("Keyward is ready")
	if _, err := io.WriteString(typed, "\n"); err != nil {
		t.Fatal(err)
	}
	v := s.visitor(t)
	if fresh := p.waitFor("owner"); fresh == links[owner] || v.open(fresh) != http.StatusNoContent {
		t.Errorf("Enter printed the link %s, which does not sign in", fresh)
	}
}

func TestTheConsoleIsOfOneOriginOnly(t *testing.T) {
	t.Parallel()
	s, p, _ := consoleOf(t)
	ticket := strings.TrimPrefix(p.waitFor("owner"), s.json+"/#ticket=")
	for _, target := range []string{"/", "/config.json", "/issuer/authorize", "/issuer/.well-known/openid-configuration"} {
		if got := s.call(t, anonymous, http.MethodGet, target, "", "Host", "attacker.example", "Accept", "text/html"); got.status != http.StatusMisdirectedRequest {
			t.Errorf("GET %s of a foreign host = %d, want 421", target, got.status)
		}
	}
	body := `{"ticket":"` + ticket + `"}`
	if got := s.call(t, anonymous, http.MethodPost, "/issuer/ticket", body, "Host", "attacker.example"); got.status != http.StatusMisdirectedRequest {
		t.Errorf("POST /issuer/ticket to a foreign host = %d, want 421", got.status)
	}
	for _, tt := range []struct{ method, path string }{
		{"OPTIONS", "/issuer/ticket"},
		{"OPTIONS", "/issuer/token"},
		{"GET", "/issuer/keys"},
		{"GET", "/config.json"},
		{"POST", "/issuer/ticket"},
		{"OPTIONS", "/v1/caller"},
	} {
		got := s.call(t, anonymous, tt.method, tt.path, "", "Origin", "https://attacker.example",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s %s allows another origin: %s", tt.method, tt.path, name)
			}
		}
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(s.json, "https://"), ":")
	got := s.call(t, anonymous, http.MethodGet, "/workspaces/demo?x=1", "", "Host", "localhost:"+port, "Accept", "text/html")
	if where := got.header.Get("Location"); got.status != http.StatusTemporaryRedirect || where != s.json+"/workspaces/demo?x=1" {
		t.Errorf("the page at localhost = %d to %q, want it at %s", got.status, where, s.json)
	}
}

func TestAGatewayServesTheConsoleIfItIsConfigured(t *testing.T) {
	t.Parallel()
	c := apart(t)
	if got := c.call(t, anonymous, http.MethodGet, "/", "", "Accept", "text/html"); got.status != http.StatusNotFound {
		t.Errorf("GET / of a gateway without a console = %d, want 404", got.status)
	}
	c.running["gateway"].stop()
	config, err := os.ReadFile(c.path("gateway.yaml"))
	check(t, err)
	config = append(config, "console: {issuer: \"https://login.example/realm\", client_id: page, scopes: [openid, offline_access], audience: keyward}\n"...)
	check(t, os.WriteFile(c.path("gateway.yaml"), config, 0o600))
	c.start("gateway")
	c.waitReady()
	page := c.call(t, anonymous, http.MethodGet, "/workspaces/demo/secrets", "", "Accept", "text/html")
	if page.status != http.StatusOK || !strings.Contains(string(page.body), "<title>Keyward</title>") {
		t.Errorf("GET of a path of the page = %d %.80s", page.status, page.body)
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src 'self' https://login.example;") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
	served := c.must(t, anonymous, http.MethodGet, "/config.json", "")
	const want = `{"issuer":"https://login.example/realm","clientId":"page","scopes":["openid","offline_access"],"audience":"keyward","standalone":false}`
	if strings.TrimSpace(string(served.body)) != want || served.header.Get("Cache-Control") != "no-store" {
		t.Errorf("GET /config.json = %s, %v; want %s", served.body, served.header, want)
	}
	// Paths of the API are not served by the page.
	if got := c.call(t, anonymous, http.MethodGet, "/v1/nothing", "", "Accept", "text/html"); got.status != http.StatusNotFound || got.reason() != "ROUTE_NOT_FOUND" {
		t.Errorf("GET /v1/nothing = %d %s, want 404 ROUTE_NOT_FOUND", got.status, got.reason())
	}
}
