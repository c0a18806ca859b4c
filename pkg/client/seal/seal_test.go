package seal_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/client/seal"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Known is docs/sealed-values.json.
type known struct {
	PublicKey, PrivateKey []byte
	KeyID                 string
	Values                []struct {
		Secret, RequestID string
		Text              bool
		Value             []byte
		Info              string
		Sealed            struct {
			KeyID      string
			SealTime   time.Time
			Ciphertext []byte
		}
	}
}

func read(t *testing.T) (known, hpke.PrivateKey) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/sealed-values.json")
	if err != nil {
		t.Fatal(err)
	}
	var k known
	if err := json.Unmarshal(text, &k); err != nil {
		t.Fatal(err)
	}
	scalar, err := ecdh.X25519().NewPrivateKey(k.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := hpke.NewDHKEMPrivateKey(scalar)
	if err != nil {
		t.Fatal(err)
	}
	return k, private
}

func open(private hpke.PrivateKey, info string, ciphertext []byte) ([]byte, error) {
	return hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), ciphertext)
}

func TestKnownAnswers(t *testing.T) {
	t.Parallel()
	k, private := read(t)
	key, err := seal.NewKey(k.PublicKey)
	if err != nil || key.ID() != k.KeyID {
		t.Fatalf("NewKey = %v, %v, want %s", key.ID(), err, k.KeyID)
	}
	for _, v := range k.Values {
		if plain, err := open(private, v.Info, v.Sealed.Ciphertext); err != nil || !bytes.Equal(plain, v.Value) {
			t.Errorf("a known value opens as %q, %v, want %q", plain, err, v.Value)
		}
		place := seal.Place{Secret: v.Secret, RequestID: v.RequestID, Time: v.Sealed.SealTime.Add(time.Second / 2), Text: v.Text}
		var last *vaultv1.SealedValue
		for range 2 {
			got, err := key.Seal(v.Value, place)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := open(private, v.Info, got.GetCiphertext())
			if err != nil || !bytes.Equal(plain, v.Value) || len(got.GetCiphertext()) != len(v.Value)+48 {
				t.Errorf("a value that is sealed for a known place opens as %q, %v", plain, err)
			}
			if got.GetKeyId() != k.KeyID || !got.GetSealTime().AsTime().Equal(v.Sealed.SealTime) || got.GetText() != v.Text {
				t.Errorf("Seal = %v", got)
			}
			if last != nil && bytes.Equal(last.GetCiphertext()[:32], got.GetCiphertext()[:32]) {
				t.Error("two values have the same encapsulated key")
			}
			last = got
		}
	}
}

func TestKeysHaveATextForm(t *testing.T) {
	t.Parallel()
	k, _ := read(t)
	key, err := seal.NewKey(k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{key.String(), " " + key.String() + "\n"} {
		if got, err := seal.ParseKey(text); err != nil || got.String() != key.String() {
			t.Errorf("ParseKey(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "?", key.String()[1:], key.ID(), key.String() + key.String()} {
		if got, err := seal.ParseKey(text); !errors.Is(err, seal.ErrKey) {
			t.Errorf("ParseKey(%q) = %v, %v, want %v", text, got, err, seal.ErrKey)
		}
	}
	// A point of small order would yield the same key for everyone.
	var low seal.Key
	if low, err = seal.NewKey(make([]byte, 32)); err == nil {
		_, err = low.Seal([]byte("v"), seal.Place{})
	}
	if err == nil {
		t.Error("Seal accepted a point of small order")
	}
	if _, err := (seal.Key{}).Seal([]byte("v"), seal.Place{}); !errors.Is(err, seal.ErrKey) {
		t.Errorf("Seal with no key = %v, want %v", err, seal.ErrKey)
	}
}

func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"", "iSwp3VLQKqVItcXDiQU/yQ9VpOipQAAfhj1OPOk6ZmM=", "iSwp3VLQKqVItcXDiQU/yQ9VpOipQAAfhj1OPOk6Zm N=\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := seal.ParseKey(text)
		if err != nil {
			return
		}
		if again, err := seal.ParseKey(key.String()); err != nil || again.String() != key.String() || len(key.ID()) != 16 {
			t.Errorf("ParseKey(%q).String() = %q, which parses as %v, %v", text, key.String(), again, err)
		}
	})
}
