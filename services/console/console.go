// Package console serves the console, the web page for people. It serves files and a document that
// names the issuer. The page does the rest itself, as a client of the JSON API and of the issuer
// like any other.
//
// # The page
//
// Its sources are in web/. `make console` builds them into web/dist, which is embedded here.
// Without that build, a page explains how to make it, so that Go does not need Node.
//
// Files below /assets/ are named by their content and may be cached forever. The page itself and
// /config.json are fetched each time. A path that is not a file is a location in the page if a
// browser navigates to it: the response is the page.
//
// # Signing in
//
// The page is a public client: it uses the authorization code flow with PKCE and stores its tokens
// in memory. The access token goes to the API unchanged; the ID token stays in the page.
// /config.json contains what the page needs and nothing confidential; see [Config].
//
// # Protection from foreign scripts
//
// The content security policy allows scripts, styles, images, and fonts of this origin, and
// requests to it and to the issuer. It allows nothing inline, no eval, no frames, no forms, no
// plugins, and no workers. In browsers with Trusted Types, no string becomes HTML.
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

// New returns the console with the page from the build, or with the placeholder page if there is
// no build.
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
	delete(c.files, "/"+index) // it is served at every location, not at /index.html
	if c.index == nil {
		return nil, fmt.Errorf("find the page: neither %s nor %s exists", index, placeholder)
	}
	return c, nil
}

// policy returns the content security policy.
func policy(cfg Config, issuer string) string {
	connect := "'self'"
	if !cfg.Standalone { // a standalone issuer has the page's origin
		connect += " " + issuer
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src " + connect + "; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'"
}

// Page returns the handler for a request, or nil if the console does not serve the path.
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

// navigates reports whether a browser navigates to a path, as opposed to a program that requests a
// path of the API.
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
