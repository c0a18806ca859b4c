package tryout_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestADryRunShowsTheMessageOfADraft(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	got := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{
		Name: allowlisttest.NameOf("-"), Body: []byte(allowlisttest.Sample), Encryption: allowlisttest.EncryptionOf(t, `request {
			cipher { algorithm: ALGORITHM_AES_256_GCM session_key { rsa_oaep {} keys { name: "secret:partner" decoding: DECODING_PEM } } }
			selection { fields { paths: "$.pan" } }
			envelope { blobs { key: "data" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } }
				blobs { key: "key" value { parts { slot: SLOT_WRAPPED_KEY } encoding: ENCODING_HEX } } text: "${data}" headers { key: "X-Key" value: "${key}" } }
			signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:mac" decoding: DECODING_HEX } headers { key: "X-Signature" value: "${signature}" } }
		}`),
	})
	if !got.GetOpened() || got.GetContentType() != "application/json" || !strings.HasSuffix(string(got.GetBody()), `,"amount":12.50}`) {
		t.Errorf("TestEncryption = opened %v, %s, %s", got.GetOpened(), got.GetContentType(), got.GetBody())
	}
	var stages []string
	for _, step := range got.GetSteps() {
		stages = append(stages, step.GetStage())
		if step.GetBytes() == 0 || len(step.GetValue()) != int(2*min(step.GetBytes(), 64)) || step.GetDetail() == "" {
			t.Errorf("the step %v does not show its result", step)
		}
	}
	for _, stage := range []string{"select", "key", "iv", "encrypt", "envelope", "sign"} {
		if !slices.Contains(stages, stage) {
			t.Errorf("the steps %v lack %s", stages, stage)
		}
	}
	fields := make(map[string]string)
	for _, key := range got.GetKeys() {
		fields[key.GetField()] = key.GetValue()
		if !strings.HasPrefix(key.GetSecret(), allowlisttest.Workspace+"/secrets/") {
			t.Errorf("the key of %s replaces %q", key.GetField(), key.GetSecret())
		}
	}
	if len(fields) != 2 || !strings.HasPrefix(fields["request.cipher.session_key.keys[0]"], "-----BEGIN PRIVATE KEY-----") || len(fields["request.signing.keys[0]"]) != 64 {
		t.Errorf("the keys are %v", fields)
	}
	for _, language := range []string{"node", "java", "python"} {
		if !slices.ContainsFunc(got.GetSnippets(), func(s *allowlistv1.Snippet) bool { return s.GetLanguage() == language && s.GetCode() != "" }) {
			t.Errorf("no program in %s", language)
		}
	}
}

func TestADryRunOfAnEndpointLeavesCredentialsAndTheLogAlone(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	credential := k.Credential(t, "token", "sesame-credential", "api.partner.example")
	e := allowlisttest.Draft(k.Secret(t, "key"))
	e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("Authorization", credential), allowlisttest.Header("X-Partner", "acme")}
	e.QueryParameters = []*allowlistv1.Parameter{allowlisttest.Referring("api_key", credential)}
	e.BodyValues = []*allowlistv1.BodyValue{allowlisttest.BodyValue("$.token", credential)}
	e.Encryption = allowlisttest.EncryptionOf(t, `request { signing {
		mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:key" } input: "${method} ${path}.${body}" headers { key: "X-Signature" value: "${signature}" } } }`)
	k.Owner.Create(t, "orders", e)
	before := len(k.Owner.History(t, allowlisttest.NameOf("orders")))
	got := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{}`)})
	headers := allowlisttest.HeadersOf(got.GetHeaders())
	if headers["authorization"] != "REDACTED" || headers["x-partner"] != "acme" || headers["x-signature"] == "" || allowlisttest.Pairs(got.GetQueryParameters()) != "api_key=REDACTED" {
		t.Errorf("TestEncryption = headers %v, query %v", headers, got.GetQueryParameters())
	}
	if string(got.GetBody()) != `{"token":"REDACTED"}` || !got.GetOpened() {
		t.Errorf("TestEncryption = %s, opened %v", got.GetBody(), got.GetOpened())
	}
	if after := len(k.Owner.History(t, allowlisttest.NameOf("orders"))); after != before {
		t.Errorf("a dry run with throwaway keys is in the change log")
	}
	answer := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Response, Body: []byte(`{}`)})
	if string(answer.GetBody()) != `{}` || allowlisttest.HeadersOf(answer.GetHeaders())["authorization"] != "" || len(answer.GetQueryParameters()) != 0 {
		t.Errorf("a response carries credentials: %v", answer)
	}
}

func TestLiveKeysRequireASavedConfigurationAndAreLogged(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Owner.Create(t, "orders", allowlisttest.Draft(k.Secret(t, "key")))
	test := func(change func(*allowlistv1.TestEncryptionRequest)) (*allowlistv1.TestEncryptionResponse, error) {
		req := &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(allowlisttest.Sample), LiveKeys: true, Reason: "with the partner"}
		change(req)
		return k.Owner.TestEncryption(t.Context(), req)
	}
	for name, change := range map[string]func(*allowlistv1.TestEncryptionRequest){
		"a draft": func(r *allowlistv1.TestEncryptionRequest) {
			r.Encryption = allowlisttest.Encrypted(allowlisttest.Workspace + "/secrets/key")
		},
		"no reason":             func(r *allowlistv1.TestEncryptionRequest) { r.Reason = "" },
		"no endpoint, no draft": func(r *allowlistv1.TestEncryptionRequest) { r.Name = allowlisttest.NameOf("-") },
	} {
		_, err := test(change)
		allowlisttest.WantError(t, "TestEncryption with live keys and "+name, err, codes.InvalidArgument, "INVALID_FIELD")
	}
	got, err := test(func(*allowlistv1.TestEncryptionRequest) {})
	allowlisttest.Must(t, err)
	if !got.GetOpened() || len(got.GetKeys()) != 0 || len(got.GetSnippets()) != 0 || len(got.GetSteps()) == 0 {
		t.Errorf("TestEncryption with live keys = opened %v, %d keys, %d programs, %d steps", got.GetOpened(), len(got.GetKeys()), len(got.GetSnippets()), len(got.GetSteps()))
	}
	for _, step := range got.GetSteps() {
		if step.GetValue() != "" {
			t.Errorf("the step %s shows its result", step.GetStage())
		}
	}
	if change := k.Owner.History(t, allowlisttest.NameOf("orders"))[0]; change.GetAction() != allowlistv1.EndpointChange_ACTION_TESTED || change.GetReason() != "with the partner" {
		t.Errorf("the change log ends with %v", change)
	}
	allowlisttest.Must(t, k.Allowlist.Verify(t.Context()))
	k.Activate(t, "orders")
	opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Body: got.GetBody()})
	allowlisttest.Must(t, err)
	if string(opened.GetBody()) != allowlisttest.Sample {
		t.Errorf("Decrypt of a message with live keys = %s", opened.GetBody())
	}
	k.SecretIn(t, allowlisttest.Workspace, "prefix", vaultv1.Usage_USAGE_EXPOSED_KEY, allowlisttest.KeyOf(1)[:16]...)
	k.Secret(t, "ecb", allowlisttest.KeyOf(1)[:16]...)
	prefix := k.Configured(t, "prefix", `request { cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "secret:prefix" } } iv { source: SOURCE_KEY_PREFIX } } }`)
	_, err = test(func(r *allowlistv1.TestEncryptionRequest) { r.Name = prefix })
	allowlisttest.WantError(t, "TestEncryption with live keys and an IV from the key", err, codes.InvalidArgument, "INVALID_FIELD")
	k.Secret(t, "salt", allowlisttest.KeyOf(1)[:16]...)
	for name, profile := range map[string]string{
		"ecb":    `request { cipher { algorithm: ALGORITHM_AES_128_ECB shared_key { keys { name: "secret:ecb" } } } }`,
		"digest": `request { signing { secret_digest { hash: HASH_SHA256 } keys { name: "secret:salt" } input: "${secret}" headers { key: "X-Sig" value: "${signature}" } } }`,
	} {
		oracle := k.Configured(t, name, profile)
		_, err = test(func(r *allowlistv1.TestEncryptionRequest) { r.Name = oracle })
		allowlisttest.WantError(t, "TestEncryption with live keys and "+name, err, codes.InvalidArgument, "INVALID_FIELD")
	}
}

func TestADryRunOfAnAnswerMakesUpItsQuestion(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	got := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{
		Name: allowlisttest.NameOf("-"), Kind: allowlisttest.Response, Body: []byte(allowlisttest.Sample),
		Encryption: &allowlistv1.Encryption{Preset: &allowlistv1.PresetUse{
			Id: "whatsapp_flows", Secrets: map[string]*allowlistv1.SecretRef{"private_key": {Name: allowlisttest.Workspace + "/secrets/flows"}},
		}},
	})
	var fields []string
	for _, key := range got.GetKeys() {
		fields = append(fields, key.GetField())
		if _, err := base64.StdEncoding.DecodeString(key.GetValue()); err != nil {
			t.Errorf("%s is %q, want base64", key.GetField(), key.GetValue())
		}
	}
	if !got.GetOpened() || strings.Join(fields, " ") != "response.cipher.exchange_key response.cipher.iv" {
		t.Errorf("TestEncryption of an answer = opened %v, keys %v", got.GetOpened(), fields)
	}
}

func TestAWrongDraftIsRefusedAsWhenItIsSaved(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	_, err := k.Owner.TestEncryption(t.Context(), &allowlistv1.TestEncryptionRequest{
		Name: allowlisttest.NameOf("-"), Encryption: allowlisttest.Encrypted("workspaces/other/secrets/key"),
	})
	allowlisttest.WantError(t, "TestEncryption of a draft with another workspace's secret", err, codes.InvalidArgument, "INVALID_FIELD")
	if v := servertest.Violations(err); len(v) != 1 || v[0].Field != "encryption.request.cipher.shared_key.keys[0].name" {
		t.Errorf("the violations are %v", v)
	}
}

func TestKeysAndSamplesOfDryRunsAreInNoLog(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := "sesame-live-key-of-thirty-two-by"
	k.Secret(t, "key", []byte(secret)...)
	k.Configured(t, "orders", `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" } } } }`)
	dry := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("sesame-sample")})
	live := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("sesame-sample"), LiveKeys: true, Reason: "to see"})
	_, err := k.Owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
		Name: allowlisttest.NameOf("orders"), Body: live.GetBody(), Plaintext: []byte("sesame-other-sample"), Reason: "to see",
	})
	allowlisttest.Must(t, err)
	log := k.Env.Log.String()
	for _, canary := range []string{secret, "sesame-sample", "sesame-other-sample", dry.GetKeys()[0].GetValue()} {
		servertest.MustNotHold(t, "the log", log, canary)
		if canary != dry.GetKeys()[0].GetValue() {
			servertest.MustNotHold(t, "the answer with live keys", live.String(), secret)
		}
	}
}
