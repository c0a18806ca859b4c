package localid

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// ticketLifetime is how long a link is valid.
	ticketLifetime = 5 * time.Minute
	// browserLifetime is how long a browser stays signed in.
	browserLifetime = 12 * time.Hour
	// codeLifetime is the time for the page to exchange a code.
	codeLifetime = time.Minute
	// pageTokenLifetime is short, because the page renews its tokens automatically.
	pageTokenLifetime = 10 * time.Minute
)

// A SignInConfig describes the one page that people sign in to.
type SignInConfig struct {
	// ClientID is the client ID of the page.
	ClientID string
	// RedirectURI is the address to which codes are sent. AfterSignOut is the address to which people
	// are sent after they sign out. Both are compared exactly.
	RedirectURI, AfterSignOut string
	// Audience is the audience of access tokens.
	Audience string
}

// A Person is a person who may sign in.
type Person struct {
	// Subject is the subject of the person's tokens.
	Subject string
	// Claims are additional claims of the person's tokens.
	Claims map[string]any
}

// A SignIn is an authorization server that uses an [Issuer], for one page that is a public client.
// It supports the authorization code flow with PKCE and single-use refresh tokens. There are no
// passwords. A browser that presents a ticket, which only [SignIn.Ticket] generates, is remembered
// for some hours by a cookie. A SignIn is safe for concurrent use. All of its state is in memory:
// a restart signs everyone out.
//
// Cookies ignore ports. The operator of another server at the same host name can therefore
// impersonate a browser that visits that server. On a machine that belongs to one person, that
// operator could as well read the folder.
type SignIn struct {
	issuer    *Issuer
	config    SignInConfig
	discovery []byte
	cookie    string
	now       func() time.Time

	mu       sync.Mutex
	tickets  drawer[Person]
	browsers drawer[*browser]
	codes    drawer[*grant]
	renewals drawer[*grant] // by refresh token, including used ones
}

// A browser is a browser that has presented a ticket.
type browser struct {
	person Person
	until  time.Time
	gone   bool // signed out; all of its grants are revoked
}

// NewSignIn returns the authorization server of an issuer.
func NewSignIn(issuer *Issuer, cfg SignInConfig) (*SignIn, error) {
	u, err := url.Parse(issuer.URL())
	if err != nil || cfg.ClientID == "" || cfg.RedirectURI == "" || cfg.AfterSignOut == "" || cfg.Audience == "" {
		return nil, errors.New("create sign-in: client, addresses, and audience are required")
	}
	s := &SignIn{
		issuer: issuer, config: cfg, now: issuer.now,
		// The port distinguishes several instances on one machine.
		cookie: "__Host-keyward-" + u.Port(),
	}
	s.discovery, err = json.Marshal(map[string]any{
		"issuer":                                issuer.URL(),
		"authorization_endpoint":                issuer.URL() + "/authorize",
		"token_endpoint":                        issuer.URL() + "/token",
		"end_session_endpoint":                  issuer.URL() + "/sign-out",
		"jwks_uri":                              issuer.URL() + "/keys",
		"scopes_supported":                      []string{"openid"},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 []string{grantCode, grantRefresh},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"none"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []jose.SignatureAlgorithm{jose.ES256},

		"authorization_response_iss_parameter_supported": true,
	})
	if err != nil {
		return nil, fmt.Errorf("encode discovery document: %w", err)
	}
	return s, nil
}

// Ticket returns a ticket that signs a browser in as the person: once, within five minutes.
func (s *SignIn) Ticket(p Person) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tickets.put(p, s.now(), ticketLifetime)
}

// Page returns the handler for the issuer's documents and for the endpoints of the authorization
// server if the request has the exact method and path of one of them. Otherwise it returns nil.
func (s *SignIn) Page(r *http.Request) http.Handler {
	path := r.URL.EscapedPath()
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case get && path == s.issuer.path+discoveryPath:
		return document(s.discovery)
	case r.Method == http.MethodGet && path == s.issuer.path+"/authorize":
		return http.HandlerFunc(s.authorize)
	case r.Method == http.MethodGet && path == s.issuer.path+"/sign-out":
		return http.HandlerFunc(s.signOut)
	case r.Method == http.MethodPost && path == s.issuer.path+"/ticket":
		return http.HandlerFunc(s.showTicket)
	case r.Method == http.MethodPost && path == s.issuer.path+"/token":
		return http.HandlerFunc(s.token)
	}
	return s.issuer.Page(r)
}

// once returns the values of a form or a query. It fails if a name is repeated.
func once(values url.Values) (map[string]string, bool) {
	single := make(map[string]string, len(values))
	for name, all := range values {
		if len(all) != 1 {
			return nil, false
		}
		single[name] = all[0]
	}
	return single, true
}

// query returns the parameters of a request's URL.
func query(r *http.Request) (map[string]string, bool) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, false
	}
	return once(values)
}

// refuse sends an OAuth error code, which is always a constant.
func refuse(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, "{\"error\":%q}\n", code) // the client may have disconnected
}
