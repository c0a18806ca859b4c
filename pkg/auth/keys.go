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
	// fetchTimeout is the timeout of one attempt to fetch keys.
	fetchTimeout = 5 * time.Second
	// fetchInterval is the time between attempts, so that tokens with invented key IDs, or an
	// unavailable issuer, do not cause a flood of fetches.
	fetchInterval = 2 * time.Second
	// freshKeys is the age at which keys are fetched again, so that a key that the issuer withdrew is
	// dropped.
	freshKeys = 10 * time.Minute
	// usableKeys is the age up to which keys are used while the issuer is unavailable. A longer time
	// would help an attacker who blocks the fetch to keep using a withdrawn key.
	usableKeys = time.Hour
	// maxDocument and maxKeys limit the documents of an issuer.
	maxDocument = 1 << 20
	maxKeys     = 100
	minRSABits  = 2048
)

// keySet holds the keys of an issuer. It fetches them when they are first needed, so that a server
// can start while its issuer is unavailable.
//
// The remote key set of go-oidc fetches keys for every signature that does not verify, and never
// drops a withdrawn key.
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

// fetchWith replaces the client and makes the next fetch due soon, because the present keys came
// from a server that the previous client trusted. Until then they are used as if they were old, so
// that a wrong file of authorities does not lock out everyone at once.
func (k *keySet) fetchWith(client *http.Client) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.client, k.doubted, k.attempted = client, true, time.Time{}
}

// find returns the keys that may have signed a token with this key ID and algorithm; there may be
// none. A token without a key ID belongs to an issuer with a single key. find fails if the issuer
// is unavailable.
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

// state returns the keys, their age, and whether another attempt is due.
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

// fetch requests the keys from the issuer and stores the result. It does not use the context of a
// request, because the result is for all waiting requests.
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

// download reads the discovery document and the key set to which it refers.
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
		return nil, fmt.Errorf("read key set: the issuer returned status %d", resp.StatusCode)
	}
	return parseKeys(body)
}

// parseKeys returns the keys of a set that can verify signatures. It skips other keys, including
// keys of unknown types.
func parseKeys(data []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(data, &set) != nil || len(set.Keys) > maxKeys {
		return nil, errors.New("parse key set: malformed or too large")
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

// withoutBody keeps errors of the network and drops the response of the issuer, which may be of
// any length.
func withoutBody(what string, err error) error {
	var network *url.Error
	if errors.As(err, &network) {
		return fmt.Errorf("%s: %w", what, network)
	}
	return fmt.Errorf("%s: the response of the issuer is not acceptable", what)
}

// unreachable is the error for a token that may be valid, if its issuer is unavailable.
func unreachable(cause error) *fault.Error {
	return fault.New(fault.Unavailable, fault.Unreachable, "the issuer of the token is unavailable").
		Retry(fetchInterval).Because(cause)
}
