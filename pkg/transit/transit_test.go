package transit_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/transit"
)

var place = transit.Place{Name: "workspaces/w/secrets/s", UID: "uid", Version: 3}

func newSealer(t testing.TB, now func() time.Time) *transit.Sealer {
	t.Helper()
	s, err := transit.NewSealer(now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s *transit.Sealer, recipient []byte, value string) transit.Value {
	t.Helper()
	to, err := s.For(recipient)
	if err != nil {
		t.Fatal(err)
	}
	return to.Seal([]byte(value), place)
}

func newPair(t testing.TB, r *transit.Recipient) *transit.Pair {
	t.Helper()
	p, err := r.Pair()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTheContractIsEnough opens a value as the contract describes it, without this package.
func TestTheContractIsEnough(t *testing.T) {
	t.Parallel()
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, newSealer(t, time.Now), private.PublicKey().Bytes(), "a value")
	key, err := hpke.NewDHKEMPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := hpke.NewRecipient(sealed.EncapsulatedKey, key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte("keyward resolved value v1"))
	if err != nil {
		t.Fatal(err)
	}
	content, err := recipient.Export("value", 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(content)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce, ciphertext := sealed.Ciphertext[:12], sealed.Ciphertext[12:]
	plain, err := gcm.Open(nil, nonce, ciphertext, []byte("workspaces/w/secrets/s\nuid\n3"))
	if err != nil || string(plain) != "a value" {
		t.Errorf("Open() = %q, %v, want the value", plain, err)
	}
}

func TestAValueOpensForItsRecipientAndPlaceOnly(t *testing.T) {
	t.Parallel()
	s := newSealer(t, time.Now)
	own, other := newPair(t, transit.NewRecipient(time.Now)), newPair(t, transit.NewRecipient(time.Now))
	sealed := seal(t, s, own.Public(), "a value")
	if plain, err := own.Open(sealed, place); err != nil || string(plain.Reveal()) != "a value" {
		t.Errorf("Open() = %v, want the value", err)
	}
	for name, try := range map[string]func() error{
		"another recipient": func() error { _, err := other.Open(sealed, place); return err },
		"another name": func() error {
			_, err := own.Open(sealed, transit.Place{Name: "workspaces/w/secrets/t", UID: "uid", Version: 3})
			return err
		},
		"another life": func() error {
			_, err := own.Open(sealed, transit.Place{Name: place.Name, UID: "other", Version: 3})
			return err
		},
		"another version": func() error {
			_, err := own.Open(sealed, transit.Place{Name: place.Name, UID: "uid", Version: 4})
			return err
		},
	} {
		if err := try(); !errors.Is(err, transit.ErrOpen) {
			t.Errorf("opening for %s = %v, want ErrOpen", name, err)
		}
	}
}

func TestOneEncapsulatedKeyServesManyValuesForAWhile(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newSealer(t, func() time.Time { return now })
	p := newPair(t, transit.NewRecipient(time.Now))
	first, second := seal(t, s, p.Public(), "one"), seal(t, s, p.Public(), "one")
	if !bytes.Equal(first.EncapsulatedKey, second.EncapsulatedKey) || bytes.Equal(first.Ciphertext, second.Ciphertext) {
		t.Error("two values for a recipient have not one encapsulated key and two nonces")
	}
	now = now.Add(time.Hour)
	third := seal(t, s, p.Public(), "two")
	if bytes.Equal(first.EncapsulatedKey, third.EncapsulatedKey) {
		t.Error("an encapsulated key is used for an hour")
	}
	for _, v := range []transit.Value{third, first} {
		if _, err := p.Open(v, place); err != nil {
			t.Errorf("Open() = %v", err)
		}
	}
}

func TestARecipientReplacesItsKeys(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := transit.NewRecipient(func() time.Time { return now })
	first := newPair(t, r)
	asked := seal(t, newSealer(t, time.Now), first.Public(), "asked with the old pair")
	if newPair(t, r) != first {
		t.Error("each question has a pair of its own")
	}
	now = now.Add(5 * time.Minute)
	r.Forget()
	if newPair(t, r) == first {
		t.Error("a pair is used for 5 minutes")
	}
	if _, err := first.Open(asked, place); err != nil {
		t.Errorf("the answer to an earlier question does not open: %v", err)
	}
}

func TestPublicKeysThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	s := newSealer(t, time.Now)
	order8 := []byte{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00}
	for _, public := range [][]byte{nil, make([]byte, 31), make([]byte, 32), make([]byte, 33), order8} {
		if _, err := s.For(public); !errors.Is(err, transit.ErrRecipient) {
			t.Errorf("For(%x) = %v, want ErrRecipient", public, err)
		}
	}
}

func TestManyGoroutinesShareBothSides(t *testing.T) {
	t.Parallel()
	s, r := newSealer(t, time.Now), transit.NewRecipient(time.Now)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				p, err := r.Pair()
				if err != nil {
					t.Error(err)
					return
				}
				to, err := s.For(p.Public())
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := p.Open(to.Seal([]byte("value"), place), place); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
