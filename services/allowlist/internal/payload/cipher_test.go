package payload_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"fmt"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// algorithms contains all algorithms with the length of their keys.
var algorithms = []struct {
	name string
	key  int
}{
	{"AES_128_GCM", 16},
	{"AES_192_GCM", 24},
	{"AES_256_GCM", 32},
	{"AES_128_CBC", 16},
	{"AES_192_CBC", 24},
	{"AES_256_CBC", 32},
	{"AES_128_CTR", 16},
	{"AES_192_CTR", 24},
	{"AES_256_CTR", 32},
	{"AES_128_CFB", 16},
	{"AES_192_CFB", 24},
	{"AES_256_CFB", 32},
	{"AES_128_OFB", 16},
	{"AES_192_OFB", 24},
	{"AES_256_OFB", 32},
	{"AES_128_ECB", 16},
	{"AES_192_ECB", 24},
	{"AES_256_ECB", 32},
	{"CHACHA20_POLY1305", 32},
	{"TRIPLE_DES_CBC", 24},
	{"TRIPLE_DES_CBC", 16},
	{"TRIPLE_DES_ECB", 24},
	{"TRIPLE_DES_ECB", 16},
}

// under returns a cipher with a shared key. The parameter rest contains its other fields.
func under(algorithm, rest string) string {
	return `cipher { algorithm: ALGORITHM_` + algorithm + ` shared_key { ` + ref + ` } ` + rest + ` } `
}

func TestEveryAlgorithmOpensWhatItMade(t *testing.T) {
	t.Parallel()
	for _, tt := range algorithms {
		for _, padding := range []string{"PKCS7", "ZERO", "NONE", "PKCS7_32"} {
			rest := "padding: PADDING_" + padding
			if !strings.Contains(tt.name, "CBC") && !strings.Contains(tt.name, "ECB") {
				rest = ""
			}
			p := legacyPipeline(t, under(tt.name, rest))
			s := newSafe(t).with("a", keyA[:2*tt.key])
			for _, body := range []string{"", strings.Repeat("sixteen bytes ok", 3), strings.Repeat("x", 4096)} {
				s.opens(t, p, s.encrypt(t, p, body), body)
			}
			if rest == "" || padding != "NONE" {
				s.opens(t, p, s.encrypt(t, p, "seventeen bytes.."), "seventeen bytes..")
				continue
			}
			_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte("short")})
			if !fault.Is(err, payload.BodyNotEncryptable) {
				t.Errorf("%s without padding: Encrypt of 5 bytes: %v", tt.name, err)
			}
		}
	}
}

func TestModesAgreeWithTheLibrary(t *testing.T) {
	t.Parallel()
	body := []byte(strings.Repeat("attack at dawn..", 4))
	ivHex := "0f0e0d0c0b0a09080706050403020100"
	iv := unhex(t, ivHex)
	block, err := aes.NewCipher(unhex(t, keyA))
	if err != nil {
		t.Fatal(err)
	}
	two := append(unhex(t, keyA)[:16:16], unhex(t, keyA)[:8]...)
	triple, err := des.NewTripleDESCipher(two)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"AES_256_CTR": make([]byte, len(body)), "TRIPLE_DES_CBC": make([]byte, len(body)), "AES_256_ECB": {}, "TRIPLE_DES_ECB": {}}
	cipher.NewCTR(block, iv).XORKeyStream(want["AES_256_CTR"], body)
	cipher.NewCBCEncrypter(triple, iv[:8]).CryptBlocks(want["TRIPLE_DES_CBC"], body)
	for name, b := range map[string]cipher.Block{"AES_256_ECB": block, "TRIPLE_DES_ECB": triple} {
		size := b.BlockSize()
		for i := 0; i < len(body); i += size {
			sealed := make([]byte, size)
			b.Encrypt(sealed, body[i:i+size])
			want[name] = append(want[name], sealed...)
		}
	}
	for name, ciphertext := range want {
		rest, envelope := "", `envelope { `+blobOf("data", "HEX", "CIPHERTEXT")+`}`
		switch {
		case strings.HasSuffix(name, "ECB"):
			rest = "padding: PADDING_NONE"
		case strings.HasSuffix(name, "CBC"):
			rest = "padding: PADDING_NONE"
			envelope = `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`
			ciphertext = append(iv[:8:8], ciphertext...)
		default:
			envelope = `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`
			ciphertext = append(iv[:16:16], ciphertext...)
		}
		p := legacyPipeline(t, under(name, rest)+envelope)
		s := newSafe(t)
		if strings.HasPrefix(name, "TRIPLE") {
			s = s.with("a", keyA[:32])
		}
		got, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Random: bytes.NewReader(iv), Keys: s.keys(t, p.EncryptReferences()), Body: body})
		if wanted := fmt.Sprintf("%x", ciphertext); err != nil || string(got.Body) != wanted {
			t.Errorf("%s: Encrypt = %s, %v, want %s", name, got.Body, err, wanted)
		}
	}
}

func TestTagsMayBeShort(t *testing.T) {
	t.Parallel()
	for n := 12; n <= 16; n++ {
		p := legacyPipeline(t, under("AES_256_GCM", fmt.Sprintf("tag_bytes: %d", n))+`envelope { `+blobOf("data", "HEX", "IV", "CIPHERTEXT", "TAG")+`}`)
		s := newSafe(t)
		sent := s.encrypt(t, p, "body")
		if got := len(sent.Body) / 2; got != 12+4+n {
			t.Errorf("with a tag of %d bytes a message has %d, want %d", n, got, 16+n)
		}
		s.opens(t, p, sent, "body")
		sent.Body = sent.Body[:len(sent.Body)-2]
		if _, err := s.decrypt(t, p, sent); !fault.Is(err, payload.DecryptionFailed) {
			t.Errorf("Decrypt with a tag of %d bytes, cut: %v", n, err)
		}
	}
}

func TestAssociatedDataIsAuthenticated(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, algorithm := range []string{"AES_256_GCM", "CHACHA20_POLY1305"} {
		one, other := legacyPipeline(t, under(algorithm, `aad { text: "one" }`)), legacyPipeline(t, under(algorithm, `aad { text: "other" }`))
		sent := s.encrypt(t, one, "body")
		s.opens(t, one, sent, "body")
		if _, err := s.decrypt(t, other, sent); !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != "decrypt" {
			t.Errorf("%s: Decrypt with other associated data: %v", algorithm, err)
		}
		// Sent associated data is taken from the message, at any position.
		for _, parts := range [][]string{{"IV", "AAD"}, {"AAD", "IV"}} {
			envelope := `envelope { ` + blobOf("c", "BASE64", "CIPHERTEXT") + blobOf("n", "HEX", parts...) + blobOf("t", "HEX", "TAG") + ` text: "${c}:${n}:${t}" }`
			writes, reads := legacyPipeline(t, under(algorithm, `aad { sent: "ours" }`)+envelope), legacyPipeline(t, under(algorithm, `aad { sent: "" }`)+envelope)
			s.opens(t, reads, s.encrypt(t, writes, "body"), "body")
		}
	}
	body := `{"ts":"2026-11-22T12:00:00Z","pid":"x"}`
	p := legacyPipeline(t, under("AES_256_GCM", `aad { field_suffix { path: "$.ts" bytes: 16 } }`)+fields("", "$.pid"))
	sent := s.encrypt(t, p, body)
	s.opens(t, p, sent, body)
	sent.Body = bytes.Replace(sent.Body, []byte("2026-11-22T12"), []byte("2026-11-23T12"), 1)
	if _, err := s.decrypt(t, p, sent); !fault.Is(err, payload.DecryptionFailed) {
		t.Errorf("Decrypt with another time stamp: %v", err)
	}
	for _, body := range []string{`{"pid":"x"}`, `{"ts":"short","pid":"x"}`, `{"ts":1234567890123456789,"pid":"x"}`, `no`} {
		_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte(body)})
		if !fault.Is(err, payload.BodyNotEncryptable) {
			t.Errorf("Encrypt(%s): %v, want BODY_NOT_ENCRYPTABLE", body, err)
		}
		if _, err := s.decrypt(t, p, payload.Output{Body: []byte(body)}); payload.Stage(err) != "select" {
			t.Errorf("Decrypt(%s): %v, want the stage select", body, err)
		}
	}
}
