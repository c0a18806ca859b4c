package auth

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/keyward/keyward/pkg/fault"
)

const (
	// fetchTimeout bounds one attempt to fetch keys.
	fetchTimeout = 5 * time.Second
	// fetchInterval is the time between attempts, so that tokens with made-up key
	// ids, or an issuer that is down, do not become a flood of fetches.
	fetchInterval = 2 * time.Second
	// freshKeys is how long keys are used before they are fetched anew, so that a
	// key the issuer has withdrawn does not live on.
	freshKeys = 10 * time.Minute
	// usableKeys is how long keys are used when the issuer is out of reach. Longer
	// would give a withdrawn key a longer life to an attacker who blocks the fetch.
	usableKeys = time.Hour
	// maxDocument and maxKeys bound what is read of an issuer.
	maxDocument = 1 << 20
	maxKeys     = 100
	minRSABits  = 2048
)

// keySet holds the keys of an issuer. It fetches them when they are first asked
// for, so that a server starts whether or not its issuer is up.
//
// go-oidc's own remote set fetches keys for every signature that does not verify,
// and never forgets one that was withdrawn.
type keySet struct {
	issuer string
	now    func() time.Time
	flight singleflight.Group

	mu        sync.Mutex
	client    *http.Client
	doubted   bool // fetched with another client than the next fetch will use
	keys      []jose.JSONWebKey
	fetched   time.Time // of keys
	attempted time.Time
	failed    error // of the last attempt
}

func newKeySet(issuer string, client *http.Client, now func() time.Time) *keySet {
	return &keySet{issuer: issuer, client: client, now: now}
}

// fetchWith has keys fetched with another client, and soon: those that are there came
// from whom the old one trusted. Until then they are used as if they were old, so
// that a wrong file of authorities does not lock everybody out at once.
func (k *keySet) fetchWith(client *http.Client) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.client, k.doubted, k.attempted = client, true, time.Time{}
}

// find returns the keys that a token with this key id and algorithm can be
// signed with; there may be none. A token without a key id is one of an issuer
// with a single key. It fails when the issuer is out of reach.
func (k *keySet) find(ctx context.Context, id, algorithm string) ([]crypto.PublicKey, error) {
	keys, age, due := k.state()
	found := match(keys, id, algorithm)
	if len(found) > 0 && age < usableKeys {
		if age >= freshKeys && due {
			k.flight.DoChan("", k.fetch)
		}
		return found, nil
	}
	if due {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for keys: %w", ctx.Err())
		case <-k.flight.DoChan("", k.fetch):
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed != nil || k.now().Sub(k.fetched) >= usableKeys {
		return nil, unreachable(k.failed)
	}
	return match(k.keys, id, algorithm), nil
}

// state returns the keys, their age, and whether it is time for another attempt.
func (k *keySet) state() (keys []jose.JSONWebKey, age time.Duration, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	age = now.Sub(k.fetched)
	if k.doubted {
		age = max(age, freshKeys)
	}
	return k.keys, age, now.Sub(k.attempted) >= fetchInterval
}

// fetch asks the issuer for its keys and remembers how that went. It takes no
// request's context, because the answer is for all that wait.
func (k *keySet) fetch() (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	k.mu.Lock()
	client := k.client
	k.mu.Unlock()
	keys, err := k.download(ctx, client)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.attempted, k.failed = k.now(), err
	if err == nil {
		k.keys, k.fetched, k.doubted = keys, k.attempted, client != k.client
	}
	return nil, nil
}

// download reads the discovery document and the key set it points to.
func (k *keySet) download(ctx context.Context, client *http.Client) ([]jose.JSONWebKey, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, client), k.issuer)
	if err != nil {
		return nil, withoutBody("read discovery document", err)
	}
	var document struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil || !strings.HasPrefix(document.KeysURL, "https://") {
		return nil, errors.New("read discovery document: it has no https jwks_uri")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, document.KeysURL, nil)
	if err != nil {
		return nil, errors.New("read key set: its URL is malformed")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, withoutBody("read key set", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, withoutBody("read key set", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read key set: the issuer answers %d", resp.StatusCode)
	}
	return parseKeys(body)
}

// parseKeys reads the keys of a set that can verify signatures. Others, also
// those of unknown kinds, are left out.
func parseKeys(data []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(data, &set) != nil || len(set.Keys) > maxKeys {
		return nil, errors.New("parse key set: it is not one, or too large")
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			continue
		}
		if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() < minRSABits {
			continue
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func match(keys []jose.JSONWebKey, id, algorithm string) []crypto.PublicKey {
	var found []crypto.PublicKey
	for _, key := range keys {
		named := key.KeyID == id && id != "" || id == "" && len(keys) == 1
		if named && (key.Algorithm == "" || key.Algorithm == algorithm) {
			found = append(found, key.Key)
		}
	}
	return found
}

// withoutBody keeps what the network says and drops what the issuer says, which
// is as long as it likes.
func withoutBody(what string, err error) error {
	var network *url.Error
	if errors.As(err, &network) {
		return fmt.Errorf("%s: %w", what, network)
	}
	return fmt.Errorf("%s: the issuer's answer is not acceptable", what)
}

// unreachable is the answer to a token that may be good, of an issuer that
// cannot be asked.
func unreachable(cause error) *fault.Error {
	return fault.New(fault.Unavailable, fault.Unreachable, "the issuer of the token is out of reach").
		Retry(fetchInterval).Because(cause)
}
