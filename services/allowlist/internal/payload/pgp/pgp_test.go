package pgp_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
)

var now = time.Date(2027, 3, 4, 5, 6, 7, 0, time.UTC)

const sample = `{"customer":"C-1029","note":"naïve ₹ café 🎯","amount":1250.5}`

// A pair is a key in the forms that it is stored in.
type pair struct {
	entity          *openpgp.Entity
	private, public []byte
}

// newPair generates a key pair with a creation time in the distant past; change may modify the
// configuration.
func newPair(t testing.TB, change func(*packet.Config)) pair {
	t.Helper()
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return now.AddDate(-1, 0, 0) }}
	if change != nil {
		change(config)
	}
	entity, err := openpgp.NewEntity("Partner", "", "partner@example.test", config)
	if err != nil {
		t.Fatal(err)
	}
	return pairOf(t, entity)
}

func pairOf(t testing.TB, entity *openpgp.Entity) pair {
	t.Helper()
	var private, public bytes.Buffer
	if err := entity.SerializePrivateWithoutSigning(&private, nil); err != nil {
		t.Fatal(err)
	}
	if err := entity.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	return pair{entity, private.Bytes(), armored(t, openpgp.PublicKeyType, public.Bytes())}
}

func armored(t testing.TB, kind string, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func encrypt(t testing.TB, m pgp.Message, to pair, signer *pgp.Signer, plaintext []byte) []byte {
	t.Helper()
	message, err := m.Encrypt(now, rand.Reader, to.public, signer, plaintext)
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	return message
}

func TestMessagesOpenForEveryKindOfKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*packet.Config)
	}{
		{"an elliptic curve key of version 4", nil},
		{"an RSA key of 2,048 bits", func(c *packet.Config) { c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, 2048 }},
		{"a NIST curve", func(c *packet.Config) { c.Algorithm, c.Curve = packet.PubKeyAlgoECDSA, packet.CurveNistP256 }},
		{"a key of version 6 that wants AEAD", func(c *packet.Config) {
			c.V6Keys, c.Algorithm, c.AEADConfig = true, packet.PubKeyAlgoEd25519, &packet.AEADConfig{}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, signer := newPair(t, tt.change), newPair(t, tt.change)
			for _, m := range []pgp.Message{{}, {Binary: true}} {
				for _, plaintext := range []string{"", "a", sample, strings.Repeat(sample, 1000)} {
					sent := encrypt(t, m, key, nil, []byte(plaintext))
					if got, which, err := pgp.Decrypt(now, [][]byte{signer.private, key.private}, nil, nil, sent); err != nil || which != 1 || string(got) != plaintext {
						t.Errorf("Decrypt of %d bytes = %d bytes by key %d, %v", len(plaintext), len(got), which, err)
					}
					sent = encrypt(t, m, key, &pgp.Signer{Key: signer.private}, []byte(plaintext))
					if got, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, [][]byte{key.public, signer.public}, sent); err != nil || string(got) != plaintext {
						t.Errorf("Decrypt of %d signed bytes = %d bytes, %v", len(plaintext), len(got), err)
					}
				}
				if got, want := bytes.HasPrefix(encrypt(t, m, key, nil, nil), []byte("-----BEGIN PGP MESSAGE-----\n")), !m.Binary; got != want {
					t.Errorf("a message with Binary %t is armored: %t", m.Binary, got)
				}
			}
		})
	}
}

func TestVectorsOfOtherToolsOpen(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			ID        string
			Secrets   map[string]struct{ Value string }
			Profile   struct{ Kind, Ref string }
			Plaintext string
			Output    struct{ Body string }
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, v := range file.Vectors {
		if v.Profile.Kind != "pgp" {
			continue
		}
		count++
		key, err := os.ReadFile("../testdata/" + v.Secrets[v.Profile.Ref].Value)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := pgp.Decrypt(now, [][]byte{key}, nil, nil, []byte(v.Output.Body)); err != nil || string(got) != v.Plaintext {
			t.Errorf("%s: Decrypt = %q, %v", v.ID, got, err)
		}
	}
	if count == 0 {
		t.Error("no vectors found")
	}
}

func TestAPassphraseUnlocksThePrivateKey(t *testing.T) {
	t.Parallel()
	key := newPair(t, nil)
	if err := key.entity.EncryptPrivateKeys([]byte("correct horse"), nil); err != nil {
		t.Fatal(err)
	}
	key = pairOf(t, key.entity)
	sent := encrypt(t, pgp.Message{}, key, &pgp.Signer{Key: key.private, Passphrase: []byte("correct horse")}, []byte(sample))
	if got, _, err := pgp.Decrypt(now, [][]byte{key.private}, []byte("correct horse"), [][]byte{key.public}, sent); err != nil || string(got) != sample {
		t.Errorf("Decrypt = %q, %v", got, err)
	}
	for _, passphrase := range []string{"", "wrong"} {
		if _, _, err := pgp.Decrypt(now, [][]byte{key.private}, []byte(passphrase), nil, sent); !errors.Is(err, pgp.ErrKey) {
			t.Errorf("Decrypt with passphrase %q = %v, want ErrKey", passphrase, err)
		}
		signer := &pgp.Signer{Key: key.private, Passphrase: []byte(passphrase)}
		if _, err := (pgp.Message{}).Encrypt(now, rand.Reader, key.public, signer, nil); !errors.Is(err, pgp.ErrKey) {
			t.Errorf("Encrypt with passphrase %q = %v, want ErrKey", passphrase, err)
		}
	}
}

func TestOnlyAVerifiersSignatureCounts(t *testing.T) {
	t.Parallel()
	key, signer, other := newPair(t, nil), newPair(t, nil), newPair(t, nil)
	signed := func(by pair) []byte {
		return encrypt(t, pgp.Message{}, key, &pgp.Signer{Key: by.private}, []byte(sample))
	}
	// The partner was the recipient of a signed message, and sends it on to us.
	forwarded := func() []byte {
		inner := encrypt(t, pgp.Message{Binary: true}, other, &pgp.Signer{Key: signer.private}, []byte(sample))
		return reencrypt(t, contentOf(t, other, inner), key)
	}
	late := func(d time.Duration) []byte {
		message, err := pgp.Message{}.Encrypt(now.Add(d), rand.Reader, key.public, &pgp.Signer{Key: signer.private}, []byte(sample))
		if err != nil {
			t.Fatal(err)
		}
		return message
	}
	tests := []struct {
		name      string
		message   []byte
		verifiers [][]byte
		want      error
	}{
		{"the verifier signed", signed(signer), [][]byte{signer.public}, nil},
		{"the second verifier signed", signed(signer), [][]byte{other.public, signer.public}, nil},
		{"no verifier is given", signed(other), nil, nil},
		{"another key signed", signed(other), [][]byte{signer.public}, pgp.ErrSignature},
		{"our own key signed", signed(key), [][]byte{signer.public}, pgp.ErrSignature},
		{"nobody signed", encrypt(t, pgp.Message{}, key, nil, []byte(sample)), [][]byte{signer.public}, pgp.ErrSignature},
		{"it was signed for another recipient", forwarded(), [][]byte{signer.public}, pgp.ErrSignature},
		{"the signer's clock is ahead by four minutes", late(4 * time.Minute), [][]byte{signer.public}, nil},
		{"it was signed in an hour", late(time.Hour), [][]byte{signer.public}, pgp.ErrSignature},
	}
	for _, tt := range tests {
		got, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, tt.verifiers, tt.message)
		if !errors.Is(err, tt.want) || err == nil && string(got) != sample {
			t.Errorf("%s: Decrypt = %q, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}
