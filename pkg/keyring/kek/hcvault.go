package kek

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// A transitKey is the provider of a key in the transit engine of Vault or OpenBao. Each operation
// reads the token and the authorities, and has a client of its own.
type transitKey struct {
	host, path           string
	tokenFile, authority string
	namespace            string
}

var (
	transitPath      = regexp.MustCompile(`^(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+/keys/[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	transitNamespace = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,256}$`)
)

func parseTransit(rest string) (provider, error) {
	name, query, _ := strings.Cut(rest, "?")
	address, ok := strings.CutPrefix(name, "//")
	host, path, _ := strings.Cut(address, "/")
	switch path = "/" + path; {
	case strings.Contains(address, "@"):
		return nil, errors.New("must not contain a user or a password; name a file with a token in the parameter token_file")
	case !ok || !transitPath.MatchString(path):
		return nil, errors.New("must be //HOST:PORT/MOUNT/keys/KEY, such as //vault.example:8200/transit/keys/keyward")
	}
	if err := checkHost(host); err != nil {
		return nil, err
	}
	values, err := parameters(query, "token_file", "ca", "namespace")
	if err != nil {
		return nil, err
	}
	key := transitKey{host: host, path: path, tokenFile: values["token_file"], authority: values["ca"], namespace: values["namespace"]}
	if key.namespace != "" && !transitNamespace.MatchString(key.namespace) {
		return nil, errors.New("parameter namespace must be the path of a namespace")
	}
	return key, nil
}

func (k transitKey) open(context.Context) (tink.AEADWithContext, error) { return k, nil }

func (k transitKey) checkFiles() error {
	_, err := k.token()
	_, trust := k.trust()
	return errors.Join(err, trust)
}

// EncryptWithContext encrypts plaintext. It fails if the server does not bind the associated data,
// as with a key of a type without it.
func (k transitKey) EncryptWithContext(ctx context.Context, plaintext, associatedData []byte) ([]byte, error) {
	aead, err := k.client(ctx)
	if err != nil {
		return nil, err
	}
	ciphertext, err := aead.Encrypt(plaintext, associatedData)
	if err != nil {
		return nil, err
	}
	// A server that does not know associated_data ignores it, as it does all unknown parameters.
	other := append(bytes.Clone(associatedData), 0)
	if leaked, err := aead.Decrypt(ciphertext, other); err == nil {
		clear(leaked)
		return nil, errors.New("the server ignores associated data; use a key of type aes256-gcm96 on a current server")
	} else if k.temporary(err) {
		return nil, err
	}
	return ciphertext, nil
}

// DecryptWithContext decrypts ciphertext.
func (k transitKey) DecryptWithContext(ctx context.Context, ciphertext, associatedData []byte) ([]byte, error) {
	aead, err := k.client(ctx)
	if err != nil {
		return nil, err
	}
	return aead.Decrypt(ciphertext, associatedData)
}

// client returns Tink's client for one operation, which ends with ctx.
func (k transitKey) client(ctx context.Context) (tink.AEAD, error) {
	token, err := k.token()
	if err != nil {
		return nil, err
	}
	roots, err := k.trust()
	if err != nil {
		return nil, err
	}
	client, err := api.NewClient(&api.Config{
		Address: "https://" + k.host,
		Timeout: Timeout,
		HttpClient: &http.Client{
			Transport: bound{ctx, &http.Transport{
				Proxy:             http.ProxyFromEnvironment,
				DisableKeepAlives: true,
				TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			}},
			// The client follows one redirect itself, from a standby to the active server.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		MaxRetries:   0, // the caller retries
		MinRetryWait: time.Millisecond, MaxRetryWait: time.Millisecond,
	})
	if err != nil {
		return nil, errors.New("set up the client: check the VAULT_ variables of the environment")
	}
	client.SetToken(token)
	if k.namespace != "" {
		client.SetNamespace(k.namespace)
	}
	return hcvault.NewAEAD(k.path, client.Logical())
}

// A bound is a transport whose requests end with a context. Tink's client does not take one.
type bound struct {
	ctx  context.Context //nolint:containedctx // of the one operation that the client is for
	next http.RoundTripper
}

// RoundTrip sends the request.
func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	return b.next.RoundTrip(r.WithContext(b.ctx))
}

// maxToken is the maximum length of a token file.
const maxToken = 8 << 10

// errToken reports a token that cannot be one. The text does not repeat it.
var errToken = errors.New("must be one line without spaces")

// token returns the token of the moment.
func (k transitKey) token() (string, error) {
	if k.tokenFile == "" {
		token := os.Getenv(api.EnvVaultToken)
		if token == "" {
			return "", errors.New("no token: set the parameter token_file or the environment variable VAULT_TOKEN")
		}
		return token, checkToken("VAULT_TOKEN", token)
	}
	text, err := os.ReadFile(k.tokenFile)
	if err != nil {
		return "", fmt.Errorf("read token_file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	return token, checkToken("token_file", token)
}

func checkToken(where, token string) error {
	for _, r := range token {
		if r <= ' ' || r >= 0x7f {
			return fmt.Errorf("%s: %w", where, errToken)
		}
	}
	if token == "" || len(token) > maxToken {
		return fmt.Errorf("%s: %w", where, errToken)
	}
	return nil
}

// trust returns the configured authorities, or nil for those of the system.
func (k transitKey) trust() (*x509.CertPool, error) {
	if k.authority == "" {
		return nil, nil //nolint:nilnil // as crypto/tls wants it
	}
	text, err := os.ReadFile(k.authority)
	if err != nil {
		return nil, fmt.Errorf("read ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("read ca: must contain PEM certificates")
	}
	return pool, nil
}

// temporary counts a token file that does not exist yet: an agent writes it after it has logged in.
func (k transitKey) temporary(err error) bool {
	var response *api.ResponseError
	if errors.As(err, &response) {
		return temporaryStatus(response.StatusCode)
	}
	var request *url.Error
	if errors.As(err, &request) && untrusted(err) {
		return false
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Path == k.tokenFile && errors.Is(err, fs.ErrNotExist)
	}
	return unreachable(err)
}
