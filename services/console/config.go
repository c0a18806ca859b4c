package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// scopeOpenID is the scope that every authorization request of OpenID Connect has.
const scopeOpenID = "openid"

// A Config is the operator's configuration of the page: the issuer at which people sign in. The
// issuer must be one that the services trust, and must
//
//   - register the page as a public client, without a client secret, for the authorization code flow
//     with PKCE, with the redirect URI https://HOST/signed-in, and https://HOST/ after signing out;
//   - serve its endpoints at the origin of its URL, with CORS for the page's origin;
//   - issue access tokens that are JWTs for the audience that the services require, and that are
//     valid for at most an hour. Opaque tokens cannot be verified.
type Config struct {
<<<<<<< HEAD
	// Issuer is the issuer's URL, exactly as in its tokens. Required.
	Issuer string `yaml:"issuer" json:"issuer"`
	// ClientID is the page's client ID at the issuer. Required.
	ClientID string `yaml:"client_id" json:"clientId"`
	// Scopes are the scopes that the page requests. `openid` is required; with
	// `offline_access` most issuers provide a refresh token. Default openid.
	Scopes []string `yaml:"scopes" json:"scopes"`
	// Audience is sent with the request as `audience`, for issuers that need it to
	// issue an access token for an API. Default none.
=======
	// Issuer is the issuer's URL, as in the `iss` claim of its tokens. Required.
	Issuer string `yaml:"issuer" json:"issuer"`
	// ClientID is the page's client ID at the issuer. Required.
	ClientID string `yaml:"client_id" json:"clientId"`
	// Scopes are the scopes that the page requests. They must include `openid`. With
	// `offline_access`, most issuers return the refresh token with which the page renews its tokens.
	// Default: openid.
	Scopes []string `yaml:"scopes" json:"scopes"`
	// Audience, if not empty, is sent with the request as `audience`, for issuers that need it to
	// select the API of the access token.
>>>>>>> words-f
	Audience string `yaml:"audience" json:"audience"`
	// Standalone means that the issuer is the program itself, in which people sign in with links.
	Standalone bool `yaml:"-" json:"standalone"`
}

// Check returns all errors of the configuration.
func (c Config) Check() error {
	var errs []error
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, errors.New("console.issuer: must be an https URL without user, query, or fragment"))
	}
	if c.ClientID == "" {
		errs = append(errs, errors.New("console.client_id: is required"))
	}
	if len(c.Scopes) > 0 && !slices.Contains(c.Scopes, scopeOpenID) {
		errs = append(errs, errors.New("console.scopes: must include openid"))
	}
	return errors.Join(errs...)
}

// origin returns the origin of the issuer. [Config.Check] must have accepted the configuration.
func (c Config) origin() (string, error) {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return "", errors.New("read the issuer's URL: it must be an absolute URL")
	}
	return u.Scheme + "://" + u.Host, nil
}

// json returns the configuration in the form that the page reads.
func (c Config) json() ([]byte, error) {
	if len(c.Scopes) == 0 {
		c.Scopes = []string{scopeOpenID}
	}
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode the page's configuration: %w", err)
	}
	return append(data, '\n'), nil
}
