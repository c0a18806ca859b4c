package payload_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// issuing is a configuration whose partner issues two values.
func issuing(t testing.TB) *payload.Config {
	t.Helper()
	c, err := acknowledged(t, `request { `+gcm+` } response { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { `+named("answers", "HEX")+` } }
		signing { asymmetric { algorithm: ALGORITHM_ED25519 } `+named("partner", "PEM")+` input: "${body}" headers { key: "X-S" value: "${signature}" } } }
		issued { secret { name: "workspaces/acme/secrets/first" } path: "$.a['b']" }
		issued { secret { name: "workspaces/acme/secrets/second" } path: "$.list[1]" }`)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIssuedValuesAreTakenFromTheBody(t *testing.T) {
	t.Parallel()
	n := issuing(t).Issuing()
	for _, tt := range []struct {
		name, body, rest string
		values           []string
	}{
		{"both", `{ "a":{"b":"one"},"list":[0,"two",2] }`, `{ "a":{"b":"issued"},"list":[0,"issued",2] }`, []string{"first=one", "second=two"}},
		{"in another order", `{"list":["","two"],"a":{"b":"one"}}`, `{"list":["","issued"],"a":{"b":"issued"}}`, []string{"second=two", "first=one"}},
		{"escaped", `{"a":{"\u0062":"o\n\u00e9\"\\"}}`, `{"a":{"\u0062":"issued"}}`, []string{"first=o\né\"\\"}},
		{"none", `{"a":{"c":"one"},"list":["two"]}`, `{"a":{"c":"one"},"list":["two"]}`, nil},
		{"of the maximum length", `{"a":{"b":"` + strings.Repeat("k", 4096) + `"}}`, `{"a":{"b":"issued"}}`, []string{"first=" + strings.Repeat("k", 4096)}},
	} {
		values, rest, err := n.Take([]byte(tt.body))
		var got []string
		for _, v := range values {
			got = append(got, strings.TrimPrefix(v.Secret, "workspaces/acme/secrets/")+"="+string(v.Value.Reveal()))
		}
		if err != nil || string(rest) != tt.rest || !slices.Equal(got, tt.values) {
			t.Errorf("%s: Take = %q, %q, %v", tt.name, got, rest, err)
		}
	}
}

func TestKeysOfIssuedValuesHaveAPurposeOfTheirOwn(t *testing.T) {
	t.Parallel()
	c := issuing(t)
	purposes := c.KeyPurposes()
	for secret, want := range map[string]string{
		"answers": "hex > AES-256-GCM(iv=random/12,tag=16) > issued",
		"a":       "hex > AES-256-GCM(iv=random/12,tag=16)", // of requests
		"partner": "pem > SIGN-ED25519",
		"first":   "",
	} {
		if got := purposes["workspaces/acme/secrets/"+secret].Chains; got != want {
			t.Errorf("the purpose of %s is %q, want %q", secret, got, want)
		}
	}
	for _, ref := range c.References() {
		if issued := strings.HasPrefix(ref.Field, "issued["); issued != (ref.Usage == payload.IssueUsage) {
			t.Errorf("%s has the usage %v", ref.Field, ref.Usage)
		}
	}
	for _, d := range []payload.Direction{payload.Request, payload.Response} {
		p := c.Pipeline(d)
		for _, ref := range slices.Concat(p.EncryptReferences(), p.DecryptReferences(), p.VerifyReferences()) {
			if strings.HasSuffix(ref.Secret, "/first") || strings.HasSuffix(ref.Secret, "/second") {
				t.Errorf("messages need the secret of %s, which they must not resolve", ref.Field)
			}
		}
	}
}

func FuzzIssuing(f *testing.F) {
	n := issuing(f).Issuing()
	for _, body := range []string{
		`{"a":{"b":"one"},"list":[0,"two"]}`, `{"a":{"b":1}}`, `{"a":{"b":"\ud800"}}`, `{"a":{"b":"","b":""}}`, `{"a":{"b":"x"}} `, `[`, "",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		values, rest, err := n.Take(body)
		if err != nil {
			if f, ok := errors.AsType[*fault.Error](err); !ok || f.Reason != payload.ReasonIssueRefused || values != nil || rest != nil {
				t.Fatalf("Take = %v, %q, %v", values, rest, err)
			}
			return
		}
		if string(body) != before {
			t.Fatal("the body was changed")
		}
		if !json.Valid(rest) {
			t.Fatalf("the rest %q is not JSON", rest)
		}
		again, _, err := n.Take(rest)
		if err != nil || len(again) != len(values) {
			t.Fatalf("the rest has the values %v, %v", again, err)
		}
		for _, v := range again {
			if string(v.Value.Reveal()) != "issued" {
				t.Fatalf("the rest %q has a value", rest)
			}
		}
	})
}
