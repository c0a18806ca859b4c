package derive

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// recorded is a turn that records its requests and its end.
type recorded []string

func (r *recorded) Begin(now, later int) error {
	*r = append(*r, fmt.Sprint("begin ", now, " then ", later))
	return nil
}

func (r *recorded) End() { *r = append(*r, "end") }

func TestWhatIsLightDoesNotWaitForATurn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		works []int
		want  recorded
	}{
		{"nothing", []int{0, 0}, nil},
		{"two private keys", []int{message.PrivateKeyWork, message.PrivateKeyWork}, nil},
		{"many public keys", []int{message.PublicKeyWork, message.PublicKeyWork, message.PublicKeyWork, message.PublicKeyWork, message.PublicKeyWork}, nil},
		{"one OpenPGP message", []int{message.PgpWork}, recorded{"begin 100000 then 0", "end"}},
		{"a slow derivation", []int{600_000}, recorded{"begin 600000 then 0", "end"}},
		{"light work in many values", []int{12_000, 8_000, 6_000, 0, 4_000}, recorded{"begin 6000 then 0", "begin 4000 then 0", "end"}},
		{"too much", []int{600_000, message.WorkLimit}, recorded{"begin 600000 then 0", "end"}},
	} {
		var log recorded
		m := &message.Message{Input: message.Input{Turn: &log}}
		for _, work := range tt.works {
			if err := m.Spend(work); (err != nil) != (m.Work > message.WorkLimit) {
				t.Errorf("%s: spend(%d) = %v", tt.name, work, err)
			}
		}
		m.End()
		if diff := cmp.Diff(tt.want, log); diff != "" {
			t.Errorf("%s: turns (-want +got):\n%s", tt.name, diff)
		}
	}
}

// The expected work of a message is announced before it begins: the pieces of a derivation, and
// those of the remaining values, up to the limit of a message.
func TestSlowWorkIsAnnouncedAndDoneInPieces(t *testing.T) {
	t.Parallel()
	var log recorded
	d := slowDeriver(2*keys.Piece + 1000)
	d.Sent = 8
	m := &message.Message{Input: message.Input{Turn: &log}, Left: 2}
	for range 2 {
		if _, err := d.Key(m, []byte("secret"), []byte("salt"), 32); err != nil {
			t.Fatal(err)
		}
	}
	want := recorded{
		"begin 50000 then 151999", "begin 50000 then 101999", "begin 999 then 101000", "end",
		"begin 50000 then 50999", "begin 50000 then 999", "begin 999 then 0", "end",
	}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
	log = nil
	m = &message.Message{Input: message.Input{Turn: &log}, Left: 1000, Work: message.WorkLimit - 300_000}
	if _, err := d.Key(m, []byte("secret"), []byte("salt"), 32); err != nil || log[0] != "begin 50000 then 250000" {
		t.Errorf("derive with a thousand values to come: %v, turns %q", err, log)
	}
}

// gone is a turn whose caller goes away after some pieces.
type gone int

func (g *gone) Begin(int, int) error {
	if *g--; *g < 0 {
		return fmt.Errorf("wait: %w", context.Canceled)
	}
	return nil
}

func (*gone) End() {}

// A caller that has gone away gets neither a key nor a result for the message, and work that has
// begun ends.
func TestAMessageWhoseTurnDoesNotComeFails(t *testing.T) {
	t.Parallel()
	for _, pieces := range []gone{0, 1, 2} {
		d := slowDeriver(3 * keys.Piece)
		if key, err := d.Key(&message.Message{Input: message.Input{Turn: &pieces}}, []byte("secret"), nil, 32); !errors.Is(err, context.Canceled) || key != nil {
			t.Errorf("derive = %x, %v", key, err)
		}
		if isCached(t, d, "secret", "", 32) || pieces != -1 {
			t.Errorf("a key that was not derived is cached, or was requested %d times more", pieces)
		}
	}
}

// meanwhile is a turn that lets others do something first.
type meanwhile func()

func (m meanwhile) Begin(int, int) error {
	m()
	return nil
}

func (meanwhile) End() {}

// If several messages wait for the same key, one of them derives it.
func TestAKeyThatAnotherMessageDerivedMeanwhileIsTaken(t *testing.T) {
	t.Parallel()
	d := slowDeriver(101_000)
	of, err := d.hash([]byte("secret"), []byte("salt"), 32)
	if err != nil {
		t.Fatal(err)
	}
	other := meanwhile(func() { d.derived.Keep(&of, []byte("what another derived meanwhile.."), time.Minute) })
	got, err := d.Key(&message.Message{Input: message.Input{Turn: other}}, []byte("secret"), []byte("salt"), 32)
	if err != nil || string(got) != "what another derived meanwhile.." {
		t.Errorf("derive = %q, %v, want the key that another message derived", got, err)
	}
}

func TestADerivedKeyIsForgottenWhenUnused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := slowDeriver(101_000)
		in := &message.Message{Input: message.Input{KeepUnused: time.Minute}}
		if _, err := d.Key(in, []byte("secret"), []byte("salt"), 32); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		if !isCached(t, d, "secret", "salt", 32) {
			t.Error("a key is dropped while it is in use")
		}
		time.Sleep(50 * time.Second)
		if !isCached(t, d, "secret", "salt", 32) {
			t.Error("a key is dropped although it was used")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if isCached(t, d, "secret", "salt", 32) {
			t.Error("an unused key is cached")
		}
	})
}
