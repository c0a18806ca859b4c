package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
)

const canary = "canary-3f9c1a7e"

// publicKey returns the key of the issuer as it publishes it.
func (s *issuerServer) publicKey(t *testing.T) jose.JSONWebKey {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/keys", nil))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(recorder.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys[0]
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
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

func unsigned(t *testing.T, header string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
}

func TestTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	public := w.issuer.publicKey(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public.Key)
	if err != nil {
		t.Fatal(err)
	}
	now := w.clock.Now()
	with := func(changes map[string]any) string { return w.token(t, "olivia", changes) }
	without := func(claim string) string {
		claims := w.claims("olivia")
		delete(claims, claim)
		token, err := w.issuer.Token(claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := with(nil)
	head, rest, _ := strings.Cut(good, ".")
	for _, tt := range []struct{ name, token, why string }{
		{"no algorithm", unsigned(t, `{"alg":"none"}`, w.claims("olivia")) + ".", "three parts"},
		{"no algorithm and some signature", unsigned(t, `{"alg":"none"}`, w.claims("olivia")) + ".AA", "algorithm"},
		{"no algorithm in capitals", unsigned(t, `{"alg":"None"}`, w.claims("olivia")) + ".AA", "algorithm"},
		{"HS256 with the public key as secret", sign(t, jose.HS256, der, public.KeyID, w.claims("olivia")), "algorithm"},
		{"an algorithm that is not configured", unsigned(t, `{"alg":"ES512"}`, w.claims("olivia")) + ".AA", "algorithm"},
		{"another key under the issuer's key id", sign(t, jose.ES256, other, public.KeyID, w.claims("olivia")), "signature"},
		{"an unknown key id", sign(t, jose.ES256, other, canary, w.claims("olivia")), "key"},
		{"no key id, of another key", sign(t, jose.ES256, other, "", w.claims("olivia")), "signature"},
		{"its own key in the header", embedded(t, other, w.claims("olivia")), "signature"},
		{"a header changed after signing", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + rest, "signature"},
		{"claims changed after signing", head + "." + strings.Split(with(map[string]any{"sub": "admin"}), ".")[1] + "." + strings.Split(good, ".")[2], "signature"},
		{"another audience", with(map[string]any{"aud": canary}), "audience"},
		{"no audience", without("aud"), "audience"},
		{"an audience that only begins like ours", with(map[string]any{"aud": audience + "2"}), "audience"},
		{"an issuer that is not configured", with(map[string]any{"iss": "https://" + canary + ".example"}), "issuer"},
		{"the issuer with a slash more", with(map[string]any{"iss": w.issuer.URL + "/"}), "issuer"},
		{"no issuer", without("iss"), "issuer"},
		{"expired a second ago", with(map[string]any{"exp": now.Unix() - 1}), "expired"},
		{"expires at this moment", with(map[string]any{"exp": now.Unix()}), "expired"},
		{"no end", without("exp"), "expired"},
		{"an end that is text", with(map[string]any{"exp": "tomorrow"}), "malformed"},
		{"no time of issue", without("iat"), "issue time"},
		{"good for longer than an hour", with(map[string]any{"exp": now.Unix() + 3601}), "exceeds"},
		{"issued in the future to seem short-lived", with(map[string]any{"iat": now.Unix() + 86400, "exp": now.Unix() + 86400 + 60}), "not valid yet"},
		{"not before ten minutes from now", with(map[string]any{"nbf": now.Unix() + 600}), "not valid yet"},
		{"not before two minutes from now", with(map[string]any{"nbf": now.Unix() + 120}), "not valid yet"},
		{"a start that is a list", with(map[string]any{"nbf": []int{1}}), "malformed"},
		{"no subject", without("sub"), "subject"},
		{"an empty subject", with(map[string]any{"sub": ""}), "subject"},
		{"a subject with a line break", with(map[string]any{"sub": "olivia\nrole=super_admin"}), "subject"},
		{"a subject of 256 bytes", with(map[string]any{"sub": strings.Repeat("o", 256)}), "subject"},
		{"larger than 16 KiB", with(map[string]any{"pad": strings.Repeat("x", 12<<10)}), "too long"},
		{"garbage", canary, "three parts"},
		{"garbage in three parts", canary + "." + canary + "." + canary, "base64url"},
		{"a fourth part", good + "." + canary, "three parts"},
		{"JSON serialization", `{"payload":"` + canary + `"}`, "base64url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refuses(t, w, tt.token, tt.why)
		})
	}
}

// refuses sends a token that must be refused. The log states the reason and does
// not quote the token.
func refuses(t *testing.T, w *world, token, why string) {
	t.Helper()
	_, err := w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token))
	if !fault.Is(err, fault.CredentialsInvalid) {
		t.Fatalf("Authenticate = %v, want CREDENTIALS_INVALID", err)
	}
	if !strings.Contains(err.Error(), why) {
		t.Errorf("cause %q does not say %q", err, why)
	}
	if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), token) {
		t.Errorf("cause %q quotes the token", err)
	}
	if f, _ := fault.From(err); f.Message != "the credentials are invalid" || f.Metadata != nil || f.Violations != nil {
		t.Errorf("the caller is told %+v", f)
	}
}

// embedded signs with a key that the token brings along.
func embedded(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
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

func TestAuthorizationHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.token(t, "olivia", nil)
	for _, tt := range []struct {
		name    string
		headers []string
		reason  fault.Reason
	}{
		{"none", nil, fault.CredentialsMissing},
		{"an empty one", []string{"authorization", ""}, fault.CredentialsInvalid},
		{"the scheme alone", []string{"authorization", "Bearer"}, fault.CredentialsInvalid},
		{"the scheme and a space", []string{"authorization", "Bearer "}, fault.CredentialsInvalid},
		{"no scheme", []string{"authorization", good}, fault.CredentialsInvalid},
		{"another scheme", []string{"authorization", "Basic b2xpdmlhOnNlY3JldA=="}, fault.CredentialsInvalid},
		{"two spaces", []string{"authorization", "Bearer  " + good}, fault.CredentialsInvalid},
		{"a space behind", []string{"authorization", "Bearer " + good + " "}, fault.CredentialsInvalid},
		{"two headers", []string{"authorization", "Bearer " + good, "authorization", "Bearer " + good}, fault.CredentialsInvalid},
		{"two tokens in one", []string{"authorization", "Bearer " + good + ", Bearer " + good}, fault.CredentialsInvalid},
		{"a forwarded certificate", []string{"x-forwarded-client-cert", "URI=spiffe://keyward.test/allowlist"}, fault.CredentialsMissing},
		{"a gateway's header", []string{"grpcgateway-authorization", "Bearer " + good}, fault.CredentialsMissing},
		{"a cookie", []string{"cookie", "authorization=" + good}, fault.CredentialsMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := w.authn.Authenticate(bearing(t.Context(), tt.headers...)); !fault.Is(err, tt.reason) {
				t.Errorf("Authenticate = %v, want %v", err, tt.reason)
			}
		})
	}
}

func TestTokensThatAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.clock.Now().Unix()
	for _, tt := range []struct {
		name    string
		subject string
		extra   map[string]any
		roles   []string
	}{
		{"an owner by subject", "olivia", nil, []string{"owner"}},
		{"a member", "mia", nil, []string{"member"}},
		{"an owner of another workspace", "oscar", nil, nil},
		{"a stranger", "sam", nil, nil},
		{"a workload", "robot", nil, []string{"sender"}},
		{"a super admin by a list in an object", "ann", map[string]any{"realm": map[string]any{"groups": []any{"staff", 7, "admins"}}}, []string{"super_admin"}},
		{"a super admin by a string in an object", "ann", map[string]any{"realm": map[string]any{"groups": "admins"}}, []string{"super_admin"}},
		{"a super admin by a claim with a dot in its name", "ann", map[string]any{"realm.groups": "admins"}, []string{"super_admin"}},
		{"a group that only contains the name", "ann", map[string]any{"realm": map[string]any{"groups": "admins,staff"}}, nil},
		{"a group where no object is", "ann", map[string]any{"realm": "groups"}, nil},
		{"a verified address", "erin", map[string]any{"email": "erin@example.com", "email_verified": true}, []string{"owner"}},
		{"an address of which nothing is said", "erin", map[string]any{"email": "erin@example.com"}, []string{"owner"}},
		{"an address that is not verified", "erin", map[string]any{"email": "erin@example.com", "email_verified": false}, nil},
		{"an address that is verified in words", "erin", map[string]any{"email": "erin@example.com", "email_verified": "true"}, nil},
		{"roles that the token claims", "sam", map[string]any{"roles": []any{"super_admin"}, "role": "owner"}, nil},
		{"several audiences", "olivia", map[string]any{"aud": []any{"others", audience}}, []string{"owner"}},
		{"good for an hour", "olivia", map[string]any{"exp": now + 3600}, []string{"owner"}},
		{"a clock that is half a minute ahead", "olivia", map[string]any{"iat": now + 30, "nbf": now + 30}, []string{"owner"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token := w.token(t, tt.subject, tt.extra)
			for _, scheme := range []string{"Bearer ", "bearer "} {
				p, err := w.authn.Authenticate(bearing(t.Context(), "authorization", scheme+token))
				if err != nil {
					t.Fatal(err)
				}
				if want := w.issuer.URL + "#" + tt.subject; p.Subject != want || p.Authentication != auth.ByOIDC {
					t.Errorf("subject %q by %q, want %q by oidc", p.Subject, p.Authentication, want)
				}
				if got := strings.Join(p.Roles("acme"), " "); got != strings.Join(tt.roles, " ") {
					t.Errorf("roles %q, want %q", got, tt.roles)
				}
			}
		})
	}
}

func TestIssuersThatAreNotConfiguredRight(t *testing.T) {
	t.Parallel()
	good := auth.IssuerConfig{URL: "https://issuer.example/realm", Audience: audience}
	if err := good.Check(); err != nil {
		t.Errorf("Check = %v for a good one", err)
	}
	for name, change := range map[string]func(*auth.IssuerConfig){
		"plain HTTP":         func(c *auth.IssuerConfig) { c.URL = "http://issuer.example" },
		"a user in the URL":  func(c *auth.IssuerConfig) { c.URL = "https://me@issuer.example" },
		"a fragment":         func(c *auth.IssuerConfig) { c.URL += "#x" },
		"no audience":        func(c *auth.IssuerConfig) { c.Audience = "" },
		"no signature":       func(c *auth.IssuerConfig) { c.Algorithms = []string{"ES256", "none"} },
		"symmetric keys":     func(c *auth.IssuerConfig) { c.Algorithms = []string{"HS256"} },
		"an unknown one":     func(c *auth.IssuerConfig) { c.Algorithms = []string{"ES256K"} },
		"a missing CA file":  func(c *auth.IssuerConfig) { c.CAFile = "/nonexistent" },
		"a CA file of words": func(c *auth.IssuerConfig) { c.CAFile = "token_test.go" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := good
			change(&bad)
			_, err := auth.NewAuthenticator(auth.Config{Issuers: []auth.IssuerConfig{bad}, Policies: auth.NewPolicies(nil)})
			if err == nil {
				t.Error("NewAuthenticator takes it")
			}
		})
	}
	_, err := auth.NewAuthenticator(auth.Config{Issuers: []auth.IssuerConfig{good, good}, Policies: auth.NewPolicies(nil)})
	if err == nil {
		t.Error("NewAuthenticator takes one issuer twice")
	}
}

func TestPolicyThatIsSwappedActsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil))
	roles := func() string {
		t.Helper()
		p, err := w.authn.Authenticate(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(p.Roles("acme"), " ")
	}
	if got := roles(); got != "owner" {
		t.Fatalf("roles %q, want owner", got)
	}
	w.grant(t, `people: [{issuer: "%[1]s", claim: sub, value: olivia, role: member, workspaces: [acme]}]`)
	if got := roles(); got != "member" {
		t.Errorf("roles %q after the policy changed, want member", got)
	}
	w.policies.Swap(nil)
	if got := roles(); got != "" {
		t.Errorf("roles %q after the policy is gone, want none", got)
	}
}

func TestRememberedTokenEndsWhenItExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := bearing(t.Context(), "authorization",
		"Bearer "+w.token(t, "olivia", map[string]any{"exp": w.clock.Now().Unix() + 120}))
	for range 3 {
		if _, err := w.authn.Authenticate(ctx); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(30 * time.Second)
	}
	w.clock.advance(30 * time.Second)
	if _, err := w.authn.Authenticate(ctx); !fault.Is(err, fault.CredentialsInvalid) {
		t.Errorf("Authenticate = %v for a token that expired while it was remembered", err)
	}
}

func TestRefusalsAreNotRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early := maps.Clone(w.claims("olivia"))
	early["nbf"] = w.clock.Now().Unix() + 90
	token, err := w.issuer.Token(early)
	if err != nil {
		t.Fatal(err)
	}
	ctx := bearing(t.Context(), "authorization", "Bearer "+token)
	if _, err := w.authn.Authenticate(ctx); !fault.Is(err, fault.CredentialsInvalid) {
		t.Fatalf("Authenticate = %v for a token of the future", err)
	}
	w.clock.advance(time.Minute)
	if _, err := w.authn.Authenticate(ctx); err != nil {
		t.Errorf("Authenticate = %v for the token when its time has come", err)
	}
}
