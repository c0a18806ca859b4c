package signature_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// checksum is the configuration of a checksum in a header.
func checksum(t testing.TB) *signature.Signer {
	t.Helper()
	s, violations := signature.New(signature.Config{
		Scheme: signature.EncryptedDigest{IV: "@@@@&&&&####$$$$"}, Input: "${body}", Encoding: template.Base64,
		Headers: map[string]string{"X-Checksum": "${signature}"},
	})
	if len(violations) > 0 {
		t.Fatalf("violations: %v", violations)
	}
	return s
}

func TestAChecksumHasASaltOfItsOwn(t *testing.T) {
	t.Parallel()
	s, key := checksum(t), any([]byte("merchant key 16b"))
	seen := make(map[string]bool)
	for range 20 {
		out, err := s.Sign(rand.Reader, []any{key}, signature.Message{Body: []byte("a|b")})
		if err != nil {
			t.Fatal(err)
		}
		seen[out.Headers[0].Value] = true
		if err := verifies(s, key, "a|b", out.Headers[0].Value); err != nil {
			t.Errorf("Verify(%s) = %v", out.Headers[0].Value, err)
		}
	}
	if len(seen) < 19 {
		t.Errorf("20 checksums have %d values", len(seen))
	}
	if _, err := s.Sign(bytes.NewReader(nil), []any{key}, signature.Message{}); err == nil {
		t.Error("Sign = nil without randomness")
	}
}

func TestAChecksumOfSomethingElseIsInvalid(t *testing.T) {
	t.Parallel()
	s, key := checksum(t), any([]byte("merchant key 16b"))
	// npm paytmchecksum 1.5.1 made the first, of the string a|b.
	const good = "3lKxSjDYFpHILmmefXQb7Wjwta7AvSI4Nl4AgdywSHrZoBNREP0qzbjUE+P+VGgSgRBRMZbdWmjrs9BJ4dYx0DrVbfRGfF3FSgdd8y4L1dk="
	if err := verifies(s, key, "a|b", good); err != nil {
		t.Fatalf("Verify = %v", err)
	}
	for what, tt := range map[string]struct {
		key         string
		body, given string
	}{
		"another body":        {"merchant key 16b", "a|c", good},
		"another key":         {"merchant key 16c", "a|b", good},
		"a block less":        {"merchant key 16b", "a|b", good[:len(good)/4/16*16] + "AA=="},
		"the first block":     {"merchant key 16b", "a|b", "AAAA" + good[4:]},
		"the last block":      {"merchant key 16b", "a|b", good[:len(good)-8] + "AAAAAAA="},
		"nothing":             {"merchant key 16b", "a|b", ""},
		"another block twice": {"merchant key 16b", "a|b", strings.TrimRight(good, "=") + good},
	} {
		if err := verifies(s, []byte(tt.key), tt.body, tt.given); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("%s: Verify = %v, want ErrInvalid", what, err)
		}
	}
	for _, size := range []int{0, 15, 24, 32} {
		if err := verifies(s, make([]byte, size), "a|b", good); !errors.Is(err, signature.ErrKey) {
			t.Errorf("Verify with a key of %d bytes = %v, want ErrKey", size, err)
		}
		if _, err := s.Sign(rand.Reader, []any{make([]byte, size)}, signature.Message{}); !errors.Is(err, signature.ErrKey) {
			t.Errorf("Sign with a key of %d bytes = %v, want ErrKey", size, err)
		}
	}
}

func verifies(s *signature.Signer, key any, body, given string) error {
	_, err := s.Verify([]any{key}, signature.Message{Body: []byte(body)}, func(string) (string, bool) { return given, true })
	return err
}
