package signature_test

import (
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
)

// expiring is a configuration whose messages say when they expire.
func expiring(expires string) signature.Config {
	return signature.Config{
		Scheme: signature.NewHMAC(crypto.SHA256), InputExpression: "timestamp + ' ' + expires", Tolerance: 5 * time.Minute,
		Values:  map[string]string{"expires": expires},
		Headers: map[string]string{"X-Created": "${timestamp}", "X-Expires": "${expires}", "X-Signature": "${signature}"},
	}
}

func TestAMessageIsValidUntilItExpires(t *testing.T) {
	t.Parallel()
	key := []any{[]byte("a throwaway key")}
	signer := func(expires string) *signature.Signer {
		s, wrong := signature.New(expiring(expires))
		if len(wrong) > 0 {
			t.Fatalf("New: %v", wrong)
		}
		return s
	}
	verifier := signer("time('seconds', '', 300)")
	tests := []struct {
		name, expires string
		after         time.Duration
		valid         bool
	}{
		{"at once", "time('seconds', '', 300)", 0, true},
		{"near the end", "time('seconds', '', 100)", 99 * time.Second, true},
		{"after the end", "time('seconds', '', 100)", 101 * time.Second, false},
		{"valid for longer", "time('seconds', '', 3600)", time.Minute, true},
		{"valid for longer, but sent too long ago", "time('seconds', '', 3600)", 6 * time.Minute, false},
		{"expired before it was sent", "'1'", 0, false},
		{"no time", "'soon'", 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := webhook()
			sent, err := signer(test.expires).Sign(nil, key, m)
			if err != nil {
				t.Fatalf("Sign: %v", err)
			}
			m.Time = m.Time.Add(test.after)
			got, err := verifier.Verify(key, m, func(name string) (string, bool) {
				for _, h := range sent.Headers {
					if strings.EqualFold(h.Name, name) {
						return h.Value, true
					}
				}
				return "", false
			})
			if valid := err == nil; valid != test.valid || !valid && !errors.Is(err, signature.ErrInvalid) {
				t.Errorf("Verify = %v, want valid: %v", err, test.valid)
			}
			if test.valid && got.Time.Unix() != now().Unix() {
				t.Errorf("Time = %v, want that of signing", got.Time)
			}
		})
	}
}

func TestAnExpiryIsATimeWithSeconds(t *testing.T) {
	t.Parallel()
	for _, expires := range []string{
		"time('seconds', '', 0)", "time('seconds', '', -1)", "time('seconds', '', 31536001)", "time('2006-01-02', '', 300)", "time('seconds', 300)",
	} {
		if _, wrong := signature.New(expiring(expires)); len(wrong) == 0 || wrong[0].Field != "values" {
			t.Errorf("New with %s = %v, want a violation of the value", expires, wrong)
		}
	}
}
