package standalone

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/keyward/keyward/services/console"
	"github.com/keyward/keyward/services/standalone/localid"
)

// clientID is the console's client ID at the issuer.
const clientID = "keyward-console"

// people are the people with sign-in links, in the order in which the links are printed.
var people = []string{"owner", "member", "admin"}

// origin returns the origin of the JSON API, the console and the issuer.
func (p *ports) origin() string { return "https://" + p.json.Addr().String() }

// newSignIn lets people sign in to the console.
func newSignIn(issuer *localid.Issuer, p *ports) (*localid.SignIn, error) {
	return localid.NewSignIn(issuer, localid.SignInConfig{
		ClientID: clientID, RedirectURI: p.origin() + "/signed-in", AfterSignOut: p.origin() + "/", Audience: audience,
	})
}

// pages returns the handlers of all pages outside the API: the issuer and the console.
func (h *home) pages(p *ports) (func(*http.Request) http.Handler, error) {
	page, err := console.New(console.Config{Issuer: h.issuer.URL(), ClientID: clientID, Standalone: true})
	if err != nil {
		return nil, fmt.Errorf("create console: %w", err)
	}
	host := p.json.Addr().String()
	return func(r *http.Request) http.Handler {
		if handler := h.signIn.Page(r); handler != nil {
			return handler
		}
		handler := page.Page(r)
		if handler != nil && r.Host != host {
			// localhost is a different origin, to which the issuer does not redirect.
			return http.RedirectHandler(p.origin()+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		}
		return handler
	}, nil
}

// links returns a link for each person. Each link signs in once, within five minutes.
func (h *home) links(p *ports) string {
	var text strings.Builder
	for _, name := range people {
		ticket := h.signIn.Ticket(localid.Person{Subject: name, Claims: claimsOf(name)})
		fmt.Fprintf(&text, "         %-7s %s/#ticket=%s\n", name, p.origin(), ticket)
	}
	return text.String()
}

// relink prints new links for each line of in, until in ends. Shutdown does not wait for it,
// because only a line ends a read of a terminal.
func (h *home) relink(ctx context.Context, p *ports, in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() && ctx.Err() == nil {
		if _, err := io.WriteString(out, h.links(p)); err != nil {
			return // the output is closed
		}
	}
}
