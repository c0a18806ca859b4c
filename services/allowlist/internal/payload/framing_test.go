package payload_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// callback is the encryption of the callbacks of DingTalk and WeCom.
const callback = `cipher {
	algorithm: ALGORITHM_AES_256_CBC padding: PADDING_PKCS7_32 iv { source: SOURCE_KEY_PREFIX }
	shared_key { keys { name: "workspaces/acme/secrets/aes" decoding: DECODING_BASE64 } }
	framing { random_bytes: 16 length: true suffix: "dingcorp123" }
} envelope { blobs { key: "data" value { parts { slot: SLOT_CIPHERTEXT } } } json: "{\"encrypt\":\"${data}\"}" } `

// readJSON reads a file of testdata.
func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func TestCallbacksOfDingTalkAreMadeAndOpenedByteForByte(t *testing.T) {
	t.Parallel()
	// Made with node:crypto. The random bytes are the text 0123456789abcdef.
	var known struct{ Message, Key, Body string }
	readJSON(t, "dingtalk.json", &known)
	s, p := newSafe(t).with("aes", known.Key), legacyPipeline(t, callback)
	s.opens(t, p, payload.Output{Body: []byte(known.Body)}, known.Message)
	random := []byte{52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 26, 27, 28, 29, 30, 31} // positions in A-Za-z0-9
	out, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Random: bytes.NewReader(random), Keys: s.keys(t, p.EncryptReferences()), Body: []byte(known.Message)})
	if err != nil || string(out.Body) != known.Body {
		t.Errorf("Encrypt = %s, %v, want %s", out.Body, err, known.Body)
	}
	if one, other := s.encrypt(t, p, known.Message), s.encrypt(t, p, known.Message); bytes.Equal(one.Body, other.Body) {
		t.Error("two encryptions of a message are the same although they begin with random bytes")
	}
	if !p.ShowsKey() {
		t.Error("the IV is the beginning of the key, and ShowsKey = false")
	}
	// The characters that WeCom generates as a key have bits after the last byte.
	s = s.with("aes", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")
	for n := range 70 {
		s.opens(t, p, s.encrypt(t, p, strings.Repeat("x", n)), strings.Repeat("x", n))
	}
}

// sealedCallback encrypts padded bytes like a partner, without checking them.
func sealedCallback(t *testing.T, key string, padded []byte) payload.Output {
	t.Helper()
	k, err := base64.RawStdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		t.Fatal(err)
	}
	sealed := make([]byte, len(padded))
	cipher.NewCBCEncrypter(block, k[:16]).CryptBlocks(sealed, padded)
	return payload.Output{Body: []byte(`{"encrypt":"` + base64.StdEncoding.EncodeToString(sealed) + `"}`)}
}

func TestWrongFramesAndPaddingsAreOneAnswer(t *testing.T) {
	t.Parallel()
	const key = "6xGA/rx5EPkVx4WpkUNW+uzRpuRtvFqTq92ovjKJnas"
	s, p := newSafe(t).with("aes", key), legacyPipeline(t, callback)
	const head = "0123456789abcdef"
	pad := func(text string) []byte {
		n := 32 - len(text)%32
		return append([]byte(text), bytes.Repeat([]byte{byte(n)}, n)...)
	}
	right := pad(head + "\x00\x00\x00\x02{}dingcorp123")
	s.opens(t, p, sealedCallback(t, key, right), "{}")
	badPad := bytes.Clone(right)
	badPad[len(badPad)-1]++
	for name, padded := range map[string][]byte{
		"wrong padding":         badPad,
		"padding of 16 bytes":   append([]byte(head+"\x00\x00\x00\x01xdingcorp123"), bytes.Repeat([]byte{16}, 16)...),
		"a length too large":    pad(head + "\x00\x00\x00\x03{}dingcorp123"),
		"a length too small":    pad(head + "\x00\x00\x00\x01{}dingcorp123"),
		"an enormous length":    pad(head + "\xff\xff\xff\xff{}dingcorp123"),
		"another receiver":      pad(head + "\x00\x00\x00\x02{}dingcorp124"),
		"no receiver":           pad(head + "\x00\x00\x00\x02{}"),
		"less than a frame":     pad("0123"),
		"an empty ciphertext":   {},
		"half a block too much": append(bytes.Clone(right), right[:16]...),
	} {
		_, err := s.decrypt(t, p, sealedCallback(t, key, padded))
		if !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != "decrypt" {
			t.Errorf("%s: Decrypt: %v at stage %q, want DECRYPTION_FAILED at decrypt", name, err, payload.Stage(err))
		}
	}
}

// With authentication, the frame of a message that opens is wrong under every key.
func TestAWrongFrameUnderAuthenticationTriesNoOtherKey(t *testing.T) {
	t.Parallel()
	gcm := `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("a", "HEX") + named("b", "HEX") + ` } framing { random_bytes: 8 length: true suffix: "%" } }`
	s := newSafe(t)
	one, other := legacyPipeline(t, strings.Replace(gcm, "%", "one", 1)), legacyPipeline(t, strings.Replace(gcm, "%", "two", 1))
	sent := s.encrypt(t, one, "body")
	s.opens(t, one, sent, "body")
	if _, err := s.decrypt(t, other, sent); payload.Stage(err) != "decrypt" {
		t.Errorf("Decrypt with another suffix: %v at stage %q", err, payload.Stage(err))
	}
	sent = s.encrypt(t, legacyPipeline(t, strings.Replace(strings.Replace(gcm, named("a", "HEX"), "", 1), "%", "one", 1)), "body")
	s.opens(t, one, sent, "body")
}
