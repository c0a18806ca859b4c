package payload_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/internal/wycheproof"
)

const rawRef = `keys { name: "workspaces/acme/secrets/a" }`

// hexBlobs returns an envelope of parts in hexadecimal, with a dot between each.
func hexBlobs(slots ...string) string {
	blobs, text := "", ""
	for i, slot := range slots {
		blobs += fmt.Sprintf(`blobs { key: "p%d" value { parts { slot: %s } encoding: ENCODING_HEX } } `, i, slot)
		text += fmt.Sprintf("${p%d}.", i)
	}
	return fmt.Sprintf("envelope { %s text: %q }", blobs, text)
}

func hexBody(parts ...wycheproof.Hex) []byte {
	var body []byte
	for _, part := range parts {
		body = append(hex.AppendEncode(body, part), '.')
	}
	return body
}

// pipelines creates each pipeline once: a file has many tests and few configurations.
type pipelines map[string]*payload.Pipeline

func (p pipelines) of(t *testing.T, profile string) *payload.Pipeline {
	t.Helper()
	if p[profile] == nil {
		p[profile] = pipeline(t, profile)
	}
	return p[profile]
}

type cipherTest struct {
	wycheproof.Case
	Key, Iv, Aad, Msg, Ct, Tag wycheproof.Hex
}

// check decrypts the body, and encrypts the plaintext if that is possible. The associated data is
// part of the configuration when encrypting and of the body when decrypting.
func (tt cipherTest) check(t *testing.T, p *payload.Pipeline, body []byte, seals bool) {
	t.Helper()
	keys := keysOf(sensitive.New(tt.Key))
	got, err := p.Decrypt(payload.Input{Now: now, Keys: keys, Body: bytes.Clone(body)})
	switch {
	case tt.Valid() && (err != nil || !bytes.Equal(got.Body, tt.Msg)):
		t.Errorf("%v: Decrypt = %x, %v, want %x", tt, got.Body, err, tt.Msg)
	case !tt.Valid() && (!fault.Is(err, payload.DecryptionFailed) || got.Body != nil):
		t.Errorf("%v: Decrypt = %x, %v, want DECRYPTION_FAILED", tt, got.Body, err)
	}
	if !seals {
		return
	}
	sealed, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Random: bytes.NewReader(tt.Iv), Keys: keys, Body: tt.Msg})
	if err != nil || bytes.Equal(sealed.Body, body) != tt.Valid() {
		t.Errorf("%v: Encrypt = %s, %v, want %s", tt, sealed.Body, err, body)
	}
}

func TestWycheproofAEAD(t *testing.T) {
	t.Parallel()
	type group struct{ IvSize, KeySize int }
	for _, file := range []struct {
		name, algorithm string
		least           int // tests with an IV of an accepted length
	}{{"aes_gcm_test.json", "AES_%d_GCM", 150}, {"chacha20_poly1305_test.json", "CHACHA20_POLY1305", 300}} {
		t.Run(file.name, func(t *testing.T) {
			t.Parallel()
			all, tried := pipelines{}, 0
			wycheproof.Each(t, file.name, func(g group, tt cipherTest) {
				if g.IvSize != 96 && (g.IvSize != 128 || file.algorithm == "CHACHA20_POLY1305") {
					return
				}
				tried++
				algorithm := file.algorithm
				if algorithm == "AES_%d_GCM" {
					algorithm = fmt.Sprintf(algorithm, g.KeySize)
				}
				p := all.of(t, fmt.Sprintf(`cipher { algorithm: ALGORITHM_%s shared_key { %s } iv { bytes: %d } aad { sent: "" } } %s`,
					algorithm, rawRef, g.IvSize/8, hexBlobs("SLOT_IV", "SLOT_AAD", "SLOT_CIPHERTEXT", "SLOT_TAG")))
				tt.check(t, p, hexBody(tt.Iv, tt.Aad, tt.Ct, tt.Tag), len(tt.Aad) == 0)
			})
			if tried < file.least {
				t.Errorf("only %d tests have an accepted IV length", tried)
			}
		})
	}
}

func TestWycheproofCBC(t *testing.T) {
	t.Parallel()
	type group struct{ KeySize int }
	all := pipelines{}
	wycheproof.Each(t, "aes_cbc_pkcs5_test.json", func(g group, tt cipherTest) {
		p := all.of(t, fmt.Sprintf(`cipher { algorithm: ALGORITHM_AES_%d_CBC shared_key { %s } } %s %s`,
			g.KeySize, rawRef, ack, hexBlobs("SLOT_IV", "SLOT_CIPHERTEXT")))
		tt.check(t, p, hexBody(tt.Iv, tt.Ct), tt.Valid())
	})
}

// TestWycheproofHMAC uses full tags only: truncated tags are refused.
func TestWycheproofHMAC(t *testing.T) {
	t.Parallel()
	type group struct{ TagSize int }
	type test struct {
		wycheproof.Case
		Key, Msg, Tag wycheproof.Hex
	}
	for file, bits := range map[string]int{"sha1": 160, "sha256": 256, "sha384": 384, "sha512": 512} {
		p := pipeline(t, fmt.Sprintf(`signing { mac { algorithm: ALGORITHM_HMAC_%s } %s headers { key: "X-Mac" value: "${signature}" } }`, strings.ToUpper(file), rawRef))
		wycheproof.Each(t, "hmac_"+file+"_test.json", func(g group, tt test) {
			_, err := p.Verify(payload.Input{
				Now: now, Keys: keysOf(sensitive.New(tt.Key)), Body: tt.Msg,
				Headers: payload.Headers{"x-mac": hex.EncodeToString(tt.Tag)},
			})
			if wanted := tt.Valid() && g.TagSize == bits; wanted != (err == nil) || err != nil && !fault.Is(err, payload.SignatureInvalid) {
				t.Errorf("%s, %v, tag of %d bits: Verify = %v", file, tt, g.TagSize, err)
			}
		})
	}
}
