package exchange_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const (
	// protected is how the responses of [issuer] are encrypted and signed.
	protected = `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:answers" } } }
		signing { asymmetric { algorithm: ALGORITHM_ED25519 } keys { name: "secret:partner" } input: "${body}" headers { key: "X-Signature" value: "${signature}" } }`
	// logsIn is an endpoint whose partner issues the session key in its response.
	logsIn = `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:questions" } } } }
		response { ` + protected + ` }
		issued { secret { name: "secret:session" } path: "$.data['sek']" }`
	// placeholder is the first version of the session key.
	firstKey = "a placeholder of 32 bytes, no key"
)

// An issuer is the partner of the endpoint `login`, who issues session keys for the endpoint `invoices`.
type issuer struct {
	*allowlisttest.Kit
	pipeline *payload.Pipeline
	keys     payload.Keys
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	k := allowlisttest.New(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	allowlisttest.Must(t, err)
	spki, err := x509.MarshalPKIXPublicKey(public)
	allowlisttest.Must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	allowlisttest.Must(t, err)
	k.Secret(t, "partner", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})...)
	k.Secret(t, "answers", allowlisttest.KeyOf(9)...)
	k.Secret(t, "questions")
	issuedSecret(t, k, "session", "login")
	k.Configured(t, "login", logsIn)
	k.Activate(t, "login")
	k.Configured(t, "invoices", `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:session" } derivation { digest { hash: HASH_SHA256 } } } } }`)
	k.Activate(t, "invoices")

	config, err := payload.Parse(allowlisttest.EncryptionOf(t, "request { "+protected+" }"), "acme", time.Now())
	allowlisttest.Must(t, err)
	i := &issuer{Kit: k, pipeline: config.Pipeline(payload.Request)}
	for _, ref := range i.pipeline.EncryptReferences() {
		value := allowlisttest.KeyOf(9)
		if strings.HasSuffix(ref.Secret, "partner") {
			value = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
		}
		i.keys = append(i.keys, []payload.Key{{Value: sensitive.New(value), Version: 1}})
	}
	return i
}

// issuedSecret stores a placeholder for a KEY that the partner of an endpoint issues.
func issuedSecret(t testing.TB, k *allowlisttest.Kit, id, endpoint string) {
	t.Helper()
	_, err := k.Secrets.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: allowlisttest.Workspace, SecretId: id, Secret: &vaultv1.Secret{
			IssuedBy: allowlisttest.NameOf(endpoint), Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: firstKey + id}},
		},
	})
	allowlisttest.Must(t, err)
}

// ask returns the exchange of a request.
func (i *issuer) ask(t testing.TB) string {
	t.Helper()
	return i.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("login"), Body: []byte(`{"user":"acme"}`)}).GetExchange()
}

// answer returns a response of the partner.
func (i *issuer) answer(t testing.TB, body, exchange string) *allowlistv1.DecryptRequest {
	t.Helper()
	sent, err := i.pipeline.Encrypt(payload.Input{Now: time.Now(), Keys: i.keys, Body: []byte(body), Nonces: payload.Uncounted})
	allowlisttest.Must(t, err)
	headers := make(map[string]string)
	for _, h := range sent.Headers {
		headers[h.Name] = h.Value
	}
	return &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("login"), Body: sent.Body, Headers: headers, Exchange: exchange}
}

// version returns the number of the current version of the session key.
func (i *issuer) version(t testing.TB) uint32 {
	t.Helper()
	res, err := i.Secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: allowlisttest.Workspace + "/secrets/session"})
	allowlisttest.Must(t, err)
	return res.GetSecret().GetCurrentVersion()
}

func withKey(key string) string {
	quoted, err := json.Marshal(key)
	if err != nil {
		panic(err)
	}
	return `{"status":1, "data":{"sek":` + string(quoted) + `,"expires":"6h"}}`
}

func TestAnIssuedKeyProtectsTheNextMessage(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.Orders(t)
	i.Warm(t) // the keys are cached
	before := i.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("invoices"), Body: []byte("x")})
	for n := range 3 {
		key := fmt.Sprintf("session key %d of the partner \"\u20ac\"", n)
		request := i.answer(t, withKey(key), i.ask(t))
		opened, err := i.Sender.Decrypt(t.Context(), request)
		allowlisttest.Must(t, err)
		if got, want := string(opened.GetBody()), `{"status":1, "data":{"sek":"issued","expires":"6h"}}`; got != want {
			t.Errorf("the sender gets %q, want %q", got, want)
		}
		// A lost response may be asked for again.
		if again, err := i.Sender.Decrypt(t.Context(), request); err != nil || string(again.GetBody()) != string(opened.GetBody()) {
			t.Errorf("the same response again = %q, %v", again.GetBody(), err)
		}
		if got := i.version(t); got != uint32(n)+2 {
			t.Errorf("the current version is %d, want %d", got, n+2)
		}
		sent := i.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("invoices"), Body: []byte("an invoice")})
		if got := openedBy(t, key, sent.GetBody()); got != "an invoice" {
			t.Errorf("the partner reads %q with key %d", got, n)
		}
	}
	if _, err := i.Open(t, "invoices", before.GetBody(), allowlisttest.Request); err != nil {
		t.Errorf("a message under an earlier version, within its grace = %v", err)
	}
	history, err := i.Secrets.ListSecretHistory(t.Context(), &vaultv1.ListSecretHistoryRequest{Name: allowlisttest.Workspace + "/secrets/session"})
	allowlisttest.Must(t, err)
	entry := history.GetChanges()[0]
	for _, change := range history.GetChanges() {
		if change.GetVersion() == 4 {
			entry = change
		}
	}
	if entry.GetActor().GetSubject() != i.Env.Resolver(t).Subject || len(entry.GetReferrers()) != 1 || entry.GetReferrers()[0] != allowlisttest.NameOf("login") {
		t.Errorf("the log says %v", entry)
	}
}

// openedBy decrypts a message under the SHA-256 of a key.
func openedBy(t testing.TB, key string, body []byte) string {
	t.Helper()
	config, err := payload.Parse(allowlisttest.EncryptionOf(t,
		`request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:a" } derivation { digest { hash: HASH_SHA256 } } } } }`), "acme", time.Now())
	allowlisttest.Must(t, err)
	opened, err := config.Pipeline(payload.Request).Decrypt(payload.Input{
		Now: time.Now(), Keys: payload.Keys{{{Value: sensitive.New([]byte(key)), Version: 1}}}, Body: body,
	})
	allowlisttest.Must(t, err)
	return string(opened.Body)
}

func TestASenderCannotChooseAnIssuedKey(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	chosen := withKey("a key that the sender has chosen")
	// The endpoint makes no response, so the sender cannot have one made.
	_, err := i.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("login"), Kind: allowlisttest.Response, Body: []byte(chosen)})
	allowlisttest.WantError(t, "Encrypt of a response", err, codes.FailedPrecondition, "ENCRYPTION_NOT_CONFIGURED")
	// A message of the request under the same kind of key is no response, and has no signature.
	sent := i.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("login"), Body: []byte(chosen)})
	_, err = i.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("login"), Body: sent.GetBody(), Exchange: sent.GetExchange()})
	allowlisttest.WantError(t, "a request as a response", err, codes.InvalidArgument, "SIGNATURE_INVALID")
	good := i.answer(t, withKey("a session key of the partner"), i.ask(t))
	for what, tt := range map[string]struct {
		change func(*allowlistv1.DecryptRequest)
		reason string
	}{
		"a changed response": {func(r *allowlistv1.DecryptRequest) { r.Body = []byte(strings.ToUpper(string(r.GetBody()))) }, "SIGNATURE_INVALID"},
		"no signature":       {func(r *allowlistv1.DecryptRequest) { r.Headers = nil }, "SIGNATURE_INVALID"},
		"no exchange":        {func(r *allowlistv1.DecryptRequest) { r.Exchange = "" }, "INVALID_EXCHANGE"},
		"a foreign exchange": {func(r *allowlistv1.DecryptRequest) {
			r.Exchange = i.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("invoices"), Body: []byte("x")}).GetExchange()
		}, "INVALID_EXCHANGE"},
		"a response as a request": {func(r *allowlistv1.DecryptRequest) { r.Kind, r.Exchange = allowlisttest.Request, "" }, "ENCRYPTION_NOT_CONFIGURED"},
	} {
		request := &allowlistv1.DecryptRequest{Name: good.GetName(), Body: good.GetBody(), Headers: good.GetHeaders(), Exchange: good.GetExchange()}
		tt.change(request)
		opened, err := i.Sender.Decrypt(t.Context(), request)
		if servertest.Reason(err) != tt.reason || len(opened.GetBody()) > 0 {
			t.Errorf("%s = %v, %v, want %s", what, opened, err, tt.reason)
		}
	}
	if got := i.version(t); got != 1 {
		t.Errorf("the current version is %d, want the placeholder", got)
	}
	// No other endpoint, which would return the value, can decrypt the responses.
	_, err = i.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "beside", Endpoint: &allowlistv1.Endpoint{
		Methods: []string{"POST"}, Url: "https://" + allowlisttest.Partner + "/v2", Encryption: allowlisttest.Encrypted(allowlisttest.Workspace + "/secrets/answers"),
	}})
	allowlisttest.WantError(t, "another endpoint with the key of the responses", err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
}

func TestAnExchangeIssuesOneResponse(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	exchange := i.ask(t)
	old := i.answer(t, withKey("the first session key of all"), exchange)
	_, err := i.Sender.Decrypt(t.Context(), old)
	allowlisttest.Must(t, err)
	for what, token := range map[string]string{"the same exchange": exchange, "the same exchange with a line end": exchange + "\n"} {
		_, err = i.Sender.Decrypt(t.Context(), i.answer(t, withKey("the second session key of all"), token))
		allowlisttest.WantError(t, what, err, codes.InvalidArgument, "INVALID_EXCHANGE")
	}
	next := i.answer(t, withKey("the second session key of all"), i.ask(t))
	_, err = i.Sender.Decrypt(t.Context(), next)
	allowlisttest.Must(t, err)
	old.Exchange = i.ask(t)
	_, err = i.Sender.Decrypt(t.Context(), old)
	allowlisttest.WantError(t, "an old response with another exchange", err, codes.FailedPrecondition, "ISSUE_REFUSED")
	if got := i.version(t); got != 3 {
		t.Errorf("the current version is %d, want 3", got)
	}
	// The endpoint is another one under the same name, and the exchange is one of the first.
	exchange = i.ask(t)
	i.Owner.Delete(t, "login")
	i.Settle(t, allowlisttest.Workspace+"/secrets/session", 1)
	i.Configured(t, "login", logsIn)
	i.Activate(t, "login")
	_, err = i.Sender.Decrypt(t.Context(), i.answer(t, withKey("the third session key of all"), exchange))
	allowlisttest.WantError(t, "an exchange of the deleted endpoint", err, codes.InvalidArgument, "INVALID_EXCHANGE")
	_, err = i.Sender.Decrypt(t.Context(), i.answer(t, withKey("the third session key of all"), i.ask(t)))
	allowlisttest.Must(t, err)
}

func TestAResponseWithoutAValueIssuesNothing(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for _, body := range []string{`{"status":0}`, `{"data":"sek"}`, `[]`} {
		opened, err := i.Sender.Decrypt(t.Context(), i.answer(t, body, ""))
		allowlisttest.Must(t, err)
		if string(opened.GetBody()) != body {
			t.Errorf("Decrypt = %q, want %q", opened.GetBody(), body)
		}
	}
	const canary = "canary-4711-session-key"
	for what, body := range map[string]string{
		"a number":              `{"data":{"sek":1234567890123456789}}`,
		"an object":             `{"data":{"sek":{"k":"` + canary + `"}}}`,
		"an empty string":       `{"data":{"sek":""}}`,
		"a long string":         withKey(strings.Repeat(canary, 200)),
		"two values":            `{"data":{"sek":"` + canary + `","sek":"` + canary + `2"}}`,
		"two objects":           `{"data":{},"data":{"sek":"` + canary + `"}}`,
		"no JSON":               `{"data":{"sek":"` + canary + `"}} x`,
		"half a surrogate pair": `{"data":{"sek":"\ud800` + canary + `"}}`,
		"no UTF-8":              "{\"data\":{\"sek\":\"\xff" + canary + "\"}}",
		"a weak key":            withKey("short"),
	} {
		opened, err := i.Sender.Decrypt(t.Context(), i.answer(t, body, i.ask(t)))
		allowlisttest.WantError(t, what, err, codes.FailedPrecondition, "ISSUE_REFUSED")
		servertest.MustNotHold(t, what, fmt.Sprint(opened, err), canary)
	}
	if got := i.version(t); got != 1 {
		t.Errorf("the current version is %d, want the placeholder", got)
	}
	// VerifySignature never stores a value.
	good := i.answer(t, withKey(canary), i.ask(t))
	_, err := i.Sender.VerifySignature(t.Context(), &allowlistv1.VerifySignatureRequest{
		Name: good.GetName(), Kind: allowlisttest.Response, Body: good.GetBody(), Headers: good.GetHeaders(),
	})
	allowlisttest.Must(t, err)
	if got := i.version(t); got != 1 {
		t.Errorf("after VerifySignature, the current version is %d", got)
	}
	_, err = i.Owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
		Name: good.GetName(), Kind: allowlisttest.Response, Body: good.GetBody(), Headers: good.GetHeaders(),
	})
	if got := i.version(t); got != 1 {
		t.Errorf("after DiagnoseSample, which says %v, the current version is %d", err, got)
	}
	// Without the vault, there is no body. Once it is back, the same call succeeds.
	i.VaultServer.Stop()
	opened, err := i.Sender.Decrypt(t.Context(), good)
	allowlisttest.WantError(t, "without the vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if len(opened.GetBody()) > 0 {
		t.Errorf("without the vault, the body is %q", opened.GetBody())
	}
	i.StartVault(t)
	allowlisttest.Eventually(t, func() bool {
		opened, err = i.Sender.Decrypt(t.Context(), good)
		return err == nil
	}, "Decrypt does not succeed with the vault")
	servertest.MustNotHold(t, "the body", string(opened.GetBody()), canary)
	if got := i.version(t); got != 2 {
		t.Errorf("the current version is %d, want 2", got)
	}
	for _, text := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[:16]} {
		servertest.MustNotHold(t, "the log", i.Env.Log.String(), text)
	}
}

func TestAPartnerIssuesAtMost60VersionsInAnHour(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	var err error
	issued := 0
	for ; issued < 70 && err == nil; issued++ {
		_, err = i.Sender.Decrypt(t.Context(), i.answer(t, withKey(fmt.Sprintf("session key number %d of many", issued)), i.ask(t)))
	}
	allowlisttest.WantError(t, "one response too many", err, codes.FailedPrecondition, "ISSUE_REFUSED")
	if issued != 60 || servertest.Metadata(err)["cause"] != "RATE_LIMITED" {
		t.Errorf("response %d = %v, want the 60th to be refused", issued, err)
	}
}

func TestOnlySoundConfigurationsIssueValues(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	issuedSecret(t, i.Kit, "elsewhere", "other")
	issuedSecret(t, i.Kit, "mine", "bad") // the endpoint that is refused
	i.Secret(t, "stored")
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(allowlisttest.KeyOf(3)))
	allowlisttest.Must(t, err)
	i.Secret(t, "own", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	sound := strings.Replace(logsIn, "secret:session", "secret:mine", 1)
	replaced := func(old, new string) string {
		if !strings.Contains(sound, old) {
			t.Fatalf("the configuration does not contain %q", old)
		}
		return strings.Replace(sound, old, new, 1)
	}
	for what, tt := range map[string]struct {
		text   string
		reason string
		field  string
	}{
		"a secret of another endpoint":  {replaced("secret:mine", "secret:elsewhere"), "ISSUER_NOT_ALLOWED", "endpoint.encryption.issued[0].secret.name"},
		"a secret of people":            {replaced("secret:mine", "secret:stored"), "ISSUER_NOT_ALLOWED", "endpoint.encryption.issued[0].secret.name"},
		"a private key of ours":         {replaced("secret:partner", "secret:own"), "KEY_NOT_USABLE", "endpoint.encryption.response.signing.keys[0]"},
		"a MAC":                         {replaced("asymmetric { algorithm: ALGORITHM_ED25519 } keys { name: \"secret:partner\" }", "mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: \"secret:stored\" }"), "LEGACY_NOT_ACKNOWLEDGED", "endpoint.encryption.response.allow_legacy"},
		"a signature of something else": {replaced("${body}", "${timestamp}"), "LEGACY_NOT_ACKNOWLEDGED", "endpoint.encryption.response.allow_legacy"},
		"a plain response":              {replaced("cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: \"secret:answers\" } } }\n", "plain {}"), "INVALID_FIELD", "endpoint.encryption.response"},
		"another part is encrypted":     {replaced("response {", "response { selection { fields { paths: \"$.other\" } }"), "INVALID_FIELD", "endpoint.encryption.issued[0].path"},
		"a pinned version":              {replaced(`name: "secret:mine"`, `name: "secret:mine" version: 1`), "INVALID_FIELD", "endpoint.encryption.issued[0].secret.version"},
		"a path with a wildcard":        {replaced("$.data['sek']", "$.data[*]"), "INVALID_FIELD", "endpoint.encryption.issued[0].path"},
		"the same secret as a key":      {replaced("secret:answers", "secret:mine"), "INVALID_FIELD", "endpoint.encryption.issued[0].secret.name"},
		"no response":                   {sound[:strings.Index(sound, "response")] + sound[strings.Index(sound, "issued {"):], "INVALID_FIELD", "endpoint.encryption.response"},
	} {
		fields, err := i.Refusal(t, &allowlistv1.Endpoint{
			Methods: []string{"POST"}, Url: "https://" + allowlisttest.Partner + "/v3", Encryption: allowlisttest.EncryptionOf(t, tt.text),
		})
		if servertest.Reason(err) != tt.reason || len(fields) != 1 || fields[0] != tt.field {
			t.Errorf("%s: %v of %v, want %s of %s", what, err, fields, tt.reason, tt.field)
		}
	}
}

func TestADraftWithoutANameMayIssueValues(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for _, name := range []string{"-", "login"} {
		draft := allowlisttest.Draft()
		draft.Encryption = allowlisttest.EncryptionOf(t, logsIn)
		res, err := i.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf(name), Endpoint: draft})
		if err != nil || !res.GetFits() {
			t.Errorf("CheckKeys of %s = %v, %v", name, res, err)
		}
	}
}

func TestOnlyASuperAdminLetsSendersChooseAnIssuedKey(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	issuedSecret(t, i.Kit, "other", "unsigned")
	i.Secret(t, "shared", allowlisttest.KeyOf(7)...)
	text := strings.NewReplacer(`"secret:session"`, `"secret:other"`, "secret:answers", "secret:shared").Replace(logsIn)
	from, to := strings.Index(text, "signing {"), strings.Index(text, "issued {")
	e := allowlisttest.Draft()
	e.Encryption = allowlisttest.EncryptionOf(t, text[:from]+" }\n"+text[to:])
	e.Encryption.Response.AllowLegacy = []*allowlistv1.LegacyAcknowledgement{{
		Flag: allowlistv1.LegacyAcknowledgement_FLAG_ISSUED_UNSIGNED, Reason: "the partner does not sign", ExpireTime: timestamppb.New(time.Now().AddDate(1, 0, 0)),
	}}
	create := &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "unsigned", Endpoint: e}
	_, err := i.Owner.CreateEndpoint(t.Context(), create)
	allowlisttest.WantError(t, "by an owner", err, codes.PermissionDenied, "SUPER_ADMIN_REQUIRED")
	_, err = i.Admin.CreateEndpoint(t.Context(), create)
	allowlisttest.Must(t, err)
	i.Activate(t, "unsigned")
	config, err := payload.Parse(allowlisttest.EncryptionOf(t, `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:shared" } } } }`), "acme", time.Now())
	allowlisttest.Must(t, err)
	answer, err := config.Pipeline(payload.Request).Encrypt(payload.Input{
		Now: time.Now(), Keys: payload.Keys{{{Value: sensitive.New(allowlisttest.KeyOf(7)), Version: 1}}}, Body: []byte(withKey("a session key of the partner")), Nonces: payload.Uncounted,
	})
	allowlisttest.Must(t, err)
	response := &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("unsigned"), Body: answer.Body}
	_, err = i.Sender.Decrypt(t.Context(), response)
	allowlisttest.WantError(t, "without an exchange", err, codes.InvalidArgument, "INVALID_EXCHANGE")
	response.Exchange = i.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: response.GetName(), Body: []byte("x")}).GetExchange()
	opened, err := i.Sender.Decrypt(t.Context(), response)
	allowlisttest.Must(t, err)
	servertest.MustNotHold(t, "the body", string(opened.GetBody()), "session key of")
	_, err = i.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: response.GetName(), Kind: allowlisttest.Response, Body: []byte(withKey("a chosen key of the sender"))})
	allowlisttest.WantError(t, "a response of the sender", err, codes.FailedPrecondition, "ENCRYPTION_NOT_CONFIGURED")
}

// TestABinarySessionKeyIsIssuedInBase64 is the login of India's e-invoice system (NIC), which answers with the
// bytes of a session key under AES-256-ECB, and then an invoice. The values are from another implementation.
func TestABinarySessionKeyIsIssuedInBase64(t *testing.T) {
	t.Parallel()
	const (
		appKey   = "iZOYHFqikxbC58l8xBjwuyg6WSqgTKHJJIp94IJVLsI="
		answered = "0yEaRngyn5RnsfI7sIImmwGt0kfBqLBdNLHHWn6G8gGnTIoDvRLAvbsOc/Qa+fSt"
		invoice  = `{"Version":"1.1","TranDtls":{"TaxSch":"GST"}}`
		sent     = `{"Data":"CDL1o01ACrw038xCUuzTAOCcxHoPPXGzoQA4zfFuPvd/KZeVKDNr1FFwCILr5m73j9mv1dyNXdZbHZevxL8+dQ=="}`
	)
	k := allowlisttest.New(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	allowlisttest.Must(t, err)
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	allowlisttest.Must(t, err)
	k.Secret(t, "nic", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})...)
	k.Secret(t, "app-key", []byte(appKey)...)
	_, err = k.Secrets.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: allowlisttest.Workspace, SecretId: "sek", Secret: &vaultv1.Secret{
			IssuedBy: allowlisttest.NameOf("login"), KeepVersions: 3,
			Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: []byte(base64.StdEncoding.EncodeToString(allowlisttest.KeyOf(8)))}},
		},
	})
	allowlisttest.Must(t, err)
	login := allowlisttest.Draft()
	login.Encryption = allowlisttest.EncryptionOf(t, `
		request { selection { fields { paths: "$.Password" value_form: VALUE_FORM_STRING } } rsa_direct { pkcs1_v15 {} keys { name: "secret:nic" } } }
		response {
			selection { fields { paths: "$.Data.Sek" value_form: VALUE_FORM_BASE64 missing: MISSING_SKIP } }
			cipher { algorithm: ALGORITHM_AES_256_ECB shared_key { keys { name: "secret:app-key" decoding: DECODING_BASE64 } } }
		}
		issued { secret { name: "secret:sek" } path: "$.Data.Sek" }`)
	login.Encryption.Response.AllowLegacy = append(login.Encryption.Response.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
		Flag: allowlistv1.LegacyAcknowledgement_FLAG_ISSUED_UNSIGNED, Reason: "the partner does not sign", ExpireTime: timestamppb.New(time.Now().AddDate(1, 0, 0)),
	})
	_, err = k.Admin.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "login", Endpoint: login})
	allowlisttest.Must(t, err)
	k.Activate(t, "login")
	k.Configured(t, "invoices", `request {
		plaintext_encoding: ENCODING_BASE64
		cipher { algorithm: ALGORITHM_AES_256_ECB shared_key { keys { name: "secret:sek" decoding: DECODING_BASE64 } } }
		envelope { json: "{\"Data\":\"${data}\"}" }
	}`)
	k.Activate(t, "invoices")

	for body, want := range map[string]string{
		`{"Status":0,"ErrorDetails":[]}`:                 `{"Status":0,"ErrorDetails":[]}`,
		`{"Status":1,"Data":{"Sek":"` + answered + `"}}`: `{"Status":1,"Data":{"Sek":"issued"}}`,
	} {
		asked := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("login"), Body: []byte(`{"Password":"p","AppKey":"encrypted before"}`)})
		opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("login"), Body: []byte(body), Exchange: asked.GetExchange()})
		allowlisttest.Must(t, err)
		if got := string(opened.GetBody()); got != want {
			t.Errorf("the sender gets %s, want %s", got, want)
		}
	}
	got := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("invoices"), Body: []byte(invoice)})
	if string(got.GetBody()) != sent {
		t.Errorf("the invoice is sent as %s, want %s", got.GetBody(), sent)
	}
}
