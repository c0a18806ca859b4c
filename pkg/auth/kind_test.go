package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
)

// ownKey gives the issuer a key of the test's. The function that it returns signs with
// it, under any header.
func (w *world) ownKey(t testing.TB) func(header, claims map[string]any) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "own", Algorithm: string(jose.ES256)}}})
	if err != nil {
		t.Fatal(err)
	}
	discovery := w.issuer.Handler()
	var handler http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/keys" {
			discovery.ServeHTTP(rw, r)
			return
		}
		_, _ = rw.Write(set)
	})
	w.issuer.handler.Store(&handler)
	return func(header, claims map[string]any) string {
		t.Helper()
		options := &jose.SignerOptions{}
		for name, value := range header {
			options.WithHeader(jose.HeaderKey(name), value)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "own"}}, options)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
}

// kinds are tokens of one issuer, for one subject and one audience, and why they are no
// access tokens, if they are not.
var kinds = []struct {
	name   string
	header map[string]any
	claims map[string]any
	why    string
}{
	{"no type", nil, nil, ""},
	{"an empty type", map[string]any{"typ": ""}, nil, ""},
	{"a JWT", map[string]any{"typ": "JWT"}, nil, ""},
	{"a JWT in small letters", map[string]any{"typ": "jwt"}, nil, ""},
	{"a JWT by its media type", map[string]any{"typ": "application/jwt"}, nil, ""},
	{"an access token", map[string]any{"typ": "at+jwt"}, nil, ""},
	{"an access token in capitals", map[string]any{"typ": "AT+JWT"}, nil, ""},
	{"an access token by its media type", map[string]any{"typ": "application/at+jwt"}, nil, ""},
	{"an access token by its media type in capitals", map[string]any{"typ": "Application/AT+JWT"}, nil, ""},
	{"a logout token", map[string]any{"typ": "logout+jwt"}, nil, "logout token"},
	{"a logout token in capitals", map[string]any{"typ": "Logout+JWT"}, nil, "logout token"},
	{"a logout token by its media type", map[string]any{"typ": "application/logout+jwt"}, nil, "logout token"},
	{"a security event", map[string]any{"typ": "secevent+jwt"}, nil, "typ"},
	{"a proof of possession", map[string]any{"typ": "dpop+jwt"}, nil, "typ"},
	{"an unknown type", map[string]any{"typ": canary}, nil, "typ"},
	{"two prefixes", map[string]any{"typ": "application/application/jwt"}, nil, "typ"},
	{"a parameter", map[string]any{"typ": "jwt; x=y"}, nil, "typ"},
	{"a type that is a number", map[string]any{"typ": 7}, nil, "JSON"},
	{"a type that is a list", map[string]any{"typ": []string{"JWT"}}, nil, "JSON"},

	{
		"a logout token that says JWT",
		map[string]any{"typ": "JWT"},
		map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}},
		"logout token",
	},
	{
		"a logout token that says it is an access token",
		map[string]any{"typ": "at+jwt"},
		map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}},
		"logout token",
	},
	{"a claim of that name that is a list", nil, map[string]any{"events": []string{"login"}}, ""},

	{"an ID token by a nonce", map[string]any{"typ": "JWT"}, map[string]any{"nonce": canary}, "ID token"},
	{"an ID token by at_hash", map[string]any{"typ": "JWT"}, map[string]any{"at_hash": canary}, "ID token"},
	{"an ID token by c_hash and a scope", nil, map[string]any{"c_hash": canary, "scope": "openid"}, "ID token"},
	{"an ID token by s_hash", nil, map[string]any{"s_hash": canary}, "ID token"},
	{"an ID token of Keycloak", map[string]any{"typ": "JWT"}, map[string]any{"typ": "ID"}, "ID token"},
	{"an ID token of Cognito", nil, map[string]any{"token_use": "id"}, "ID token"},
	{"a refresh token of Keycloak", map[string]any{"typ": "JWT"}, map[string]any{"typ": "Refresh"}, "refresh token"},
	{"an offline token of Keycloak", map[string]any{"typ": "JWT"}, map[string]any{"typ": "Offline"}, "refresh token"},
	{"a logout token of Keycloak", map[string]any{"typ": "JWT"}, map[string]any{"typ": "Logout"}, "logout token"},

	{"an access token of Keycloak with a nonce", map[string]any{"typ": "JWT"}, map[string]any{"typ": "Bearer", "nonce": canary, "azp": "page"}, ""},
	{"a typed access token with a nonce", map[string]any{"typ": "at+jwt"}, map[string]any{"nonce": canary}, ""},
	{"an access token with a scope and a nonce", nil, map[string]any{"scope": "openid", "nonce": canary}, ""},
	{"an access token of a named client with a nonce", nil, map[string]any{"client_id": "page", "nonce": canary}, ""},
	{"an access token of Microsoft", map[string]any{"typ": "JWT"}, map[string]any{"scp": "access", "ver": "2.0", "azp": "page", "sid": "s"}, ""},
	{"an access token of Cognito", nil, map[string]any{"token_use": "access"}, ""},
	{"a workload's token of a build server", map[string]any{"typ": "JWT"}, map[string]any{"repository": "payments", "jti": "1"}, ""},
	{"times of a sign-in, which access tokens have too", nil, map[string]any{"auth_time": 1, "acr": "1", "amr": []string{"pwd"}}, ""},
}

func TestOnlyAccessTokensAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sign := w.ownKey(t)
	for _, tt := range kinds {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			claims := w.claims("olivia")
			for name, value := range tt.claims {
				claims[name] = value
			}
			token := sign(tt.header, claims)
			if tt.why != "" {
				refuses(t, w, token, tt.why)
				return
			}
			p, err := w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token))
			if err != nil || strings.Join(p.Roles("acme"), " ") != "owner" {
				t.Errorf("Authenticate = %v, %v; want an owner", p, err)
			}
		})
	}
}

func TestIDTokensAreAcceptedWhereTheIssuerMayHaveNoOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sign := w.ownKey(t)
	authn := w.authenticator(t, func(c *auth.Config) { c.Issuers[0].AllowIDTokens = true })
	for _, tt := range kinds {
		claims := w.claims("olivia")
		for name, value := range tt.claims {
			claims[name] = value
		}
		_, err := authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+sign(tt.header, claims)))
		if want := tt.why == "" || tt.why == "ID token"; (err == nil) != want {
			t.Errorf("%s: Authenticate = %v, want it accepted: %v", tt.name, err, want)
		}
	}
}

func TestAnIDTokenIsRefusedEachTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", map[string]any{"nonce": "n"}))
	for range 2 {
		if _, err := w.authn.Authenticate(ctx); !fault.Is(err, fault.CredentialsInvalid) {
			t.Errorf("Authenticate = %v for an ID token, want CREDENTIALS_INVALID", err)
		}
	}
}
