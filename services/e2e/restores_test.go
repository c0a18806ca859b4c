package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// restores returns how many times the vault is restored; KEYWARD_RESTORES overrides it.
func restores(t testing.TB) int {
	t.Helper()
	text := os.Getenv("KEYWARD_RESTORES")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}

// TestRestoresUnderLoadHurtNothing puts random backups of the vault back while people and senders go
// on. Each endpoint has a key of its own, so its messages open only under that one.
func TestRestoresUnderLoadHurtNothing(t *testing.T) {
	t.Parallel()
	r := &restoring{constellation: apart(t)}
	register(t, r.site, "demo", "payments")
	r.keep()
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() { r.send(ctx) })
	load.Go(func() { r.change(ctx) })
	load.Go(func() { r.destroy(ctx) })
	defer func() {
		stop()
		load.Wait()
	}()
	rounds := restores(t)
	var backups []string
	for round := range rounds {
		r.running["vault"].stop()
		backups = append(backups, readFile(t, r.path("vault.db")))
		r.start("vault")
		r.waitReady()
		r.keep() // the backup lacks it
		r.proceed(5)
		random, err := rand.Int(rand.Reader, big.NewInt(int64(len(backups))))
		check(t, err)
		back := int(random.Int64())
		t.Logf("round %d of %d: backup %d is put back", round+1, rounds, back+1)
		r.running["vault"].kill()
		check(t, os.WriteFile(r.path("vault.db"), []byte(backups[back]), 0o600))
		r.start("vault")
		r.confirm()
		r.told()
		r.repair()
		r.proceed(5)
	}
	stop()
	load.Wait()
	t.Logf("%d messages opened, %d changes acknowledged over %d restores", r.opened.Load(), r.changed.Load(), rounds)
	r.waitReady()
	r.running["allowlist"].stop()
	r.settled()
}

// settled fails if a comparison finds anything but the losses of endpoints that were not repaired. The
// allowlist must be stopped.
func (r *restoring) settled() {
	r.t.Helper()
	stdout, stderr, code := r.command("reconcile")
	if code != 0 && stdout == "" {
		r.t.Errorf("reconcile exited with %d: %s", code, stderr)
	}
	for line := range strings.Lines(stdout) {
		if !strings.HasPrefix(line, "LOST\t") || strings.Contains(line, "/endpoints/k") {
			r.t.Errorf("reconcile found %q", line)
		}
	}
}

// A restoring is the state of the test that its callers share.
type restoring struct {
	*constellation

	mu sync.Mutex
	// kept are the endpoints that are never deleted, k0, k1, ..., each with the secret of its name.
	kept int
	// mending is held by a repair, during which no one deletes secrets.
	mending         sync.RWMutex
	opened, changed atomic.Int64
}

// keyOf returns the key of an endpoint in hexadecimal.
func keyOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

func (r *restoring) names() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range r.kept {
		ids = append(ids, fmt.Sprint("k", n))
	}
	return ids
}

// keep creates an endpoint that is never deleted. It waits until the vault makes new bindings.
func (r *restoring) keep() {
	r.t.Helper()
	r.mu.Lock()
	id := fmt.Sprint("k", r.kept)
	r.mu.Unlock()
	eventually(r.t, patience, "an endpoint is created", func(context.Context) error { return r.create(id) })
	r.mu.Lock()
	r.kept++
	r.mu.Unlock()
}

// create creates an active endpoint with its secret, or completes that.
func (r *restoring) create(id string) error {
	return errors.Join(
		r.do(owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId="+id, `{"value":{"text":"`+keyOf(id)+`"}}`, "SECRET_EXISTS"),
		r.do(owner, http.MethodPost, "/v1/workspaces/demo/endpoints?endpointId="+id, fmt.Sprintf(
			`{"url": "https://%s/v1/%s", "methods": ["POST"], "encryption": %s}`, aesHost, id, pinning(id, 0)), "ENDPOINT_EXISTS"),
		r.do(admin, http.MethodPost, endpointPath(id)+":approve", `{}`),
		r.do(owner, http.MethodPost, endpointPath(id)+":activate", `{}`),
	)
}

// do makes one change. It fails with any other answer than success and the accepted reasons; an
// INTERNAL answer fails the test.
func (r *restoring) do(who person, method, path, body string, accepted ...string) error {
	got, err := r.tryCall(r.t, who, method, path, body)
	if err != nil {
		return err
	}
	switch {
	case got.status == http.StatusInternalServerError:
		r.t.Errorf("%s %s = %s", method, path, got.body)
	case got.status == http.StatusOK:
		r.changed.Add(1)
		return nil
	case slices.Contains(accepted, got.reason()):
		return nil
	}
	return fmt.Errorf("%s %s = %d %s", method, path, got.status, got.body)
}

// proceed waits until the load has made more messages and changes.
func (r *restoring) proceed(n int64) {
	r.t.Helper()
	messages, changes := r.opened.Load()+n, r.changed.Load()+n
	eventually(r.t, patience, "the load proceeds", func(context.Context) error {
		if o, c := r.opened.Load(), r.changed.Load(); o < messages || c < changes {
			return fmt.Errorf("%d messages and %d changes, want %d and %d", o, c, messages, changes)
		}
		return nil
	})
}

// send encrypts for all endpoints, and opens what comes back as the partner.
func (r *restoring) send(ctx context.Context) {
	for ctx.Err() == nil {
		for _, id := range r.names() {
			_ = r.encrypts(id) // refusals are expected
		}
	}
}

// encrypts fails unless a message is encrypted. A message under another key fails the test.
func (r *restoring) encrypts(id string) error {
	got, err := r.tryCall(r.t, sender, http.MethodPost, endpointPath(id)+":encrypt", `{"body":"aGVsbG8="}`)
	if err != nil {
		return err
	}
	if got.status == http.StatusInternalServerError {
		r.t.Errorf("Encrypt for %s = %s", id, got.body)
	}
	if got.status != http.StatusOK {
		return fmt.Errorf("Encrypt for %s = %d %s", id, got.status, got.body)
	}
	var sent struct{ Body []byte }
	check(r.t, json.Unmarshal(got.body, &sent))
	if err := opens(keyOf(id), sent.Body); err != nil {
		r.t.Errorf("a message of %s is under another key: %v", id, err)
	}
	r.opened.Add(1)
	return nil
}

// opens decrypts a body with a key in hexadecimal.
func opens(key string, body []byte) error {
	sealed, err := base64.StdEncoding.DecodeString(string(body))
	if err != nil {
		return err
	}
	_, err = openSealed(key, sealed)
	return err
}

// change creates, updates, and deletes endpoints and secrets.
func (r *restoring) change(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprint("t", n)
		if r.create(id) == nil && r.encrypts(id) != nil {
			continue // a restore may be in progress; the endpoint stays
		}
		_ = r.do(owner, http.MethodPatch, "/v1/workspaces/demo/secrets/"+id, `{"description":"changed"}`)
		_ = r.do(owner, http.MethodPatch, endpointPath(id), `{"description":"changed"}`)
		if n%2 == 0 {
			_ = r.do(owner, http.MethodDelete, endpointPath(id), "")
			_ = r.do(owner, http.MethodDelete, "/v1/workspaces/demo/secrets/"+id, "")
		}
	}
}

// destroy tries to delete the secrets that endpoints need. That may succeed only if the endpoint had
// lost its secret already, and the name belongs to another one.
func (r *restoring) destroy(ctx context.Context) {
	for ctx.Err() == nil {
		for _, id := range r.names() {
			r.mending.RLock()
			got, err := r.tryCall(r.t, owner, http.MethodDelete, "/v1/workspaces/demo/secrets/"+id, "")
			r.mending.RUnlock()
			if err != nil {
				continue
			}
			deleted := got.status == http.StatusOK && r.off(id, "no longer exists") != nil
			if deleted || got.status == http.StatusInternalServerError {
				r.t.Errorf("DELETE of the secret of %s = %d %s", id, got.status, got.body)
			}
		}
	}
}

// confirm confirms the restore as soon as the vault and the allowlist can be reached.
func (r *restoring) confirm() {
	r.t.Helper()
	eventually(r.t, patience, "the restore is confirmed", func(context.Context) error {
		return r.do(admin, http.MethodPost, "/v1/workspaces/-/allowlist/vaultCheckpoint:accept", `{"reason":"restored from a backup"}`)
	})
	eventually(r.t, patience, "the bindings are compared", func(context.Context) error {
		got, err := r.tryCall(r.t, admin, http.MethodGet, "/v1/workspaces/-/vault/restore", "")
		if err != nil {
			return err
		}
		var restore struct {
			Epoch   string
			Pending bool
		}
		if err := json.Unmarshal(got.body, &restore); err != nil {
			return err
		}
		if restore.Epoch == "" || restore.Pending {
			return fmt.Errorf("GET restore = %d %s", got.status, got.body)
		}
		return nil
	})
}

// told waits until each endpoint works, or says why it does not.
func (r *restoring) told() {
	r.t.Helper()
	eventually(r.t, patience, "each endpoint works or is off", func(context.Context) error {
		var missing []error
		for _, id := range r.names() {
			if err := r.encrypts(id); err != nil && r.off(id, "no longer exists") != nil {
				missing = append(missing, err)
			}
		}
		return errors.Join(missing...)
	})
}

// repair stores the lost secrets again, and binds their endpoints again.
func (r *restoring) repair() {
	r.t.Helper()
	r.mending.Lock()
	defer r.mending.Unlock()
	for _, id := range r.names() {
		eventually(r.t, patience, "a secret is stored", func(context.Context) error {
			return r.do(owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId="+id, `{"value":{"text":"`+keyOf(id)+`"}}`, "SECRET_EXISTS")
		})
	}
	start := time.Now()
	eventually(r.t, patience, "all endpoints work again", func(context.Context) error {
		got, err := r.tryCall(r.t, owner, http.MethodPost, "/v1/workspaces/demo/endpoints:rebind", `{"reason":"stored again"}`)
		if err != nil {
			return err
		}
		if got.status != http.StatusOK {
			return fmt.Errorf("rebind = %d %s", got.status, got.body)
		}
		for _, id := range r.names() {
			err = errors.Join(err, r.encrypts(id))
		}
		if err != nil {
			return fmt.Errorf("%w; rebind = %s", err, got.body)
		}
		return nil
	})
	r.t.Logf("%d endpoints work again after %v", len(r.names()), time.Since(start).Round(time.Millisecond))
}
