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

// clientID is how the console calls itself to the issuer.
const clientID = "keyward-console"

// The people whom links sign in, in the order that they are printed in.
var people = []string{"owner", "member", "admin"}

// origin returns the origin of the JSON API, the console and the issuer.
func (p *ports) origin() string { return "https://" + p.json.Addr().String() }

// newSignIn lets people sign in to the console.
func newSignIn(issuer *localid.Issuer, p *ports) (*localid.SignIn, error) {
	return localid.NewSignIn(issuer, localid.SignInConfig{
		ClientID: clientID, RedirectURI: p.origin() + "/signed-in", AfterSignOut: p.origin() + "/", Audience: audience,
	})
}

// pages returns what there is beside the API: the issuer and the console.
func (h *home) pages(p *ports) (func(*http.Request) http.Handler, error) {
	page, err := console.New(console.Config{Issuer: h.issuer.URL(), ClientID: clientID, Standalone: true})
	if err != nil {
		return nil, fmt.Errorf("make console: %w", err)
	}
	host := p.json.Addr().String()
	return func(r *http.Request) http.Handler {
		if handler := h.signIn.Page(r); handler != nil {
			return handler
		}
		handler := page.Page(r)
		if handler != nil && r.Host != host {
			// localhost is another origin, to which the issuer would send nobody back.
			return http.RedirectHandler(p.origin()+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		}
		return handler
	}, nil
}

// links returns a link for each person, each of which signs in once within five minutes.
func (h *home) links(p *ports) string {
	var text strings.Builder
	for _, name := range people {
		ticket := h.signIn.Ticket(localid.Person{Subject: name, Claims: claimsOf(name)})
		fmt.Fprintf(&text, "         %-7s %s/#ticket=%s\n", name, p.origin(), ticket)
	}
	return text.String()
}

// relink prints fresh links for each line that comes in, until there are no more. It
// is not waited for: nothing ends a read of a terminal but a line.
func (h *home) relink(ctx context.Context, p *ports, in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() && ctx.Err() == nil {
		if _, err := io.WriteString(out, h.links(p)); err != nil {
			return // nobody reads
		}
	}
}
