package tryout_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
)

// stored resolves references to values by the last part of the secret's name.
func stored(values map[string]string) func([]payload.Reference) (payload.Keys, error) {
	return func(refs []payload.Reference) (payload.Keys, error) {
		keys := make(payload.Keys, len(refs))
		for i, ref := range refs {
			value := values[ref.Secret[strings.LastIndex(ref.Secret, "/")+1:]]
			keys[i] = []payload.Key{{Value: sensitive.New([]byte(value)), Version: 1}}
		}
		return keys, nil
	}
}

func TestKeysOfPresetsMakeARoundTrip(t *testing.T) {
	t.Parallel()
	for _, preset := range presets(t) {
		if slow := regexp.MustCompile(`(?i)rsa|ALGORITHM_[RP]S`); slow.MatchString(preset.GetEncryption().String()) {
			continue
		}
		t.Run(preset.GetId(), func(t *testing.T) {
			t.Parallel()
			s := sampleOf(t, preset.GetEncryption(), payload.Request)
			made := throwaway(t, s).Keys
			err := tryout.RoundTrip(s, func(refs []payload.Reference) (payload.Keys, error) {
				keys := make(payload.Keys, len(refs))
				for i, ref := range refs {
					for _, key := range made {
						if key.Field == ref.Field {
							keys[i] = []payload.Key{{Value: sensitive.New(key.Stored), Version: 1}}
						}
					}
				}
				return keys, nil
			})
			if err != nil {
				t.Errorf("RoundTrip = %v", err)
			}
		})
	}
}

func TestSamplesFitTheSelection(t *testing.T) {
	t.Parallel()
	bare := `cipher { algorithm: ALGORITHM_AES_256_CBC padding: PADDING_NONE shared_key { keys { name: "workspaces/acme/secrets/a" } } } `
	suffixed := `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "workspaces/acme/secrets/a" } } iv { source: SOURCE_FIELD_SUFFIX field_suffix: "$.meta.at" } } `
	for name, profile := range map[string]string{
		"a whole body in whole blocks": bare,
		"values in whole blocks":       bare + `selection { fields { paths: "$.a" paths: "$.b.c" paths: "$.d[*].e" paths: "$.f[*]" } }`,
		"strings in whole blocks":      bare + `selection { fields { value_form: VALUE_FORM_STRING paths: "$.a" } }`,
		"bytes in base64":              bare + `selection { fields { value_form: VALUE_FORM_BASE64 paths: "$.a" } }`,
		"bytes in hexadecimal":         bare + `selection { fields { value_form: VALUE_FORM_HEX paths: "$.a" } }`,
		"an object in whole blocks":    bare + `selection { object { path: "$.a.b" } }`,
		"the end of a field":           suffixed + `selection { object { path: "$.data" } }`,
		"the longest end of a field": `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "workspaces/acme/secrets/a" } } aad { field_suffix { path: "$.at" bytes: 64 } } }
			selection { fields { paths: "$.v" } }`,
		"a form": shared + `selection { form { names: "card" names: "pin" } }`,
		"the signed part of the body": `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "workspaces/acme/secrets/a" } input: "${json:$.order.id}.${method}.${path}.${query}.${id}"
			headers { key: "X-Sig" value: "${signature}" } headers { key: "X-Id" value: "${id}" } }`,
		"members, and members of members": expressions("json(body, '$.a.b') + get(members(body, '$.a'), 'c') + json(json(body, '$.d'), '$.e') + minify(json(body, '$.f'))"),
		"a value beside an added member": `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "workspaces/acme/secrets/a" } input_expression: "json(body, '$.head.time') + json(body, '$.body')"
			body_members { key: "$.head.signature" value: "${signature}" } }`,
		"JSON in base64 in a form":        expressions("json(unbase64(get(form(body), 'p')), '$.order') + get(without_empty(form(body)), 'q')"),
		"hexadecimal and a form in JSON":  expressions("hex(unhex(json(plaintext, '$.h'))) + get(form(json(body, '$.q')), 'n')"),
		"a form in the query":             expressions("get(form(query), 'n') + join(members(body, '$'), '=', '&')"),
		"strings and headers of the call": expressions("context('token') + json(context('claims'), '$.a') + header('x-a') + first(header('x-b'), 'b') + json(body, '$.a')"),
	} {
		s := sampleFor(t, profile, "")
		s.Body = tryout.SampleBody(s.Config.Proto().GetRequest())
		if result := throwaway(t, s); !result.Opened {
			t.Errorf("%s: the sample %s does not come back", name, s.Body)
		}
	}
}

// expressions is a profile that signs an expression into the query.
func expressions(input string) string {
	return `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "workspaces/acme/secrets/a" } input_expression: "` + input + `"
		query_parameters { key: "sig" value: "${signature}" } }`
}

const (
	privateKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
`
	publicKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`
	agreedKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEACe8mKSM/Gbtb4qU5iLgtJ/6Llm+sCwRkmMi4vSWufmQ=
-----END PUBLIC KEY-----
`
)

// A round trip reports problems with keys, and nothing else.
func TestARoundTripReportsProblemsWithKeys(t *testing.T) {
	t.Parallel()
	const (
		hmac    = `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "workspaces/acme/secrets/m" } headers { key: "X-Sig" value: "${signature}" } } `
		ed25519 = `signing { asymmetric { algorithm: ALGORITHM_ED25519 } keys { name: "workspaces/acme/secrets/s" decoding: DECODING_PEM } headers { key: "X-Sig" value: "${signature}" } } `
		agreed  = `cipher { algorithm: ALGORITHM_AES_128_GCM ecdh { curve: CURVE_X25519 keys { name: "workspaces/acme/secrets/e" decoding: DECODING_PEM } derivation { hkdf {} } } }
			envelope { blobs { key: "data" value { parts { slot: SLOT_EPHEMERAL_KEY } parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } text: "${data}" } `
	)
	two := strings.Replace(shared, "} }", `} keys { name: "workspaces/acme/secrets/b" decoding: DECODING_HEX } }`, 1)
	good := map[string]string{"a": strings.Repeat("ab", 32), "b": strings.Repeat("cd", 32), "m": "a key", "s": privateKey, "e": agreedKey}
	with := func(name, value string) map[string]string {
		changed := map[string]string{name: value}
		for other, kept := range good {
			if other != name {
				changed[other] = kept
			}
		}
		return changed
	}
	for name, c := range map[string]struct {
		profile string
		values  map[string]string
		field   string
	}{
		"good keys":                            {shared + hmac, good, ""},
		"a key that is too short":              {shared, with("a", "abcd"), "request.cipher.shared_key.keys[0]"},
		"a key that does not decode":           {shared + hmac, with("a", "no hexadecimal"), "request.cipher.shared_key.keys[0]"},
		"another key that is too short":        {two, with("b", "abcd"), "request.cipher.shared_key.keys[1]"},
		"no key to sign with":                  {shared + hmac, with("m", ""), "request.signing.keys[0]"},
		"no private key at all":                {ed25519, with("s", "a text"), "request.signing.keys[0]"},
		"a private key that signs":             {ed25519, good, ""},
		"the partner's key, which verifies":    {ed25519, with("s", publicKey), ""},
		"a key of another kind":                {ed25519, with("s", agreedKey), "request.signing.keys[0]"},
		"the partner's key, which encrypts":    {agreed, good, ""},
		"no key to agree with":                 {agreed, with("e", "a text"), "request.cipher.ecdh.keys[0]"},
		"a key of another curve":               {agreed, with("e", publicKey), "request.cipher.ecdh.keys[0]"},
		"a bad key with a body that is no use": {shared + `selection { fields { paths: "$.no" } }`, with("a", "abcd"), "request.cipher.shared_key.keys[0]"},
	} {
		err := tryout.RoundTrip(sampleFor(t, c.profile, "{}"), stored(c.values))
		f, _ := fault.From(err)
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%s: RoundTrip = %v, want nothing", name, err)
		case c.field != "" && (!fault.Is(err, payload.KeyNotUsable) || f.Metadata["field"] != c.field):
			t.Errorf("%s: RoundTrip = %v, %v, want KEY_NOT_USABLE at %s", name, err, f, c.field)
		}
	}
	err := tryout.RoundTrip(sampleFor(t, shared+`selection { fields { paths: "$.no" } }`, "{}"), stored(good))
	if unfit, is := errors.AsType[*tryout.SampleError](err); !is || unfit.Error() != "a selected value is missing: $.no" {
		t.Errorf("RoundTrip of a sample that does not fit = %v", err)
	}
	refused := errors.New("the vault is away")
	if err := tryout.RoundTrip(sampleFor(t, shared, "{}"), func([]payload.Reference) (payload.Keys, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("RoundTrip without keys = %v", err)
	}
}
