package console

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const html = "text/html,application/xhtml+xml,*/*;q=0.8"

var (
	script = strings.Repeat("console.log('a script');\n", 1000)
	built  = fstest.MapFS{
		"index.html":          {Data: []byte("<!doctype html>the page")},
		"placeholder.html":    {Data: []byte("<!doctype html>make console")},
		"favicon.svg":         {Data: []byte("<svg/>")},
		"assets/page-4f3a.js": {Data: []byte(script)},
		"assets/page-4f3a.css": {
			Data: []byte("a{}"),
		},
	}
	cfg = Config{Issuer: "https://login.example/realm", ClientID: "keyward-console"}
)

func open(t *testing.T, cfg Config, files fstest.MapFS) *Console {
	t.Helper()
	c, err := newConsole(cfg, files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// get requests a path. Headers are pairs. It returns nil if the console does not serve the path.
func get(c *Console, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "https://keyward.example"+path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	handler := c.Page(r)
	if handler == nil {
		return nil
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWhatIsServed(t *testing.T) {
	t.Parallel()
	c := open(t, cfg, built)
	for _, tt := range []struct {
		name, method, path, accept string
		body, contentType, cache   string // empty if the path is not served
	}{
		{"the page", "GET", "/", html, "<!doctype html>the page", "text/html; charset=utf-8", "no-store"},
		{"the page to a program", "GET", "/", "*/*", "<!doctype html>the page", "text/html; charset=utf-8", "no-store"},
		{"a location in the page", "GET", "/workspaces/demo/secrets/api.key", html, "<!doctype html>the page", "text/html; charset=utf-8", "no-store"},
		{"the redirect URI", "GET", "/signed-in?code=x", html, "<!doctype html>the page", "text/html; charset=utf-8", "no-store"},
		{"the file behind the page", "GET", "/index.html", html, "<!doctype html>the page", "text/html; charset=utf-8", "no-store"},
		{"a script", "GET", "/assets/page-4f3a.js", "*/*", script, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"a style sheet", "GET", "/assets/page-4f3a.css", "text/css", "a{}", "text/css; charset=utf-8", "public, max-age=31536000, immutable"},
		{"a picture", "GET", "/favicon.svg", "image/*", "<svg/>", "image/svg+xml", "no-store"},
		{"a location in the page to a program", "GET", "/workspaces/demo", "*/*", "", "", ""},
		{"a missing script", "GET", "/assets/page-0000.js", "*/*", "", "", ""},
		{"a missing script, in the address bar", "GET", "/assets/page-0000.js", html, "", "", ""},
		{"the placeholder of a built page", "GET", "/placeholder.html", "*/*", "", "", ""},
		{"a path outside the page", "GET", "/assets/../../console.go", "*/*", "", "", ""},
		{"a post", "POST", "/", html, "", "", ""},
		{"options", "OPTIONS", "/config.json", "*/*", "", "", ""},
	} {
		got := get(c, tt.method, tt.path, "Accept", tt.accept)
		if (got != nil) != (tt.body != "") {
			t.Errorf("%s: %s %s was served: %v", tt.name, tt.method, tt.path, got != nil)
			continue
		}
		if got == nil {
			continue
		}
		if text := body(t, got); text != tt.body || got.Header.Get("Content-Type") != tt.contentType || got.Header.Get("Cache-Control") != tt.cache {
			t.Errorf("%s: %s %s = %.40q, %v", tt.name, tt.method, tt.path, text, got.Header)
		}
	}
}

func TestHeadHasTheHeadersAlone(t *testing.T) {
	t.Parallel()
	got := get(open(t, cfg, built), "HEAD", "/assets/page-4f3a.css")
	if text := body(t, got); text != "" || got.Header.Get("Content-Length") != "3" {
		t.Errorf("HEAD = %q, %v", text, got.Header)
	}
}

func TestWithoutABuiltPageThereIsOneThatSaysHow(t *testing.T) {
	t.Parallel()
	c := open(t, cfg, fstest.MapFS{"placeholder.html": built["placeholder.html"]})
	for _, path := range []string{"/", "/workspaces/demo"} {
		if text := body(t, get(c, "GET", path, "Accept", html)); !strings.Contains(text, "make console") {
			t.Errorf("GET %s = %q", path, text)
		}
	}
	if _, err := newConsole(cfg, fstest.MapFS{}); err == nil {
		t.Error("New succeeds without any page")
	}
	if _, err := New(cfg); err != nil {
		t.Errorf("New = %v with the embedded page", err)
	}
}

func TestHeadersKeepOthersOut(t *testing.T) {
	t.Parallel()
	c := open(t, cfg, built)
	for _, path := range []string{"/", "/config.json", "/assets/page-4f3a.js", "/favicon.svg"} {
		header := get(c, "GET", path).Header
		directives := make(map[string]string)
		for directive := range strings.SplitSeq(header.Get("Content-Security-Policy"), "; ") {
			name, sources, _ := strings.Cut(directive, " ")
			directives[name] = sources
		}
		want := map[string]string{
			"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:", "font-src": "'self'",
			"connect-src": "'self' https://login.example", "form-action": "'none'", "frame-ancestors": "'none'", "base-uri": "'none'",
			"require-trusted-types-for": "'script'", "trusted-types": "'none'",
		}
		if diff := cmp.Diff(want, directives); diff != "" {
			t.Errorf("the policy of %s (-want +got)\n%s", path, diff)
		}
		for name, value := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := header.Get(name); got != value {
				t.Errorf("%s of %s = %q, want %q", name, path, got, value)
			}
		}
		if !strings.Contains(header.Get("Permissions-Policy"), "camera=()") {
			t.Errorf("Permissions-Policy of %s = %q", path, header.Get("Permissions-Policy"))
		}
	}
}

func TestThePageIsToldWhereToSignIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		cfg     Config
		want    map[string]any
		connect string
	}{
		{"the least", cfg, map[string]any{
			"issuer": "https://login.example/realm", "clientId": "keyward-console", "scopes": []any{"openid"}, "audience": "", "standalone": false,
		}, "connect-src 'self' https://login.example;"},
		{"all", Config{Issuer: "https://id.example:444", ClientID: "c", Scopes: []string{"openid", "offline_access"}, Audience: "keyward"}, map[string]any{
			"issuer": "https://id.example:444", "clientId": "c", "scopes": []any{"openid", "offline_access"}, "audience": "keyward", "standalone": false,
		}, "connect-src 'self' https://id.example:444;"},
		{"standalone", Config{Issuer: "https://127.0.0.1:8443/issuer", ClientID: "c", Standalone: true}, map[string]any{
			"issuer": "https://127.0.0.1:8443/issuer", "clientId": "c", "scopes": []any{"openid"}, "audience": "", "standalone": true,
		}, "connect-src 'self';"},
	} {
		got := get(open(t, tt.cfg, built), "GET", "/config.json")
		if policy := got.Header.Get("Content-Security-Policy"); !strings.Contains(policy, tt.connect) {
			t.Errorf("%s: the policy is %q, want it to contain %q", tt.name, policy, tt.connect)
		}
		if cache := got.Header.Get("Cache-Control"); cache != "no-store" {
			t.Errorf("%s: Cache-Control = %q", tt.name, cache)
		}
		var document map[string]any
		if err := json.Unmarshal([]byte(body(t, got)), &document); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, document); diff != "" {
			t.Errorf("%s: /config.json (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg  Config
		says string
	}{
		"nothing":                           {Config{}, "console.client_id"},
		"no issuer":                         {Config{ClientID: "c"}, "console.issuer"},
		"an issuer over http":               {Config{Issuer: "http://login.example", ClientID: "c"}, "console.issuer"},
		"an issuer in a query":              {Config{Issuer: "https://login.example?x", ClientID: "c"}, "console.issuer"},
		"an issuer that adds to the policy": {Config{Issuer: "https://a; script-src *", ClientID: "c"}, "console.issuer"},
		"scopes without openid":             {Config{Issuer: "https://a", ClientID: "c", Scopes: []string{"email"}}, "console.scopes"},
	} {
		if _, err := newConsole(tt.cfg, built); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want it to name %s", name, err, tt.says)
		}
	}
}

func TestScriptsAreCompressedForWhoTakesIt(t *testing.T) {
	t.Parallel()
	c := open(t, cfg, built)
	for encoding, want := range map[string]bool{
		"gzip": true, "gzip, deflate, br, zstd": true, "br, gzip;q=0.5": true, " gzip ; q=1.0": true,
		"": false, "br": false, "gzip;q=0": false, "gzip; q=0.0, br": false, "x-gzip": false,
	} {
		got := get(c, "GET", "/assets/page-4f3a.js", "Accept-Encoding", encoding)
		reader := io.Reader(got.Body)
		if compressed := got.Header.Get("Content-Encoding") == "gzip"; compressed != want {
			t.Errorf("Accept-Encoding %q: compressed is %v, want %v", encoding, compressed, want)
		} else if compressed {
			if got.ContentLength > int64(len(script)/10) {
				t.Errorf("Accept-Encoding %q: %d of %d bytes", encoding, got.ContentLength, len(script))
			}
			var err error
			if reader, err = gzip.NewReader(got.Body); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := io.ReadAll(reader); err != nil || string(text) != script {
			t.Errorf("Accept-Encoding %q: the script differs: %v", encoding, err)
		}
		if got.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: Vary = %q", encoding, got.Header.Get("Vary"))
		}
	}
	if got := get(c, "GET", "/favicon.svg", "Accept-Encoding", "gzip"); got.Header.Get("Content-Encoding") != "" {
		t.Error("a small file is compressed")
	}
}

// TestTheEmbeddedPageKeepsToThePolicy checks the embedded page, built or not: the policy would
// block these things, and the page would not work.
func TestTheEmbeddedPageKeepsToThePolicy(t *testing.T) {
	t.Parallel()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	page := body(t, get(c, "GET", "/"))
	for _, forbidden := range []string{"<style", " style=", "<script>", "onclick=", "http://", "https://"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page contains %s", forbidden)
		}
	}
	var paths []string
	for path := range c.files {
		paths = append(paths, path)
	}
	if i := slices.IndexFunc(paths, func(path string) bool { return strings.HasSuffix(path, ".map") }); i >= 0 {
		t.Errorf("%s is embedded", paths[i])
	}
}
