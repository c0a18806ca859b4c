package signature_test

import (
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// FuzzNew compiles any configuration. A valid configuration signs messages that verify, and
// writes only headers that HTTP can carry.
func FuzzNew(f *testing.F) {
	f.Add("${id}.${timestamp}.${body}", "${signatures}", "${id}", "v1,${signature}", " ", "msg_1")
	f.Add("${timestamp_ms|hex}${json:$.amount}", "t=${timestamp_ms},${signatures}", "${*}", "v1=${signature}", ",", "a")
	f.Add("${body|sha256|hex_upper}${secret}", "${signature}###1", "${timestamp_rfc3339}", "", "", "a")
	f.Add("${method}\n${path}${query|base64url}", `n="${id}",s="${signature}"`, "id;${timestamp}", "", "", `a"b`)
	f.Add("${json:$['a'][0]|lower|upper|md5|base64}$${host}", "${signature}", "x", "", "", "")
	f.Fuzz(func(t *testing.T, input, value, other, item, separator, id string) {
		for _, scheme := range []signature.Scheme{signature.NewHMAC(crypto.SHA256), signature.SecretDigest{Hash: crypto.SHA1}} {
			c := signature.Config{
				Scheme: scheme, Input: input, Headers: map[string]string{"X-A": value, "X-B": other},
				Encoding: template.Base64, Tolerance: time.Second,
			}
			if separator != "" {
				c.List = &signature.List{Item: item, Separator: separator}
			}
			if s, violations := signature.New(c); len(violations) == 0 {
				checkRoundTrip(t, s, id)
			}
		}
	})
}

func checkRoundTrip(t *testing.T, s *signature.Signer, id string) {
	t.Helper()
	m := webhook()
	m.ID = id
	keys := []any{[]byte("one"), []byte("two")}
	sent, err := s.Sign(nil, keys, m)
	if missing := (*signature.ValueError)(nil); errors.As(err, &missing) {
		return
	} else if err != nil {
		t.Fatalf("Sign = %v", err)
	}
	made := map[string]string{}
	for _, h := range sent.Headers {
		if strings.ContainsFunc(h.Value, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("the header %s: %q cannot be sent", h.Name, h.Value)
		}
		made[h.Name] = strings.TrimSpace(h.Value) // as HTTP does
	}
	if _, err := s.Verify(keys, m, received(made)); err != nil {
		t.Errorf("Verify(Sign) = %v; headers %q", err, made)
	}
	if _, err := s.Verify([]any{[]byte("three")}, m, received(made)); !errors.Is(err, signature.ErrInvalid) {
		t.Errorf("Verify with another key = %v, want ErrInvalid", err)
	}
}

// FuzzVerify reads any headers. Without the key, no input may verify.
func FuzzVerify(f *testing.F) {
	f.Add("msg_1", "1767366245", "v1,AAAA v1,BBBB", "t=1767366245,v1=00,v0=11", "2026-01-02T15:04:05Z", `id="a",s="AA=="`, []byte("{}"))
	f.Add("", "-1", "  ", "t=,,", "2026-01-02T15:04:05.5+01:00", `id="",s=""`, []byte(nil))
	f.Add("é", "99999999999999999999", strings.Repeat("v1,AA ", 40), "t=1767366245,v1=", "0000-00-00T00:00:00Z", "id=\"\x00\",s=\"\"", []byte(`{"a":1}`))
	rfc3339 := over("${timestamp_rfc3339}${json:$.a}")
	rfc3339.Headers = map[string]string{"X-Time": "${timestamp_rfc3339}", "X-Quoted": `id="${id}",s="${signature}"`}
	signers := []*signature.Signer{compile(f, standardWebhooks()), compile(f, stripe()), compile(f, rfc3339)}
	f.Fuzz(func(t *testing.T, id, at, hooks, stripe, rfc3339, quoted string, body []byte) {
		headers := received(map[string]string{
			"webhook-id": id, "webhook-timestamp": at, "webhook-signature": hooks,
			"stripe-signature": stripe, "x-time": rfc3339, "x-quoted": quoted,
		})
		m := signature.Message{Body: body, Plaintext: body, PlaintextKnown: true, Time: now()}
		for i, s := range signers {
			if got, err := s.Verify([]any{[]byte("key"), []byte("other")}, m, headers); !errors.Is(err, signature.ErrInvalid) {
				t.Errorf("signer %d: Verify = %v, %v, want ErrInvalid", i, got, err)
			}
		}
	})
}
