// Package console serves the console: the web page for people. It is files, and a
// document that tells the page where people sign in; all else the page does by itself,
// as a client of the JSON API and of the issuer like any other.
//
// # The page
//
// Its sources are in web/. `make console` builds them into web/dist, which is embedded
// here. Without that, there is a page that says how; so Go needs no Node.
//
// What is below /assets/ is named by its content and may be kept for good; the page
// itself and /config.json are fetched each time. A path that is no file is a place in
// the page, if a browser navigates to it: the answer is the page.
//
// # Signing in
//
// The page is a public client: authorization code with PKCE, tokens in memory. The
// access token goes to the API as it is; the id token stays in the page. /config.json
// has what it needs to know and nothing that is secret; see [Config].
//
// # Why a script from elsewhere does not run
//
// The content security policy allows scripts, styles, images and fonts of this origin,
// and requests to it and to the issuer. Nothing inline, no eval, no frames, no forms,
// no plugins, no workers. Where the browser knows trusted types, no text becomes HTML.
package console

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed all:web/dist
var dist embed.FS

const (
	index       = "index.html"
	placeholder = "placeholder.html"
	assets      = "/assets/"
	noStore     = "no-store"
	immutable   = "public, max-age=31536000, immutable"
)

// A Console serves the page.
type Console struct {
	policy string
	config *file
	index  *file
	files  map[string]*file // by path
}

// New returns the console with the page that was built, or the one that stands in
// for it.
func New(cfg Config) (*Console, error) {
	built, err := fs.Sub(dist, "web/dist")
	if err != nil {
		return nil, fmt.Errorf("find the page: %w", err)
	}
	return newConsole(cfg, built)
}

func newConsole(cfg Config, built fs.FS) (*Console, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	origin, err := cfg.origin()
	if err != nil {
		return nil, err
	}
	data, err := cfg.json()
	if err != nil {
		return nil, err
	}
	c := &Console{policy: policy(cfg, origin), config: newFile("config.json", data)}
	if c.files, err = load(built); err != nil {
		return nil, err
	}
	standIn := c.files["/"+placeholder]
	delete(c.files, "/"+placeholder)
	if c.index = c.files["/"+index]; c.index == nil {
		c.index = standIn
	}
	delete(c.files, "/"+index) // it is every place in the page, and none of its own
	if c.index == nil {
		return nil, fmt.Errorf("find the page: neither %s nor %s is there", index, placeholder)
	}
	return c, nil
}

// policy returns the content security policy.
func policy(cfg Config, issuer string) string {
	connect := "'self'"
	if !cfg.Standalone { // there the issuer is of our origin
		connect += " " + issuer
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src " + connect + "; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'"
}

// Page returns the handler for a request, or nil if it is for nothing of the console's.
func (c *Console) Page(r *http.Request) http.Handler {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	path := r.URL.Path
	f, isFile := c.files[path]
	switch {
	case path == "/config.json":
		return c.serve(c.config, noStore)
	case isFile && strings.HasPrefix(path, assets):
		return c.serve(f, immutable)
	case isFile:
		return c.serve(f, noStore)
	case path == "/", navigates(r) && !strings.HasPrefix(path, assets):
		return c.serve(c.index, noStore)
	}
	return nil
}

// navigates reports whether a browser goes to an address, rather than a program to a
// path that it believes to be of the API.
func navigates(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// serve returns a handler that serves a file with the headers of the page.
func (c *Console) serve(f *file, cacheControl string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", c.policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "+
			"magnetometer=(), microphone=(), midi=(), payment=(), usb=()")
		h.Set("Cache-Control", cacheControl)
		f.write(w, r)
	})
}
