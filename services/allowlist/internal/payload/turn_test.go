package payload_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
)

// slowly returns a profile with a derivation with the given iterations and a salt that is sent.
func slowly(iterations int) string {
	return `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("pass", "RAW") + fmt.Sprintf(` derivation { pbkdf2 { iterations: %d } `, iterations) + sentSalt + `} } } envelope { ` + blobOf("data", "HEX", "SALT", "IV", "CIPHERTEXT", "TAG") + `}`
}

// If only one turn is available, slow messages of all calls are processed one after another. Each
// returns its turn, even if it fails to decrypt.
func TestSlowMessagesTakeTurns(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, slowly(101_000))
	q := slowwork.NewQueue(1)
	var under counter
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			next := func() slowwork.Turn { return &counted{Turn: q.For(t.Context(), slowwork.Share{}), of: &under} }
			in := payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte("body"), Turn: next()}
			sent, err := p.Encrypt(in)
			if err != nil {
				t.Errorf("Encrypt: %v", err)
				return
			}
			in.Keys, in.Body, in.Turn = s.keys(t, p.DecryptReferences()), sent.Body, next()
			if _, err := p.Decrypt(in); err != nil {
				t.Errorf("Decrypt: %v", err)
			}
			in.Body, in.Turn = []byte(strings.Repeat("00", 60)), next()
			if _, err := p.Decrypt(in); !fault.Is(err, payload.DecryptionFailed) {
				t.Errorf("Decrypt of zeros: %v", err)
			}
		})
	}
	all.Wait()
	if under.most != 1 || under.now != 0 || q.Waiting() != 0 {
		t.Errorf("%d at once, %d begun and %d waiting at the end; want 1, 0 and 0", under.most, under.now, q.Waiting())
	}
	if under.pieces < 9*3 {
		t.Errorf("%d pieces were done, want each derivation in three", under.pieces)
	}
}

// A counter counts the turns that are under way.
type counter struct {
	mutex             sync.Mutex
	now, most, pieces int
}

func (c *counter) add(n int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now += n
	c.most = max(c.most, c.now)
	c.pieces += max(0, n)
}

// counted is a turn that a counter counts.
type counted struct {
	slowwork.Turn
	of    *counter
	begun bool
}

func (c *counted) Begin(now, later int) error {
	c.stop()
	err := c.Turn.Begin(now, later)
	if c.begun = err == nil; c.begun {
		c.of.add(1)
	}
	return err
}

func (c *counted) End() {
	c.stop()
	c.Turn.End()
}

func (c *counted) stop() {
	if c.begun {
		c.begun = false
		c.of.add(-1)
	}
}

// A message that is canceled while it waits is neither encrypted nor reported as failing to
// decrypt.
func TestCanceledMessagesLeaveTheQueue(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	q := slowwork.NewQueue(0) // whose turn never comes
	ctx, leave := context.WithCancel(t.Context())
	leave()
	for name, profile := range map[string]string{
		"a slow derivation":  slowly(150_000),
		"two candidate keys": strings.Replace(slowly(150_000), named("pass", "RAW"), named("pass", "RAW")+named("kek", "RAW"), 1),
	} {
		p := legacyPipeline(t, profile)
		in := payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte("body"), Turn: q.For(ctx, slowwork.Share{})}
		if out, err := p.Encrypt(in); !errors.Is(err, context.Canceled) || out.Body != nil {
			t.Errorf("%s: Encrypt = %q, %v", name, out.Body, err)
		}
		in.Keys, in.Body = s.keys(t, p.DecryptReferences()), []byte(strings.Repeat("00", 60))
		if _, err := p.Decrypt(in); !errors.Is(err, context.Canceled) || payload.Stage(err) != "" {
			t.Errorf("%s: Decrypt: %v", name, err)
		}
	}
	light := pipeline(t, gcm)
	in := payload.Input{Nonces: payload.Uncounted, Now: now, Keys: resolve(light.EncryptReferences()), Body: []byte("body"), Turn: q.For(ctx, slowwork.Share{})}
	if _, err := light.Encrypt(in); err != nil {
		t.Errorf("Encrypt of a light message: %v", err)
	}
}
