package tryout_test

import (
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/snippet"
)

// sampleFor returns a sample for a request profile in proto text.
func sampleFor(t *testing.T, profile, body string) tryout.Sample {
	t.Helper()
	pb := new(allowlistv1.Encryption)
	if err := prototext.Unmarshal([]byte("request { "+profile+" }"), pb); err != nil {
		t.Fatalf("parse %s: %v", profile, err)
	}
	payload.Acknowledge(pb.GetRequest(), "a test", timestamppb.New(now.AddDate(1, 0, 0)))
	sample := sampleOf(t, pb, payload.Request)
	sample.Body, sample.ContentType = []byte(body), "text/plain"
	return sample
}

func throwaway(t *testing.T, s tryout.Sample) tryout.Result {
	t.Helper()
	result, err := tryout.DryRun(s)
	if err != nil {
		t.Fatalf("DryRun: %v", err)
	}
	return result
}

func TestALanguageThatLacksAFunctionHasNoProgram(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"hex(sha3_256(body))":     "node java python",
		"hex(blake2b_512(body))":  "node python",
		"hex(blake2b_256(body))":  "",
		"canonical_json(body)":    "",
		"slice(body, 0, 1)":       "",
		"first(header('x'), 'a')": "",
	} {
		var languages []string
		for _, p := range throwaway(t, sampleFor(t, expressions(input), `{}`)).Programs {
			languages = append(languages, p.Language)
		}
		if got := strings.Join(languages, " "); got != want {
			t.Errorf("%s has programs in %q, want %q", input, got, want)
		}
	}
}

func TestThrowawayKeysDecryptMessagesOfPresets(t *testing.T) {
	t.Parallel()
	for _, preset := range presets(t) {
		if slow := regexp.MustCompile(`(?i)rsa|ALGORITHM_[RP]S`); slow.MatchString(preset.GetEncryption().String()) {
			continue // generating RSA keys is slow; the tests of the programs cover them
		}
		t.Run(preset.GetId(), func(t *testing.T) {
			t.Parallel()
			directions := []payload.Direction{payload.Request}
			if preset.GetEncryption().GetResponse() != nil {
				directions = append(directions, payload.Response)
			}
			for _, direction := range directions {
				result := throwaway(t, sampleOf(t, preset.GetEncryption(), direction))
				if !result.Opened {
					t.Errorf("direction %d: our own decryption does not restore the sample", direction)
				}
				fields := make(map[string]bool)
				for _, key := range result.Keys {
					if fields[key.Field] || len(key.Stored) == 0 {
						t.Errorf("direction %d: the key of %s is duplicated or empty", direction, key.Field)
					}
					fields[key.Field] = true
				}
			}
		})
	}
}

const shared = `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "workspaces/acme/secrets/a" decoding: DECODING_HEX } } } `

func TestEquivalentFormsCountAsRestored(t *testing.T) {
	t.Parallel()
	cbc := `cipher { algorithm: ALGORITHM_AES_256_CBC padding: PADDING_%s shared_key { keys { name: "workspaces/acme/secrets/a" } } } `
	tests := []struct {
		name, profile, body string
		want                bool
	}{
		{"the same bytes", shared, "a text", true},
		{"a number that comes back as a string", shared + `selection { fields { paths: "$.n" value_form: VALUE_FORM_STRING } }`, `{"n": 12.50}`, true},
		{"a form's value that is percent-encoded in another way", shared + `selection { form { names: "n" } }`, "n=%61+b&m=%61", true},
		{"zeros that padding loses", strings.ReplaceAll(cbc, "%s", "ZERO"), "a text\x00", false},
		{"a value without trailing zeros", strings.ReplaceAll(cbc, "%s", "ZERO"), "a text", true},
	}
	for _, tt := range tests {
		if got := throwaway(t, sampleFor(t, tt.profile, tt.body)).Opened; got != tt.want {
			t.Errorf("%s: opened = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A plain direction is shown as it is sent, with programs that verify it.
func TestAPlainDirectionIsShownAsItIs(t *testing.T) {
	t.Parallel()
	for signing, keys := range map[string]int{
		"": 0,
		`signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "workspaces/acme/secrets/b" } headers { key: "X-Sig" value: "${signature}" } }`: 1,
	} {
		pb := new(allowlistv1.Encryption)
		if err := prototext.Unmarshal([]byte("request { "+shared+" } response { plain {} "+signing+" }"), pb); err != nil {
			t.Fatal(err)
		}
		result := throwaway(t, sampleOf(t, pb, payload.Response))
		if want := string(sampleOf(t, pb, payload.Response).Body); string(result.Body) != want || !result.Opened || len(result.Keys) != keys || len(result.Headers) != keys {
			t.Errorf("DryRun with %d keys = %s, opened %v, keys %v", keys, result.Body, result.Opened, result.Keys)
		}
		if len(result.Programs) == 0 {
			t.Error("no program for it")
		}
	}
}

func TestStepsShowTheBeginningOfTheirResults(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789", 10)
	steps := throwaway(t, sampleFor(t, shared, body)).Steps
	i := slices.IndexFunc(steps, func(s tryout.Step) bool { return s.Stage == "select" })
	if i < 0 {
		t.Fatalf("the steps %+v do not select", steps)
	}
	if first := steps[i]; first.Bytes != 100 || first.Value != hex.EncodeToString([]byte(body[:64])) {
		t.Errorf("the selection is %+v", first)
	}
	many := `[` + strings.TrimSuffix(strings.Repeat(`"a",`, 1000), ",") + `]`
	if n := len(throwaway(t, sampleFor(t, shared+`selection { fields { paths: "$[*]" } }`, many)).Steps); n != 200 {
		t.Errorf("a body of 1,000 values has %d steps, want 200", n)
	}
}

func TestLiveKeysAreUsedAndNotShown(t *testing.T) {
	t.Parallel()
	sample := sampleFor(t, shared, "a text")
	key := strings.Repeat("ab", 32)
	resolve := func(refs []payload.Reference) (payload.Keys, error) {
		keys := make(payload.Keys, len(refs))
		for i := range refs {
			keys[i] = []payload.Key{{Value: sensitive.New([]byte(key)), Version: 7}}
		}
		return keys, nil
	}
	if _, err := tryout.LiveDryRun(sample, resolve); err == nil {
		t.Error("LiveDryRun without a budget of nonces = nil")
	}
	counted := 0
	sample.Nonces = func(use payload.UsedKey, _, values int) error {
		if use.Version == 7 {
			counted += values
		}
		return nil
	}
	result, err := tryout.LiveDryRun(sample, resolve)
	if counted != 1 {
		t.Errorf("LiveDryRun counts %d values, want 1", counted)
	}
	if err != nil || !result.Opened || len(result.Keys) != 0 || len(result.Programs) != 0 {
		t.Fatalf("LiveDryRun = %+v, %v", result, err)
	}
	for _, step := range result.Steps {
		if step.Value != "" || step.Stage == "" {
			t.Errorf("the step %+v shows its result", step)
		}
	}
	opened, err := sample.Config.Pipeline(payload.Request).Decrypt(payload.Input{
		Now: now, Body: result.Body, Keys: payload.Keys{{{Value: sensitive.New([]byte(key)), Version: 7}}},
	})
	if err != nil || string(opened.Body) != "a text" {
		t.Errorf("Decrypt with the live key = %q, %v", opened.Body, err)
	}
}

func TestWithThePartnersPublicKeyAloneNothingIsOpened(t *testing.T) {
	t.Parallel()
	const public = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEACe8mKSM/Gbtb4qU5iLgtJ/6Llm+sCwRkmMi4vSWufmQ=
-----END PUBLIC KEY-----
`
	sample := sampleFor(t, `cipher { algorithm: ALGORITHM_AES_128_GCM ecdh { curve: CURVE_X25519 keys { name: "workspaces/acme/secrets/a" } derivation { hkdf {} } } }
		envelope { blobs { key: "data" value { parts { slot: SLOT_EPHEMERAL_KEY } parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } text: "${data}" }`, "a text")
	result, err := tryout.LiveDryRun(sample, func(refs []payload.Reference) (payload.Keys, error) {
		return payload.Keys{{{Value: sensitive.New([]byte(public)), Version: 1}}}, nil
	})
	if err != nil || result.Opened || len(result.Body) == 0 {
		t.Errorf("LiveDryRun = opened %v, %v, want a message that is not decrypted", result.Opened, err)
	}
}

func TestASampleThatCannotBeEncryptedIsRefused(t *testing.T) {
	t.Parallel()
	_, err := tryout.DryRun(sampleFor(t, shared+`selection { fields { paths: "$.pan" } }`, `{}`))
	if !fault.Is(err, payload.BodyNotEncryptable) {
		t.Errorf("DryRun of a body without the value = %v, want BODY_NOT_ENCRYPTABLE", err)
	}
}

func TestProgramsAreThereAsFarAsTheLanguagesGo(t *testing.T) {
	t.Parallel()
	scrypt := `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "workspaces/acme/secrets/a" } derivation { scrypt { n: 16384 } salt { sent_bytes: 16 } } } }
		envelope { blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } text: "${data}" }`
	pgp := func(rest string) string { return `pgp { keys { name: "workspaces/acme/secrets/a" } ` + rest + ` }` }
	cms := func(rest, encoding string) string {
		return `cms { content_encryption: CONTENT_ENCRYPTION_AES_256_CBC rsa_oaep { hash: HASH_SHA256 } keys { name: "workspaces/acme/secrets/a" } ` + rest + ` }
		envelope { blobs { key: "data" value { parts { slot: SLOT_CIPHERTEXT } encoding: ENCODING_` + encoding + ` } } text: "${data}" }`
	}
	const passphrase, signed = `passphrase { name: "workspaces/acme/secrets/b" }`, `signing_keys { name: "workspaces/acme/secrets/c" }`
	for profile, want := range map[string]string{
		shared: "node java python", scrypt: "node python",
		`nested_jws { jws { algorithm: ALGORITHM_ES256K } keys { name: "workspaces/acme/secrets/a" } }`: "node python",
		pgp(""): "shell", pgp(`binary: true`): "shell", pgp(passphrase): "", pgp(signed): "",
		cms("", "BASE64"): "shell", cms("", "BASE64_MIME"): "shell", cms("", "HEX"): "", cms(signed, "BASE64"): "",
	} {
		result := throwaway(t, sampleFor(t, profile, "a text"))
		var languages []string
		for _, p := range result.Programs {
			languages = append(languages, p.Language)
		}
		if got := strings.Join(languages, " "); got != want || !result.Opened {
			t.Errorf("programs in %q, want %q (opened %v) for %s", got, want, result.Opened, profile)
		}
	}
}

// A ciphertext may end in a byte that is a blank in text.
func TestProgramsKeepBytesThatAreBlanksInText(t *testing.T) {
	t.Parallel()
	pb := new(allowlistv1.Profile)
	profile := `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "workspaces/acme/secrets/a" } } }
		envelope { blobs { key: "data" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } encoding: ENCODING_%s } } text: "${data}" }`
	for encoding, trimmed := range map[string]bool{"RAW": false, "BASE64": true} {
		if err := prototext.Unmarshal([]byte(strings.Replace(profile, "%s", encoding, 1)), pb); err != nil {
			t.Fatal(err)
		}
		programs := snippet.Programs(snippet.Message{
			Profile: describe.Of("request", pb), Body: []byte("\xffAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r"),
			Keys: []snippet.Key{{Field: "request.cipher.shared_key.keys[0]", Bytes: make([]byte, 32)}},
		})
		if len(programs) != 3 {
			t.Fatalf("%d programs, want 3", len(programs))
		}
		for _, p := range programs {
			if got := strings.Contains(p.Code, "trim()") || strings.Contains(p.Code, "strip()"); got != trimmed {
				t.Errorf("%s: the program in %s removes blanks: %t, want %t", encoding, p.Language, got, trimmed)
			}
		}
	}
}
