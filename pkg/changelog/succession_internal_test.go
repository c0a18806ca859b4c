package changelog

import (
	"errors"
	"strings"
	"testing"
)

func TestTheNumberOfSuccessionsIsLimited(t *testing.T) {
	t.Parallel()
	signer := func(i int) noteSigner {
		s, err := newSigner([32]byte{byte(i), byte(i >> 8)}, "keyward.dev/vault")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var c chain
	for i := range MaxSuccessions {
		var err error
		if c, err = c.extend(signer(i), signer(i+1).verifierKey); err != nil {
			t.Fatal(err)
		}
	}
	first, last := c.keys[0], c.keys[MaxSuccessions]
	if _, err := decodeChain(c.stored); err != nil || !leads(c.notes, first, last) {
		t.Errorf("decodeChain(%d successions) = %v, want none", MaxSuccessions, err)
	}
	if _, err := c.extend(signer(MaxSuccessions), signer(MaxSuccessions+1).verifierKey); !errors.Is(err, ErrTooManyKeys) {
		t.Errorf("another succession = %v, want ErrTooManyKeys", err)
	}
	if leads(append([]string{""}, c.notes...), first, last) {
		t.Error("more successions are followed than there may be")
	}
}

func FuzzParseSuccession(f *testing.F) {
	one, err := newSigner([32]byte{1}, "keyward.dev/vault")
	if err != nil {
		f.Fatal(err)
	}
	other, err := newSigner([32]byte{2}, "keyward.dev/vault")
	if err != nil {
		f.Fatal(err)
	}
	succession, err := one.succeed(other.verifierKey)
	if err != nil {
		f.Fatal(err)
	}
	text, _, _ := strings.Cut(succession, "\n\n")
	f.Add(text+"\n", one.Name(), succession)
	f.Add(text, one.Name(), succession+succession)
	f.Add("\n\n\n", "", "")
	f.Add(one.text(tree{}), one.Name(), "— x y\n")
	f.Fuzz(func(t *testing.T, text, name, succession string) {
		if next, err := parseSuccession(text, name); err == nil && successionText(name, next) != text {
			t.Errorf("parseSuccession(%q) = %q", text, next)
		}
		// Only the key can sign, and there is one form of what it signed.
		if next, err := openSuccession(succession, one.verifierKey); err == nil {
			if again, err := one.succeed(next); err != nil || again != succession {
				t.Errorf("openSuccession(%q) = %q", succession, next)
			}
		}
	})
}

func FuzzDecodeChain(f *testing.F) {
	one, err := newSigner([32]byte{1}, "keyward.dev/vault")
	if err != nil {
		f.Fatal(err)
	}
	other, err := newSigner([32]byte{2}, "keyward.dev/vault")
	if err != nil {
		f.Fatal(err)
	}
	c, err := chain{}.extend(one, other.verifierKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.stored)
	f.Add(c.stored[:len(c.stored)-1])
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := decodeChain(value)
		if err != nil {
			return
		}
		if len(c.keys) != len(c.notes)+1 || !leads(c.notes, c.keys[0], c.keys[len(c.keys)-1]) {
			t.Errorf("decodeChain(%x) = %+v, want successions that lead to the last key", value, c)
		}
	})
}
