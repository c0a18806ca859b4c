package sealing_test

import (
	"crypto/ecdh"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/keyward/keyward/services/vault/internal/sealing"
)

func TestSealedValuesAreTakenForAnHour(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	keys := f.open(t)
	at := f.now
	value := f.sealTo(t, keys.List()[0])
	for offset, field := range map[time.Duration]string{
		-sealing.MaxAhead - time.Second: sealing.Field + ".seal_time",
		-sealing.MaxAhead:               "",
		0:                               "",
		sealing.MaxAge - time.Second:    "",
		sealing.MaxAge + time.Second:    sealing.Field + ".seal_time",
		24 * time.Hour:                  sealing.Field + ".seal_time",
	} {
		f.now = at.Add(offset)
		wantRefused(t, offset.String(), keys.Fresh(value), field)
		wantOpen(t, offset.String(), keys, value, "")
	}
}

// A vector is an entry of docs/sealed-values.json.
type vector struct {
	Secret    string
	RequestID string
	Text      bool
	Value     []byte
	Info      string
	Ephemeral []byte `json:"ephemeralPrivateKey"`
	Sealed    struct {
		KeyID      string
		SealTime   time.Time
		Ciphertext []byte
		Text       bool
	}
}

func TestKnownAnswers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../docs/sealed-values.json")
	check(t, err)
	var known struct {
		PublicKey, PrivateKey []byte
		KeyID                 string
		Values                []vector
	}
	check(t, json.Unmarshal(text, &known))
	if id := sealing.ID(known.PublicKey); id != known.KeyID || len(known.Values) != 2 {
		t.Fatalf("ID = %s, want %s; there are %d values, want 2", id, known.KeyID, len(known.Values))
	}
	opens, err := sealing.Opener(known.PrivateKey)
	check(t, err)
	for _, v := range known.Values {
		ephemeral, err := ecdh.X25519().NewPrivateKey(v.Ephemeral)
		check(t, err)
		if got := v.Sealed.Ciphertext[:32]; string(got) != string(ephemeral.PublicKey().Bytes()) {
			t.Errorf("the encapsulated key is %x, want that of the ephemeral key", got)
		}
		sealed := sealing.Sealed{KeyID: v.Sealed.KeyID, Time: v.Sealed.SealTime, Ciphertext: v.Sealed.Ciphertext, Text: v.Text}
		info := sealed.Info(v.Secret, v.RequestID)
		if string(info) != v.Info {
			t.Errorf("Info = %q, want %q", info, v.Info)
		}
		plain, err := opens.Decrypt(sealed.Ciphertext, info)
		if err != nil || string(plain) != string(v.Value) {
			t.Errorf("a known value opens as %q, %v, want %q", plain, err, v.Value)
		}
	}
}
