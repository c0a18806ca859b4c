package localid

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

const (
	issuerFile    = "issuer.pem"
	discoveryPath = "/.well-known/openid-configuration"
)

// An Issuer signs tokens for the people who use one machine, and serves the documents that a
// server needs to verify them. It is safe for concurrent use.
type Issuer struct {
	url       string
	path      string
	discovery []byte
	keys      []byte
	signer    jose.Signer
	now       func() time.Time
}

// NewIssuer creates an issuer in memory, for tests. The URL is the address of its handler for
// servers; it becomes the `iss` of its tokens.
func NewIssuer(issuerURL string) (*Issuer, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	return newIssuer(issuerURL, key)
}

// LoadOrCreateIssuer returns the issuer whose key is stored in the folder. It creates the folder
// and the key on first use.
func LoadOrCreateIssuer(dir, issuerURL string) (*Issuer, error) {
	data, err := loadOrCreate(dir, issuerFile, func() ([]byte, error) {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		return encodeKey(key)
	})
	if err != nil {
		return nil, fmt.Errorf("load local issuer: %w", err)
	}
	key, _, err := decodeKey(data)
	if err != nil {
		return nil, fmt.Errorf("read local issuer: %w", err)
	}
	return newIssuer(issuerURL, key)
}

func newIssuer(issuerURL string, key *ecdsa.PrivateKey) (*Issuer, error) {
	u, err := url.Parse(issuerURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(u.Path, "/") {
		return nil, errors.New("create local issuer: the URL must be https://host/path without a slash at its end")
	}
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("compute the ID of the issuer's key: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	i := &Issuer{url: issuerURL, path: u.Path, now: time.Now}
	i.signer, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("create signer: %w", err)
	}
	if i.keys, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}); err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	i.discovery, err = json.Marshal(map[string]any{
		"issuer":                                issuerURL,
		"jwks_uri":                              issuerURL + "/keys",
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []jose.SignatureAlgorithm{jose.ES256},
	})
	if err != nil {
		return nil, fmt.Errorf("encode discovery document: %w", err)
	}
	return i, nil
}

// URL returns the issuer's URL, the `iss` of its tokens.
func (i *Issuer) URL() string { return i.url }

// Handler serves the discovery document and the key set below the path of the issuer's URL.
func (i *Issuer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if page := i.Page(r); page != nil {
			page.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

// Page returns the handler for the discovery document or the key set if the request reads one of
// them by its exact path. Otherwise it returns nil.
func (i *Issuer) Page(r *http.Request) http.Handler {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	switch r.URL.EscapedPath() {
	case i.path + discoveryPath:
		return document(i.discovery)
	case i.path + "/keys":
		return document(i.keys)
	}
	return nil
}

// document returns a handler that serves constant data.
func document(data []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// The client may have disconnected.
		_, _ = w.Write(data)
	})
}

// Sign returns a token for the subject and the audience that is valid from now on for the
// lifetime. Extra claims do not replace the registered ones.
func (i *Issuer) Sign(subject, audience string, lifetime time.Duration, extra map[string]any) (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("generate token ID: %w", err)
	}
	claims := maps.Clone(extra)
	if claims == nil {
		claims = make(map[string]any, 6)
	}
	now := i.now()
	claims["iss"] = i.url
	claims["sub"] = subject
	claims["aud"] = audience
	claims["iat"] = now.Unix()
	claims["exp"] = now.Add(lifetime).Unix()
	claims["jti"] = id.String()
	return i.Token(claims)
}

// Token signs claims unchanged. [Issuer.Sign] adds the claims that a server requires.
func (i *Issuer) Token(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signed, err := i.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("serialize token: %w", err)
	}
	return token, nil
}
