package payload_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// theAnswer is the only error that bad data from a partner may cause.
func theAnswer(err error) string {
	f, ok := fault.From(err)
	if !ok {
		return "not a fault"
	}
	want := &fault.Error{Kind: fault.InvalidArgument, Reason: payload.DecryptionFailed, Message: "the partner's data failed to decrypt"}
	return cmp.Diff(want, f, cmpopts.IgnoreUnexported(fault.Error{}))
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	three := `envelope { blobs { key: "c" value { parts { slot: SLOT_CIPHERTEXT } } } blobs { key: "i" value { parts { slot: SLOT_IV } } } blobs { key: "t" value { parts { slot: SLOT_TAG } encoding: ENCODING_BASE64URL } } `
	tests := []struct{ name, profile, body string }{
		{"as text", gcm, "attack at dawn"},
		{"with a long nonce", strings.Replace(gcm, "shared_key", "iv { bytes: 16 } shared_key", 1), "attack at dawn"},
		{"with two keys", gcmTwo, "attack at dawn"},
		{"in a template", gcm + three + `text: "v1:${i}.${t}.${c}" }`, "attack at dawn"},
		{"as JSON", gcm + three + `json: '{"i":"${i}","t":"${t}","c":"${c}","v":[true,"v1"]}' }`, "attack at dawn"},
		{"as a field", gcm + fields("", "$.a"), `{"a":"attack at dawn"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := pipeline(t, test.profile)
			body := encrypt(t, p, test.body).Body
			keys := resolve(p.DecryptReferences())
			for i := range body {
				for bit := range 8 {
					body[i] ^= 1 << bit
					got, err := decryptWith(p, now, keys, body)
					if diff := theAnswer(err); diff != "" {
						t.Errorf("Decrypt with bit %d of byte %d of %s flipped = %q, %v: %s", bit, i, body, got, err, diff)
					}
					body[i] ^= 1 << bit
				}
			}
			for n := range bytes.TrimRight(body, "=") { // padding may be missing
				if diff := theAnswer(second(decryptWith(p, now, keys, body[:n]))); diff != "" {
					t.Errorf("Decrypt of the first %d of %d bytes: %s", n, len(body), diff)
				}
			}
		})
	}
}

func second(_ []byte, err error) error { return err }

// The errors must not distinguish padding, length, and encoding. Otherwise, an attacker could
// decrypt the ciphertext byte by byte.
func TestCBCGivesOneAnswer(t *testing.T) {
	t.Parallel()
	p := pipeline(t, cbc)
	keys := resolve(p.DecryptReferences())
	sealed, err := base64.StdEncoding.DecodeString(string(encrypt(t, p, "attack at dawn, all of us").Body))
	if err != nil {
		t.Fatal(err)
	}
	causes := map[string]bool{}
	for i := range 256 {
		changed := append([]byte(nil), sealed...)
		changed[len(changed)-17] ^= byte(i) // the last byte of the padding, after decryption
		_, err := decryptWith(p, now, keys, []byte(base64.StdEncoding.EncodeToString(changed)))
		if err == nil {
			continue // this byte results in valid padding
		}
		if diff := theAnswer(err); diff != "" {
			t.Fatalf("Decrypt with padding changed by %d: %s", i, diff)
		}
		causes[err.Error()] = true
	}
	for n := range sealed {
		_, err := decryptWith(p, now, keys, []byte(base64.StdEncoding.EncodeToString(sealed[:n])))
		if n >= 16 && n%16 != 0 {
			causes[err.Error()] = true
		}
		if diff := theAnswer(err); diff != "" {
			t.Errorf("Decrypt of %d of %d bytes: %s", n, len(sealed), diff)
		}
	}
	if len(causes) != 1 {
		t.Errorf("the causes distinguish lengths and paddings: %v", causes)
	}
}
