package payload_test

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

func TestKeysAreDecodedAsConfigured(t *testing.T) {
	t.Parallel()
	key := unhex(t, keyA)
	want := base64.RawURLEncoding.EncodeToString(key)
	tests := []struct {
		name, decoding, stored string
		usable                 bool
	}{
		{"raw bytes", "DECODING_RAW", string(key), true},
		{"raw bytes by default", "DECODING_UNSPECIFIED", string(key), true},
		{"raw bytes keep their white space", "DECODING_RAW", string(key) + "\n", false},
		{"upper case hexadecimal", "DECODING_HEX", strings.ToUpper(keyA), true},
		{"hexadecimal with a line end", "DECODING_HEX", " " + keyA + "\r\n", true},
		{"hexadecimal with a space inside", "DECODING_HEX", keyA[:2] + " " + keyA[2:], true},
		{"base64 with padding", "DECODING_BASE64", base64.StdEncoding.EncodeToString(key), true},
		{"base64 without padding", "DECODING_BASE64", base64.RawStdEncoding.EncodeToString(key), true},
		{"base64url with padding", "DECODING_BASE64URL", base64.URLEncoding.EncodeToString(key) + "\n", true},
		{"base64url without padding", "DECODING_BASE64URL", want, true},
		{"base64 with a line end inside", "DECODING_BASE64", want[:4] + "\n" + want[4:], true},
		{"a string of another encoding", "DECODING_HEX", want, false},
		{"a key that is too short", "DECODING_HEX", keyA[2:], false},
		{"a key that is too long", "DECODING_HEX", keyA + "00", false},
		{"the key of another algorithm", "DECODING_HEX", keyA[:32], false},
		{"nothing", "DECODING_RAW", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := pipeline(t, strings.Replace(gcm, "DECODING_HEX", test.decoding, 1))
			stored := sensitive.New([]byte(test.stored))
			sent, err := encryptWith(p, now, rand.Reader, keysOf(stored), []byte("body"))
			if test.usable && err != nil || !test.usable && !fault.Is(err, payload.KeyNotUsable) {
				t.Fatalf("Encrypt: %v, want it usable: %v", err, test.usable)
			}
			if string(stored.Reveal()) != test.stored {
				t.Error("Encrypt changed the stored bytes")
			}
			if err == nil {
				if got := decrypt(t, pipeline(t, gcm), string(sent.Body)); got != "body" {
					t.Errorf("the key decodes to another one: %q", got)
				}
			} else if test.stored != "" && strings.Contains(err.Error(), test.stored) {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
	p := pipeline(t, mac)
	_, err := encryptWith(p, now, rand.Reader, keysOf(sensitive.New(nil)), nil)
	if !fault.Is(err, payload.KeyNotUsable) {
		t.Errorf("Encrypt with an empty MAC key: %v, want KEY_NOT_USABLE", err)
	}
}

func TestAKeyThatIsNotUsableIsNamedByItsPlace(t *testing.T) {
	t.Parallel()
	own := config(t, gcmTwo+"} response { "+gcmTwo)
	signed := config(t, gcmTwo+mac)
	mirrored := config(t, gcmTwo)
	tests := []struct {
		name   string
		config *payload.Config
		of     payload.Direction
		opens  bool
		short  int // the key that is too short
		want   string
	}{
		{"the key that encrypts a request", own, payload.Request, false, 0, "request.cipher.shared_key.keys[0]"},
		{"the key that signs a request", signed, payload.Request, false, 1, "request.signing.keys[0]"},
		{"the key that verifies a request", signed, payload.Request, true, 2, "request.signing.keys[0]"},
		{"a key that opens a request", own, payload.Request, true, 1, "request.cipher.shared_key.keys[1]"},
		{"a key that opens a response", own, payload.Response, true, 1, "response.cipher.shared_key.keys[1]"},
		{"a key of the request that opens a response", mirrored, payload.Response, true, 1, "request.cipher.shared_key.keys[1]"},
	}
	for _, tt := range tests {
		p := tt.config.Pipeline(tt.of)
		refs := p.EncryptReferences()
		if tt.opens {
			refs = p.DecryptReferences()
		}
		keys := resolve(refs)
		keys[tt.short] = []payload.Key{{Value: sensitive.New([]byte("short"))}}
		_, err := encryptWith(p, now, rand.Reader, keys, []byte("body"))
		if tt.opens {
			_, err = decryptWith(p, now, keys, []byte("body"))
		}
		f, ok := fault.From(err)
		if !ok || f.Reason != payload.KeyNotUsable || f.Metadata["field"] != tt.want {
			t.Errorf("%s: %v with %v, want KEY_NOT_USABLE with field %s", tt.name, err, f.Metadata, tt.want)
		}
	}
}
