package vaultclient_test

import (
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
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// TestRotationUnderLoad encrypts with 64 senders, and decrypts with the exchanges of earlier
// messages, while the key is rotated.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	const senders, versions = 64, 4
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	k.Warm(t)
	var current atomic.Int64 // the version that must be in use
	current.Store(1)
	var load sync.WaitGroup
	stop := make(chan struct{})
	var messages atomic.Int64
	for range senders {
		load.Go(func() {
			sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("first")})
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := int(current.Load())
				next, err := k.EncryptOrder(t)
				if err != nil {
					t.Errorf("Encrypt during a rotation = %v", err)
					return
				}
				if used := versionOf(t, versions, next.GetBody()); used < least {
					t.Errorf("version %d is in use a second after %d", used, least)
				}
				_, err = k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
					Name: allowlisttest.NameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
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
		k.Rotate(t, secret, version)
		<-time.After(time.Second) // the promised time, not a wait for an event
		current.Store(int64(version))
		if !k.Uses(t, version) {
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
		if allowlisttest.Opens(t, version, body) {
			return version
		}
	}
	t.Error("no version decrypts the body")
	return 0
}

func TestCachedKeysAreUsedWithoutTheVaultUntilTheyAreStale(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Orders(t)
	k.Owner.Create(t, "others", allowlisttest.Draft(k.Secret(t, "other")))
	k.Activate(t, "others")
	k.Warm(t)
	if got := k.Metric(t, "keyward_vault_watch_connected"); got != 1 {
		t.Errorf("the metric of the watch is %v while it is connected", got)
	}
	k.VaultServer.Stop()
	for range 20 {
		if _, err := k.EncryptOrder(t); err != nil {
			t.Fatalf("Encrypt with a cached key, without the vault = %v", err)
		}
	}
	_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("others"), Body: []byte("hello")})
	allowlisttest.WantError(t, "Encrypt with a key that is not cached", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	k.Clock.Advance(time.Minute)
	_, err = k.EncryptOrder(t)
	allowlisttest.WantError(t, "Encrypt with a key that is too old", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if !servertest.Retryable(err) {
		t.Error("VAULT_UNAVAILABLE does not ask for a retry")
	}
	if got := k.Metric(t, "keyward_key_cache_stale_seconds"); got < 60 {
		t.Errorf("the metric of staleness is %v, want at least 60", got)
	}
	allowlisttest.Eventually(t, func() bool { return k.Metric(t, "keyward_vault_watch_connected") == 0 }, "the metric reports that the watch is connected")
	k.StartVault(t)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 1) }, "Encrypt does not work again")
	k.Warm(t)
}

func TestNothingIsKeptInMemoryIfNothingMayBe(t *testing.T) {
	t.Parallel()
	k := allowlisttest.Make(t, 0, func(k *allowlisttest.Kit) { k.Config.Vault.MaxStale = new(time.Duration) })
	secret := k.Orders(t)
	for version := 1; version < 10; version++ {
		if !k.Uses(t, version) {
			t.Errorf("version %d is not in use at once", version)
		}
		k.Rotate(t, secret, version+1)
	}
	k.VaultServer.Stop()
	_, err := k.EncryptOrder(t)
	allowlisttest.WantError(t, "Encrypt without the vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
}

func TestRestoredVaultIsNoticed(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	k.VaultServer.Stop()
	backup, err := os.ReadFile(k.VaultConfig.Store)
	allowlisttest.Must(t, err)
	k.StartVault(t)
	k.Rotate(t, secret, 2)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 2) }, "the rotation is not in use")
	k.Warm(t)
	k.VaultServer.Stop()
	allowlisttest.Must(t, os.WriteFile(k.VaultConfig.Store, backup, 0o600))
	k.StartVault(t)
	k.AcceptVault(t)
	k.Rotate(t, secret, 3) // the log has the same length but other contents
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 3) }, "a key from before the restore is in use")
}

func TestNegativeOrEndlessStalenessIsRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for _, wrong := range []time.Duration{-time.Second, time.Hour + 1} {
		config := k.Config
		config.Vault.MaxStale = &wrong
		if err := config.Check(); err == nil {
			t.Errorf("Check accepts a max_stale of %v", wrong)
		}
	}
}

// A relay forwards bytes to an address, and can cut all connections at once.
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
	allowlisttest.Must(t, err)
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

// TestNoRotationIsMissedHoweverOftenTheConnectionBreaks cuts the connection between the allowlist
// and the vault around each rotation. If a rotation were missed, its version would never be used.
func TestNoRotationIsMissedHoweverOftenTheConnectionBreaks(t *testing.T) {
	t.Parallel()
	var between *relay
	k := allowlisttest.Make(t, 0, func(k *allowlisttest.Kit) {
		between = startRelay(t, k.VaultServer.Addr)
		k.Config.Vault.Address = between.Addr().String()
	})
	secret := k.Orders(t)
	k.Warm(t)
	for version := 2; version <= 20; version++ {
		cuts := make(chan struct{})
		go func() { // before, during, or after, at random
			defer close(cuts)
			for range version % 4 {
				between.cut()
			}
		}()
		k.Rotate(t, secret, version)
		<-cuts
		allowlisttest.Eventually(t, func() bool { return k.Uses(t, version) }, "version %d is never used", version)
	}
	k.Warm(t)
}
