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
	// ticketLifetime is how long a link signs in.
	ticketLifetime = 5 * time.Minute
	// browserLifetime is how long a browser is known after that.
	browserLifetime = 12 * time.Hour
	// codeLifetime is how long the page may take to exchange a code.
	codeLifetime = time.Minute
	// pageTokenLifetime is short, for the page renews its tokens by itself.
	pageTokenLifetime = 10 * time.Minute
)

// A SignInConfig describes the one page that people sign in to.
type SignInConfig struct {
	// ClientID is how the page calls itself.
	ClientID string
	// RedirectURI is where the page takes codes, AfterSignOut where people are sent
	// when they have signed out. Each is compared as it is.
	RedirectURI, AfterSignOut string
	// Audience is what access tokens are good for.
	Audience string
}

// A Person is somebody who may sign in.
type Person struct {
	// Subject names the person.
	Subject string
	// Claims are what else tokens say of the person.
	Claims map[string]any
}

// A SignIn makes an authorization server of an [Issuer], for one page that is a
// public client: authorization code with PKCE, and refresh tokens that are good once.
// There are no passwords. Who shows a ticket, which only [SignIn.Ticket] makes, has
// the browser remembered for some hours, by a cookie. It may be used by many
// goroutines. All it knows is in memory: a restart signs everybody out.
//
// Cookies know no ports. Whoever runs another server at the same host name and is
// visited by that browser can take its place; on a machine that is one person's, they
// could as well read the folder.
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
	renewals drawer[*grant] // by refresh token, those that were used up among them
}

// A browser is one that a ticket was shown from.
type browser struct {
	person Person
	until  time.Time
	gone   bool // signed out: nothing that came of it is good any more
}

// NewSignIn returns the authorization server of an issuer.
func NewSignIn(issuer *Issuer, cfg SignInConfig) (*SignIn, error) {
	u, err := url.Parse(issuer.URL())
	if err != nil || cfg.ClientID == "" || cfg.RedirectURI == "" || cfg.AfterSignOut == "" || cfg.Audience == "" {
		return nil, errors.New("make sign-in: client, addresses and audience are required")
	}
	s := &SignIn{
		issuer: issuer, config: cfg, now: issuer.now,
		// The port keeps several of us on one machine apart.
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

// Ticket returns a ticket with which a browser can be signed in for the person: once,
// within five minutes.
func (s *SignIn) Ticket(p Person) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tickets.put(p, s.now(), ticketLifetime)
}

// Page returns the handler for the issuer's documents and for the endpoints of the
// authorization server if the request is for one of them by its exact method and
// path, and nil otherwise.
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

// once returns the values of a form or a query, of which each must be there once at most.
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

// refuse answers with an error of OAuth, of which there are constants only.
func refuse(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, "{\"error\":%q}\n", code) // a client that went away is nobody's error
}
