package auth

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/resource"
)

func FuzzParseBearer(f *testing.F) {
	for _, seed := range []string{
		"Bearer a.b.c", "bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2kifQ.AA", "Bearer", "Bearer ", "Basic YTpi",
		"Bearer a b", "Bearer\ta", "Bearer é", "BEARER -_.", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, err := parseBearer([]string{value})
		if err != nil {
			return
		}
		if token == "" || len(token) > maxToken || len(value) != len("bearer ")+len(token) || strings.ContainsAny(token, " \t\r\n,;=") {
			t.Errorf("parseBearer(%q) = %q", value, token)
		}
		if _, err := previewToken(token); err == nil && strings.Count(token, ".") != 2 {
			t.Errorf("previewToken(%q) takes it", token)
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{
		"workspaces/acme", "workspaces/acme/secrets/s/versions/7", "workspaces/acme/endpoints/e", "workspaces/-/secrets/-",
		"workspaces/acme/", "workspaces/acme/sealing", "workspaces//secrets/s", "workspaces/acme/workspaces/other", "/workspaces/acme", "workspaces/a%2Fb",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, ok := parseTarget(name)
		if !ok {
			if got != (target{}) {
				t.Errorf("parseTarget(%q) = %v though it fails", name, got)
			}
			return
		}
		if segments := strings.Split(name, "/"); segments[1] != got.workspace || (len(segments)%2 != 0 && (len(segments) != 3 || segments[2] != sealing)) ||
			got.workspace != resource.Any && !resource.ValidID(got.workspace) {
			t.Errorf("parseTarget(%q) = %v", name, got)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	for _, seed := range keySets {
		f.Add([]byte(seed.set))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeys(data)
		if err != nil {
			return
		}
		for _, key := range keys {
			if !key.IsPublic() {
				t.Errorf("parseKeys(%q) takes a key that is not public", data)
			}
		}
	})
}

// ecKey is the public key of an example of RFC 7517, appendix A.1.
const ecKey = `"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`

// keySets are documents and how many keys in them can verify signatures.
var keySets = []struct {
	name string
	set  string
	keys int
}{
	{"an EC key", `{"keys":[{"kid":"1",` + ecKey + `}]}`, 1},
	{"a key to sign with", `{"keys":[{"kid":"1","use":"sig",` + ecKey + `}]}`, 1},
	{"a key to encrypt with", `{"keys":[{"kid":"1","use":"enc",` + ecKey + `}]}`, 0},
	{"a private key", `{"keys":[{"kid":"1",` + ecKey + `,"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}]}`, 0},
	{"a symmetric key", `{"keys":[{"kty":"oct","kid":"1","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}`, 0},
	{"an RSA key of 512 bits", `{"keys":[{"kty":"RSA","kid":"1","e":"AQAB","n":"v7mEbxZ0YdPWZCfbPQEbZP5lW1o2-YyqYbHC7jJ6R5bq9sTzR2N0mJ1m3k0nH2zR5a7x1k9fQmXG3n4E0e1m1Q"}]}`, 0},
	{"a key of a kind yet to be invented", `{"keys":[{"kty":"PQ","kid":"1"},{"kid":"2",` + ecKey + `}]}`, 1},
	{"a point that is not on the curve", `{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`, 0},
	{"no keys", `{"keys":[]}`, 0},
	{"an empty object", `{}`, 0},
}

func TestKeysThatVerifySignatures(t *testing.T) {
	t.Parallel()
	for _, tt := range keySets {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			keys, err := parseKeys([]byte(tt.set))
			if err != nil || len(keys) != tt.keys {
				t.Errorf("parseKeys = %d keys, %v; want %d", len(keys), err, tt.keys)
			}
		})
	}
	many := `{"keys":[` + strings.Repeat(`{"kid":"1",`+ecKey+`},`, maxKeys) + `{"kid":"1",` + ecKey + `}]}`
	if _, err := parseKeys([]byte(many)); err == nil {
		t.Errorf("parseKeys takes %d keys", maxKeys+1)
	}
}

func TestKeysThatMatchToken(t *testing.T) {
	t.Parallel()
	parse := func(set string) int {
		keys, err := parseKeys([]byte(set))
		if err != nil {
			t.Fatal(err)
		}
		return len(match(keys, "", "ES256"))
	}
	if n := parse(`{"keys":[{"kid":"1",` + ecKey + `}]}`); n != 1 {
		t.Errorf("%d of one key match a token without key id, want it", n)
	}
	if n := parse(`{"keys":[{"kid":"1",` + ecKey + `},{"kid":"2",` + ecKey + `}]}`); n != 0 {
		t.Errorf("%d of two keys match a token without key id, want none", n)
	}
	if n := parse(`{"keys":[{"kid":"1","alg":"ES384",` + ecKey + `}]}`); n != 0 {
		t.Errorf("%d keys of another algorithm match, want none", n)
	}
}

func TestNamesThatSayWhereAccessIsMeant(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]target{
		"workspaces/acme":                            {workspace: "acme"},
		"workspaces/a":                               {workspace: "a"},
		"workspaces/A.b_c-9":                         {workspace: "A.b_c-9"},
		"workspaces/acme/secrets/s":                  {workspace: "acme"},
		"workspaces/acme/secrets/-":                  {workspace: "acme"},
		"workspaces/acme/secrets/s/versions/7":       {workspace: "acme"},
		"workspaces/acme/endpoints/e":                {workspace: "acme", endpoint: "e"},
		"workspaces/acme/endpoints/-":                {workspace: "acme", endpoint: "-"},
		"workspaces/acme/endpoints/e/things/t":       {workspace: "acme", endpoint: "e"},
		"workspaces/" + strings.Repeat("a", 128):     {workspace: strings.Repeat("a", 128)},
		"":                                           {},
		"workspaces":                                 {},
		"workspaces/":                                {},
		"workspaces/-":                               {workspace: "-"},
		"workspaces/acme/sealing":                    {workspace: "acme"},
		"workspaces/acme/sealing/":                   {},
		"workspaces/acme/sealing/s":                  {workspace: "acme"},
		"workspaces/acme/secrets/s/sealing":          {},
		"workspaces/acme/sealings":                   {},
		"workspaces/sealing":                         {workspace: "sealing"},
		"workspaces/*":                               {},
		"workspaces/acme/":                           {},
		"workspaces/acme/secrets":                    {},
		"workspaces/acme/secrets/":                   {},
		"workspaces/acme//s":                         {},
		"workspaces/acme/secrets/s/":                 {},
		"workspaces/acme/secrets/..":                 {},
		"workspaces/../secrets/s":                    {},
		"workspaces/acme/../other":                   {},
		"workspaces/acme/workspaces/other":           {},
		"workspaces/acme%2Fsecrets":                  {},
		"workspaces/acme\x00":                        {},
		"workspaces/acmé":                            {},
		"workspaces/-acme":                           {},
		"workspaces/acme.":                           {},
		"/workspaces/acme":                           {},
		" workspaces/acme":                           {},
		"Workspaces/acme":                            {},
		"secrets/s":                                  {},
		"workspaces/" + strings.Repeat("a", 129):     {},
		"workspaces/a" + strings.Repeat("/b/c", 300): {},
	} {
		got, ok := parseTarget(name)
		if ok != (want != target{}) || !cmp.Equal(got, want, cmp.AllowUnexported(target{})) {
			t.Errorf("parseTarget(%.60q) = %+v, %v; want %+v", name, got, ok, want)
		}
	}
}

func FuzzParseAuthorities(f *testing.F) {
	for _, seed := range []string{
		"", "words", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n-----END CERTIFICATE-----\n",
		"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		certs, err := ParseAuthorities(text)
		if (len(certs) == 0) != (err != nil) || slices.Contains(certs, nil) {
			t.Errorf("ParseAuthorities(%q) = %v, %v", text, certs, err)
		}
	})
}

func FuzzKind(f *testing.F) {
	for _, seed := range [][2]string{
		{"JWT", `{"sub":"a"}`},
		{"application/AT+JWT", `{"nonce":"n"}`},
		{"logout+jwt", `{}`},
		{"", `{"events":{}}`},
		{"jwt", `{"typ":"ID"}`},
		{"", `{"_claim_names":{"groups":"src1"}}`},
		{"", `{"_claim_names":7,"hasgroups":"TRUE"}`},
	} {
		f.Add(seed[0], seed[1])
	}
	policy, err := ParsePolicy([]byte(`people: [{issuer: "https://i", claim: groups, value: g, role: super_admin}]`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, typ, text string) {
		var c claims
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		if _, isEvent := c["events"].(map[string]any); isEvent && c.checkKind(typ, true) == nil {
			t.Errorf("checkKind takes the security event %q", text)
		}
		if checkType(typ) == nil && c.checkKind(typ, false) == nil && c.checkKind(typ, true) != nil {
			t.Errorf("checkKind refuses %q where it may accept more", text)
		}
		if policy.overage("https://i", c) && len(c.strings("groups")) > 0 {
			t.Errorf("overage of %q though there are groups", text)
		}
	})
}
