package payload

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/turn"
)

// recorded returns a turn that notes what it is asked for and when it ends.
func recorded(log *[]string) turn.Turn {
	return func(work int) (func(), error) {
		*log = append(*log, fmt.Sprint("begin ", work))
		return func() { *log = append(*log, "end") }, nil
	}
}

func TestWhatIsLightDoesNotWaitForATurn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		works []int
		want  []string
	}{
		{"nothing", []int{0, 0}, nil},
		{"a few private keys", []int{privateKeyWork, privateKeyWork, privateKeyWork, privateKeyWork, publicKeyWork}, nil},
		{"one OpenPGP message", []int{pgpWork}, nil},
		{"a slow derivation", []int{600_000}, []string{"begin 600000", "end"}},
		{"light work in many values", []int{60_000, 40_000, 30_000, 0, 20_000}, []string{"begin 30000", "end", "begin 20000", "end"}},
		{"too much", []int{600_000, workLimit}, []string{"begin 600000", "end"}},
	} {
		var log []string
		m := &message{Input: Input{Turn: recorded(&log)}}
		for _, work := range tt.works {
			if err := m.spend(work); (err != nil) != (m.work > workLimit) {
				t.Errorf("%s: spend(%d) = %v", tt.name, work, err)
			}
		}
		m.end()
		m.end()
		if diff := cmp.Diff(tt.want, log); diff != "" {
			t.Errorf("%s: turns (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Who went away while waiting gets neither a key nor a verdict on the message.
func TestAMessageWhoseTurnDoesNotComeFails(t *testing.T) {
	t.Parallel()
	gone := func(int) (func(), error) { return nil, fmt.Errorf("wait: %w", context.Canceled) }
	d := slowDeriver(101_000)
	if key, err := d.derive(&message{Input: Input{Turn: gone}}, []byte("secret"), nil, 32); !errors.Is(err, context.Canceled) || key != nil {
		t.Errorf("derive = %x, %v", key, err)
	}
	if d.remembered[0].key != nil {
		t.Error("what was not derived is remembered")
	}
}

// Of messages that wait for the same key one derives it.
func TestAKeyThatAnotherMessageDerivedMeanwhileIsTaken(t *testing.T) {
	t.Parallel()
	d := slowDeriver(101_000)
	want, err := d.derive(new(message), []byte("secret"), []byte("salt"), 32)
	if err != nil {
		t.Fatal(err)
	}
	late := slowDeriver(101_000)
	late.by = d.by
	meanwhile := func(int) (func(), error) {
		late.remember(d.remembered[0].of, []byte("what another derived meanwhile.."))
		return func() {}, nil
	}
	got, err := late.derive(&message{Input: Input{Turn: meanwhile}}, []byte("secret"), []byte("salt"), 32)
	if err != nil || string(got) != "what another derived meanwhile.." {
		t.Errorf("derive = %q, %v, and %x would be derived anew", got, err, want)
	}
}
