package allowlist_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// keyOf is the value of a version in these tests.
func keyOf(version int) []byte { return bytes.Repeat([]byte{byte(version), byte(version + 1)}, 16) }

// rotate makes the next version of a secret.
func (k *kit) rotate(t testing.TB, secret string, version int) {
	t.Helper()
	_, err := k.secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{
		Name: secret, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: keyOf(version)}},
	}})
	must(t, err)
}

// opens reports whether a version opens what was encrypted.
func opens(t testing.TB, version int, body []byte) bool {
	t.Helper()
	sealed, err := base64.StdEncoding.DecodeString(string(body))
	must(t, err)
	block, err := aes.NewCipher(keyOf(version))
	must(t, err)
	aead, err := cipher.NewGCM(block)
	must(t, err)
	_, err = aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	return err == nil
}

// orders makes an endpoint that is in use and encrypts under version 1 of a secret.
func (k *kit) orders(t testing.TB) (secret string) {
	t.Helper()
	secret = k.secret(t, "key", keyOf(1)...)
	k.owner.create(t, "orders", draft(secret))
	k.activate(t, "orders")
	return secret
}

func (k *kit) encryptOrder(t testing.TB) (*allowlistv1.EncryptResponse, error) {
	t.Helper()
	return k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
}

// uses reports whether an order is encrypted under a version, without an error.
func (k *kit) uses(t testing.TB, version int) bool {
	t.Helper()
	sent, err := k.encryptOrder(t)
	return err == nil && opens(t, version, sent.GetBody())
}

// warm encrypts until that needs nothing from the vault.
func (k *kit) warm(t testing.TB) {
	t.Helper()
	eventually(t, func() bool {
		before := k.metric(t, "keyward_key_cache_hits_total")
		_, err := k.encryptOrder(t)
		must(t, err)
		return k.metric(t, "keyward_key_cache_hits_total") > before
	}, "nothing is kept in memory")
}

// metric returns the value of a metric without labels.
func (k *kit) metric(t testing.TB, name string) float64 {
	t.Helper()
	families, err := k.metrics.Gather()
	must(t, err)
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// TestRotationUnderLoad has 64 senders encrypt, and decrypt with the exchange of
// what they encrypted before, while the key is rotated.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	const senders, versions = 64, 4
	k := newKit(t)
	secret := k.orders(t)
	k.warm(t)
	var current atomic.Int64 // the version that must be in use
	current.Store(1)
	var load sync.WaitGroup
	stop := make(chan struct{})
	var messages atomic.Int64
	for range senders {
		load.Go(func() {
			sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("first")})
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := int(current.Load())
				next, err := k.encryptOrder(t)
				if err != nil {
					t.Errorf("Encrypt during a rotation = %v", err)
					return
				}
				if used := versionOf(t, versions, next.GetBody()); used < least {
					t.Errorf("version %d is in use a second after %d", used, least)
				}
				_, err = k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
					Name: nameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
				})
				if err != nil {
					t.Errorf("Decrypt of an older exchange = %v", err)
					return
				}
				if messages.Add(1)%8 == 0 { // some exchanges span rotations
					sent = next
				}
			}
		})
	}
	for version := 2; version <= versions; version++ {
		k.rotate(t, secret, version)
		<-time.After(time.Second) // what is promised, not a wait for something
		current.Store(int64(version))
		if !k.uses(t, version) {
			t.Errorf("version %d is not in use after a second", version)
		}
	}
	close(stop)
	load.Wait()
	t.Logf("%d messages there and back", messages.Load())
}

// versionOf returns the version that a body was encrypted under.
func versionOf(t testing.TB, versions int, body []byte) int {
	t.Helper()
	for version := 1; version <= versions; version++ {
		if opens(t, version, body) {
			return version
		}
	}
	t.Error("no version opens the body")
	return 0
}

func TestWithoutTheVaultWhatIsInMemoryIsUsedUntilItIsTooOld(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.orders(t)
	k.owner.create(t, "others", draft(k.secret(t, "other")))
	k.activate(t, "others")
	k.warm(t)
	if got := k.metric(t, "keyward_vault_watch_connected"); got != 1 {
		t.Errorf("the metric of the watch is %v while it is there", got)
	}
	k.vaultServer.Stop()
	for range 20 {
		if _, err := k.encryptOrder(t); err != nil {
			t.Fatalf("Encrypt with a key in memory, without the vault = %v", err)
		}
	}
	_, err := k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("others"), Body: []byte("hello")})
	wantError(t, "Encrypt with a key that is not in memory", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	k.clock.advance(time.Minute)
	_, err = k.encryptOrder(t)
	wantError(t, "Encrypt with a key that is too old", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if !servertest.Retryable(err) {
		t.Error("VAULT_UNAVAILABLE does not ask to try again")
	}
	if got := k.metric(t, "keyward_key_cache_stale_seconds"); got < 60 {
		t.Errorf("the metric of staleness is %v, want 60 at least", got)
	}
	eventually(t, func() bool { return k.metric(t, "keyward_vault_watch_connected") == 0 }, "the metric says that the watch is there")
	k.startVault(t)
	eventually(t, func() bool { return k.uses(t, 1) }, "Encrypt does not work again")
	k.warm(t)
}

func TestNothingIsKeptInMemoryIfNothingMayBe(t *testing.T) {
	t.Parallel()
	k := makeKit(t, 0, func(k *kit) { k.config.Vault.MaxStale = new(time.Duration) })
	secret := k.orders(t)
	for version := 1; version < 10; version++ {
		if !k.uses(t, version) {
			t.Errorf("version %d is not in use at once", version)
		}
		k.rotate(t, secret, version+1)
	}
	k.vaultServer.Stop()
	_, err := k.encryptOrder(t)
	wantError(t, "Encrypt without the vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
}

func TestRestoredVaultIsNoticed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.orders(t)
	k.vaultServer.Stop()
	backup, err := os.ReadFile(k.vaultConfig.Store)
	must(t, err)
	k.startVault(t)
	k.rotate(t, secret, 2)
	eventually(t, func() bool { return k.uses(t, 2) }, "the rotation is not in use")
	k.warm(t)
	k.vaultServer.Stop()
	must(t, os.WriteFile(k.vaultConfig.Store, backup, 0o600))
	k.startVault(t)
	k.rotate(t, secret, 3) // the log is as long as before, and says something else
	eventually(t, func() bool { return k.uses(t, 3) }, "a key of the time before the restore is in use")
}

func TestNegativeOrEndlessStalenessIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, wrong := range []time.Duration{-time.Second, time.Hour + 1} {
		config := k.config
		config.Vault.MaxStale = &wrong
		if err := config.Check(); err == nil {
			t.Errorf("Check takes a max_stale of %v", wrong)
		}
	}
}

// A relay passes bytes on to an address, and can cut all connections at once.
type relay struct {
	net.Listener
	to string

	mu   sync.Mutex
	open map[net.Conn]bool
}

func startRelay(t testing.TB, to string) *relay {
	t.Helper()
	var config net.ListenConfig
	lis, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	r := &relay{Listener: lis, to: to, open: make(map[net.Conn]bool)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return // closed
			}
			serving.Go(func() { r.pass(conn) })
		}
	})
	t.Cleanup(func() {
		lis.Close()
		r.cut()
		serving.Wait()
	})
	return r
}

func (r *relay) pass(near net.Conn) {
	far, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", r.to)
	if err != nil {
		near.Close()
		return
	}
	r.mu.Lock()
	r.open[near], r.open[far] = true, true
	r.mu.Unlock()
	var both sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{near: far, far: near} {
		both.Go(func() {
			_, _ = io.Copy(to, from) // until one of the two is closed
			to.Close()
		})
	}
	both.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, near)
	delete(r.open, far)
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.open {
		conn.Close()
	}
}

// TestNoRotationIsMissedHoweverOftenTheConnectionBreaks cuts the connection between
// the allowlist and the vault around each rotation. One that was missed would be
// seen: its version would never be in use.
func TestNoRotationIsMissedHoweverOftenTheConnectionBreaks(t *testing.T) {
	t.Parallel()
	var between *relay
	k := makeKit(t, 0, func(k *kit) {
		between = startRelay(t, k.vaultServer.Addr)
		k.config.Vault.Address = between.Addr().String()
	})
	secret := k.orders(t)
	k.warm(t)
	for version := 2; version <= 20; version++ {
		cuts := make(chan struct{})
		go func() { // before, while and after, as it happens
			defer close(cuts)
			for range version % 4 {
				between.cut()
			}
		}()
		k.rotate(t, secret, version)
		<-cuts
		eventually(t, func() bool { return k.uses(t, version) }, "version %d is never in use", version)
	}
	k.warm(t)
}
