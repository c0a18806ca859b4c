package e2e

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const (
	// crowd is the number of senders under load.
	crowd = 64
	// sharing is the number of senders on one connection.
	sharing = 8
	// callTime is how long a sender waits for one answer. It exceeds the allowlist's time limit
	// for the vault, so that the allowlist gives up first.
	callTime = 15 * time.Second
)

// A sample is one call of a sender.
type sample struct {
	begin, end time.Time
	version    int // of the key that decrypts the message; -1: it failed
	err        error
}

// A load is a set of senders, each of which encrypts one message after the other.
type load struct {
	endpoint string
	pace     time.Duration // between two messages of a sender
	keys     *keys

	good, bad atomic.Int64

	mu      sync.Mutex
	samples []sample
	kept    map[int][]*allowlistv1.EncryptResponse // some messages of each version
	group   sync.WaitGroup
	stop    context.CancelFunc
}

// underLoad starts senders that continue until the load is ended.
func (c *constellation) underLoad(endpoint string, pace time.Duration, k *keys) *load {
	c.t.Helper()
	ctx, stop := context.WithCancel(c.t.Context())
	l := &load{endpoint: endpoint, pace: pace, keys: k, kept: make(map[int][]*allowlistv1.EncryptResponse), stop: stop}
	for range crowd / sharing {
		client := c.allowlistAs(c.t, sender)
		for range sharing {
			l.group.Go(func() { l.send(ctx, client) })
		}
	}
	c.t.Cleanup(func() { l.end() })
	return l
}

// end ends the load and returns all calls.
func (l *load) end() []sample {
	l.stop()
	l.group.Wait()
	return l.samples
}

// send encrypts a message, and decrypts the previous one: the key may have changed in between.
func (l *load) send(ctx context.Context, client allowlistv1.AllowlistServiceClient) {
	var before *allowlistv1.EncryptResponse
	for ctx.Err() == nil {
		s := sample{begin: time.Now(), version: -1}
		var message *allowlistv1.EncryptResponse
		message, s.err = encrypt(ctx, client, l.endpoint)
		s.end = time.Now()
		if s.err == nil {
			s.version, s.err = l.keys.version(message.GetBody())
		}
		if s.err == nil && before != nil {
			s.err = decrypt(ctx, client, l.endpoint, before)
		}
		if ctx.Err() != nil {
			return // the end of the load is not a failure
		}
		l.note(s, message)
		before = message
		pause(ctx, l.pace)
	}
}

func (l *load) note(s sample, message *allowlistv1.EncryptResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.samples = append(l.samples, s)
	if s.err != nil {
		l.bad.Add(1)
		return
	}
	l.good.Add(1)
	if len(l.kept[s.version]) < sharing {
		l.kept[s.version] = append(l.kept[s.version], message)
	}
}

// waitForMore waits until n more calls have succeeded.
func (l *load) waitForMore(t testing.TB, n int64) {
	t.Helper()
	goal := l.good.Load() + n
	eventually(t, patience, "more messages are encrypted", func(context.Context) error {
		if got := l.good.Load(); got < goal {
			return fmt.Errorf("%d of %d, %d failed", got, goal, l.bad.Load())
		}
		return nil
	})
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func encrypt(ctx context.Context, client allowlistv1.AllowlistServiceClient, endpoint string) (*allowlistv1.EncryptResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return client.Encrypt(ctx, &allowlistv1.EncryptRequest{Name: endpoint, Body: []byte("hello")})
}

func decrypt(ctx context.Context, client allowlistv1.AllowlistServiceClient, endpoint string, m *allowlistv1.EncryptResponse) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	got, err := client.Decrypt(ctx, &allowlistv1.DecryptRequest{Name: endpoint, Body: m.GetBody(), Exchange: m.GetExchange()})
	if err == nil && string(got.GetBody()) != "hello" {
		return fmt.Errorf("Decrypt = %q, want hello", got.GetBody())
	}
	return err
}

// reasonOf returns the reason of the google.rpc.ErrorInfo in an error.
func reasonOf(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// keys are the versions of an endpoint's key, oldest first, as the partner has them.
type keys struct {
	mu    sync.Mutex
	aeads []cipher.AEAD
}

func newKeys(t testing.TB, first string) *keys {
	t.Helper()
	k := new(keys)
	k.add(t, first)
	return k
}

func (k *keys) add(t testing.TB, text string) {
	t.Helper()
	key, err := hex.DecodeString(text)
	check(t, err)
	block, err := aes.NewCipher(key)
	check(t, err)
	aead, err := cipher.NewGCM(block)
	check(t, err)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.aeads = append(k.aeads, aead)
}

// version returns the version that decrypts a message.
func (k *keys) version(body []byte) (int, error) {
	k.mu.Lock()
	aeads := k.aeads
	k.mu.Unlock()
	var envelope struct{ EncryptedData []byte }
	if err := json.Unmarshal(body, &envelope); err != nil {
		return -1, fmt.Errorf("read envelope: %w", err)
	}
	for version, aead := range aeads {
		if iv := aead.NonceSize(); len(envelope.EncryptedData) >= iv {
			if plain, err := aead.Open(nil, envelope.EncryptedData[:iv], envelope.EncryptedData[iv:], nil); err == nil && string(plain) == "hello" {
				return version, nil
			}
		}
	}
	return -1, fmt.Errorf("none of %d keys decrypts the message", len(aeads))
}

// TestRotationUnderLoadIsInUseWithinASecond is not parallel, because it measures time.
func TestRotationUnderLoadIsInUseWithinASecond(t *testing.T) {
	const rotations = 5
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	c.reconfigure("allowlist", func(text string) string {
		return text + "limits: {per_principal: {requests_per_second: 0, concurrent: 0}}\n"
	})
	k := newKeys(t, aesKey)
	l := c.underLoad(endpoint, 0, k)
	l.waitForMore(t, 4*crowd)

	vault := c.vaultAs(t, owner)
	answered := make([]time.Time, rotations+1) // the first version existed before
	for n := 1; n <= rotations; n++ {
		next := strings.Repeat(fmt.Sprintf("%02x", n), 32)
		k.add(t, next) // it may be used before the answer arrives
		secret := text(next)
		secret.Name = "workspaces/demo/secrets/payments-aes"
		_, err := vault.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret})
		check(t, err)
		answered[n] = time.Now()
		l.waitForMore(t, 4*crowd)
	}
	samples := l.end()
	client := c.allowlistAs(t, sender)
	for version := range rotations + 1 {
		if len(l.kept[version]) == 0 {
			t.Errorf("no message was encrypted with version %d", version)
		}
		for _, message := range l.kept[version] {
			if err := decrypt(t.Context(), client, endpoint, message); err != nil {
				t.Errorf("Decrypt of a message of version %d = %v", version, err)
			}
		}
	}
	judgeRotations(t, samples, answered)
}

// judgeRotations checks that no call failed, and that no call that started a second after a
// rotation used an older key.
func judgeRotations(t *testing.T, samples []sample, answered []time.Time) {
	t.Helper()
	var slowest time.Duration
	for _, s := range samples {
		if s.err != nil {
			t.Fatalf("a call under load failed: %v", s.err)
		}
		for n := s.version + 1; n < len(answered); n++ {
			slowest = max(slowest, s.begin.Sub(answered[n]))
		}
	}
	t.Logf("%d messages by %d senders; the last call with an old key began %v after the rotation was answered", len(samples), crowd, slowest)
	if slowest > time.Second {
		t.Errorf("an old key was in use %v after the rotation, want at most a second", slowest)
	}
}

func TestAVaultThatIsKilledUnderLoadIsDoneWithoutForAWhile(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	c.withMaxStale()
	l := c.underLoad(endpoint, 50*time.Millisecond, newKeys(t, aesKey))
	l.waitForMore(t, 4*crowd)

	// No one notices a shorter restart.
	c.running["vault"].kill()
	c.start("vault")
	l.waitForMore(t, 4*crowd)
	c.waitWatched()
	l.waitForMore(t, 4*crowd)
	if bad := l.bad.Load(); bad > 0 {
		t.Errorf("%d calls failed over a restart of the vault, want none", bad)
	}

	o := outage{began: time.Now()}
	c.running["vault"].kill()
	l.waitForRefusals(t)
	o.ended = time.Now()
	c.start("vault")
	l.waitForMore(t, 4*crowd)
	o.judge(t, l.end())
}

// maxStale is the max_stale of the allowlist in tests.
const maxStale = 4 * time.Second

// An outage is a period in which the vault was unreachable.
type outage struct{ began, ended time.Time }

// waitForRefusals waits until each sender was refused once on average.
func (l *load) waitForRefusals(t testing.TB) {
	t.Helper()
	goal := l.bad.Load() + crowd
	eventually(t, patience, "the allowlist refuses calls without the vault", func(context.Context) error {
		if got := l.bad.Load(); got < goal {
			return fmt.Errorf("%d of %d calls refused", got, goal)
		}
		return nil
	})
}

// judge checks that calls were served from the cache for the promised time and no longer, and then
// refused for the right reason.
func (o outage) judge(t testing.TB, samples []sample) {
	t.Helper()
	// The last heartbeat was slightly earlier than the outage, and pending messages may have
	// arrived slightly later; the machine may be busy.
	const slack = time.Second
	served := 0
	for _, s := range samples {
		switch {
		case s.err == nil && s.begin.After(o.began) && s.end.Before(o.ended):
			served++
			if late := s.begin.Sub(o.began); late > maxStale+slack {
				t.Fatalf("a call was served from the cache %v after the vault stopped, want at most %v", late, maxStale)
			}
		case s.err != nil && reasonOf(s.err) != "VAULT_UNAVAILABLE":
			t.Fatalf("a call without the vault = %v, want VAULT_UNAVAILABLE", s.err)
		case s.err != nil && s.end.Before(o.began.Add(maxStale-slack)):
			t.Fatalf("a call was refused %v after the vault stopped, want it to be served for %v", s.end.Sub(o.began), maxStale)
		}
	}
	if served == 0 {
		t.Error("no call was served from the cache")
	}
	t.Logf("%d calls, %d of them served without the vault", len(samples), served)
}
