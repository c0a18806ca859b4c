package authtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// An Issuer signs tokens and serves its discovery document and key set. It is safe for concurrent
// use.
type Issuer struct {
	url    string
	keys   jose.JSONWebKeySet
	signer jose.Signer
}

// NewIssuer creates an issuer. The URL is the origin that serves [Issuer.Handler]; it becomes the
// `iss` of the tokens.
func NewIssuer(url string) (*Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: uuid.NewString(), Algorithm: string(jose.ES256), Use: "sig"}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("create signer: %w", err)
	}
	return &Issuer{url: url, keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}, signer: signer}, nil
}

// URL returns the `iss` of the tokens.
func (i *Issuer) URL() string { return i.url }

// Handler serves the discovery document and the key set.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	serve := func(path string, document any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(document) // the client may have disconnected
		})
	}
	serve("/.well-known/openid-configuration", map[string]any{
		"issuer":                                i.url,
		"jwks_uri":                              i.url + "/keys",
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []jose.SignatureAlgorithm{jose.ES256},
	})
	serve("/keys", i.keys)
	return mux
}

// Sign returns a token for the subject and the audience that expires after the lifetime.
// Extra claims do not replace the registered ones.
func (i *Issuer) Sign(subject, audience string, lifetime time.Duration, extra map[string]any) (string, error) {
	now := time.Now()
	claims := map[string]any{}
	maps.Copy(claims, extra)
	maps.Copy(claims, map[string]any{
		"iss": i.url, "sub": subject, "aud": audience, "jti": uuid.NewString(),
		"iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
	})
	return i.Token(claims)
}

// Token signs the claims unchanged.
func (i *Issuer) Token(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signed, err := i.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed.CompactSerialize()
}
