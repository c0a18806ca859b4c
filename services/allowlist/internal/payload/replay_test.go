package payload_test

import (
	"bytes"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// With PKCS #1 v1.5, a random key replaces a key that fails to unwrap. If it were different each
// time, a message that is sent repeatedly would sometimes seem to decrypt under CBC if its padding
// is wrong, and always or never if it is right. This is the oracle of Bleichenbacher's attack.
func TestAMessageSentAgainGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, form := range []string{"RAW", "HEX", "BASE64", "ALPHANUMERIC"} {
		// Under CTR, any key decrypts to some bytes, which reveals the key.
		session := func(key string) string {
			return sessionKey("AES_128_CTR", `form: FORM_`+form+` `+pkcs1, named(key, "PEM")) + hybridCBC
		}
		p := legacyPipeline(t, session("rsa"))
		message := s.encrypt(t, legacyPipeline(t, session("rsa2-pub")), "a body")
		first, err := s.decrypt(t, p, message)
		for err != nil { // a number that our key is too small for, as anyone can see
			message = s.encrypt(t, legacyPipeline(t, session("rsa2-pub")), "a body")
			first, err = s.decrypt(t, p, message)
		}
		if err != nil || string(first.Body) == "a body" {
			t.Fatalf("%s: Decrypt = %q, %v, want different bytes", form, first.Body, err)
		}
		for range 3 {
			if again, err := s.decrypt(t, p, message); err != nil || !bytes.Equal(again.Body, first.Body) {
				t.Errorf("%s: Decrypt = %x, %v, and %x before", form, again.Body, err, first.Body)
			}
		}
	}
}

// A response under the key and IV of the request may be encrypted twice only if the ciphertext is
// the same. A nested signature may change it.
func TestTheSameAnswerIsTheSameCiphertextUnlessItIsSignedInside(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	const asks = `} response { cipher { algorithm: ALGORITHM_AES_128_GCM exchange_key {} iv { source: SOURCE_PEER_FLIPPED } } `
	envelope := `envelope { ` + blobOf("data", "BASE64", "CIPHERTEXT", "TAG") + `} `
	for rest, repeats := range map[string]bool{
		"": true,
		`nested_jws { jws { algorithm: ALGORITHM_ES256 } ` + named("ec", "PEM") + ` } `: false,
	} {
		c, err := acknowledged(t, "request { "+sessionKey("AES_128_GCM", oaep, named("rsa", "PEM"))+hybrid+asks+envelope+rest+"}")
		if err != nil {
			t.Fatal(err)
		}
		p := c.Pipeline(payload.Response)
		if !p.AnswersOnce() || p.Repeats() != repeats {
			t.Errorf("%q: answers once: %v, repeats: %v, want %v", rest, p.AnswersOnce(), p.Repeats(), repeats)
		}
		in := payload.Input{
			Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte("answer"),
			Exchange: &payload.Exchange{Key: make([]byte, 16), IV: make([]byte, 12)},
		}
		var bodies [2][]byte
		for i := range bodies {
			out, err := p.Encrypt(in)
			if err != nil {
				t.Fatal(err)
			}
			bodies[i] = out.Body
		}
		if bytes.Equal(bodies[0], bodies[1]) != repeats {
			t.Errorf("%q: two answers are equal: %v, want %v", rest, !repeats, repeats)
		}
	}
}

// Without authentication, an empty value decrypts to an empty value, but a missing header is an
// error.
func TestAHeaderThatIsMissingIsNotEmpty(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	inHeader := ` headers { key: "X-Data" value: "${d}" } }`
	for _, profile := range []string{
		`envelope { ` + blobOf("d", "BASE64", "CIPHERTEXT") + ` text: "x"` + inHeader,
		under("AES_256_CTR", "") + `envelope { ` + blobOf("i", "BASE64", "IV") + blobOf("d", "BASE64", "CIPHERTEXT") + ` text: "${i}"` + inHeader,
	} {
		p := legacyPipeline(t, profile)
		message := s.encrypt(t, p, "a body")
		s.opens(t, p, message, "a body")
		message.Headers = nil
		if out, err := s.decrypt(t, p, message); payload.Stage(err) != "envelope" {
			t.Errorf("Decrypt without the header = %q, %v", out.Body, err)
		}
	}
}
