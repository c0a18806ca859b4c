package tryout_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// spent fails the test unless a live test is refused, and says when to try again.
func spent(t testing.TB, k *allowlisttest.Kit, what, name string) {
	t.Helper()
	err := k.Live(t, name)
	allowlisttest.WantError(t, what, err, codes.ResourceExhausted, "RATE_LIMITED")
	if !servertest.Retryable(err) {
		t.Errorf("%s: RATE_LIMITED does not say when to try again", what)
	}
}

func TestLiveTestsAreCountedByKey(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key, other := k.Secret(t, "key"), k.Secret(t, "other")
	k.Owner.Create(t, "one", allowlisttest.Draft(key))
	k.Owner.Create(t, "two", allowlisttest.Draft(key))
	k.Owner.Create(t, "both", allowlisttest.Draft(other, key))
	k.Owner.Create(t, "else", allowlisttest.Draft(other))
	for i := range 10 {
		allowlisttest.Must(t, k.Live(t, allowlisttest.NameOf([]string{"one", "two"}[i%2])))
		if i == 5 {
			k.Rotate(t, key, 2)
		}
	}
	logged := len(k.Owner.History(t, allowlisttest.NameOf("both")))
	spent(t, k, "the eleventh live test", allowlisttest.NameOf("one"))
	spent(t, k, "a live test of another endpoint with the key", allowlisttest.NameOf("two"))
	spent(t, k, "a live test with the key among others", allowlisttest.NameOf("both"))
	k.Restart(t)
	spent(t, k, "a live test after a restart", allowlisttest.NameOf("one"))
	if got := len(k.Owner.History(t, allowlisttest.NameOf("both"))); got != logged {
		t.Errorf("a live test that is refused is on the change log")
	}
	for range 10 {
		allowlisttest.Must(t, k.Live(t, allowlisttest.NameOf("else")))
	}
	spent(t, k, "the eleventh live test of the other key", allowlisttest.NameOf("else"))
	k.Clock.Advance(6 * time.Minute)
	allowlisttest.Must(t, k.Live(t, allowlisttest.NameOf("both")))
	spent(t, k, "a live test after one that used both keys", allowlisttest.NameOf("one"))
	spent(t, k, "a live test after one that used both keys", allowlisttest.NameOf("else"))
	allowlisttest.Must(t, k.Allowlist.Verify(t.Context()))
	k.Clock.Advance(time.Hour)
	allowlisttest.Eventually(t, func() bool { return k.Stored(t, "trial") == 0 }, "quotas that are whole again stay in the store")
}

func TestLiveTestsAtOnceTakeNoMoreThanTheQuota(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key := k.Secret(t, "key")
	for i := range 3 {
		k.Owner.Create(t, fmt.Sprint("orders-", i), allowlisttest.Draft(key))
	}
	var calls sync.WaitGroup
	var passed atomic.Int64
	for i := range 30 {
		calls.Go(func() {
			switch err := k.Live(t, allowlisttest.NameOf(fmt.Sprint("orders-", i%3))); status.Code(err) {
			case codes.OK:
				passed.Add(1)
			case codes.ResourceExhausted:
			default:
				t.Errorf("a live test = %v", err)
			}
		})
	}
	calls.Wait()
	if got := passed.Load(); got != 10 {
		t.Errorf("%d live tests passed at once, want 10", got)
	}
}

func TestDiagnosesAreCountedByKey(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft(key))
	k.Owner.Create(t, "refunds", allowlisttest.Draft(key))
	sent := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(allowlisttest.Sample), LiveKeys: true, Reason: "a sample"})
	diagnose := func(id string) error {
		_, err := k.Owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
			Name: allowlisttest.NameOf(id), Body: sent.GetBody(), Plaintext: []byte(allowlisttest.Sample), Reason: "it does not decrypt",
		})
		return err
	}
	for i := range 10 {
		allowlisttest.Must(t, diagnose([]string{"orders", "refunds"}[i%2]))
	}
	allowlisttest.WantError(t, "the eleventh diagnosis", diagnose("refunds"), codes.ResourceExhausted, "RATE_LIMITED")
	k.Restart(t)
	allowlisttest.WantError(t, "a diagnosis after a restart", diagnose("orders"), codes.ResourceExhausted, "RATE_LIMITED")
	allowlisttest.Must(t, k.Live(t, allowlisttest.NameOf("orders"))) // has its own quota
	k.Secret(t, "else")
	k.Owner.Create(t, "else", allowlisttest.Draft(allowlisttest.Workspace+"/secrets/else"))
	allowlisttest.WantError(t, "a diagnosis of another key", diagnose("else"), codes.ResourceExhausted, "RATE_LIMITED")
}

// own creates an endpoint with a configuration in which NAME is replaced by its ID, and lets the
// vault generate the secrets that it names, because a key has a single purpose.
func own(t testing.TB, k *allowlisttest.Kit, id, text string) string {
	t.Helper()
	text = strings.ReplaceAll(text, "NAME", id)
	for suffix, kind := range map[string]vaultv1.Generate_Kind{
		"": vaultv1.Generate_KIND_AES_256, "-16": vaultv1.Generate_KIND_AES_128, "-mac": vaultv1.Generate_KIND_HMAC_SHA256,
		"-pair": vaultv1.Generate_KIND_RSA_2048,
	} {
		if strings.Contains(text, `"secret:`+id+suffix+`"`) {
			k.Generated(t, id+suffix, kind)
		}
	}
	return k.Configured(t, id, text)
}

// Live tests that would reveal a key are refused with the same error, and leave nothing in the
// log.
func TestLiveTestsOfOraclesAreRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.SecretIn(t, allowlisttest.Workspace, "param", vaultv1.Usage_USAGE_PARAMETER, []byte("0123456789abcdef")...)
	const header = ` headers { key: "X-Sig" value: "${signature}" } } `
	cbc := func(rest string) string {
		return `request { cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "secret:NAME-16" } } ` + rest + ` } }`
	}
	gcm := `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:NAME" } } } `
	for name, text := range map[string]string{
		"static":         cbc(`iv { source: SOURCE_STATIC secret { name: "secret:param" } }`),
		"zero":           cbc(`iv { source: SOURCE_ZERO }`),
		"in-plaintext":   cbc(`iv { source: SOURCE_IN_PLAINTEXT }`),
		"derived":        `request { cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "secret:NAME-16" } derivation { hkdf {} } } iv { source: SOURCE_DERIVED } } }`,
		"suffix":         `request { selection { object { path: "$.pan" } } cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "secret:NAME-16" } } iv { source: SOURCE_FIELD_SUFFIX field_suffix: "$.ts" } } }`,
		"ecb":            `request { cipher { algorithm: ALGORITHM_AES_128_ECB shared_key { keys { name: "secret:NAME-16" } } } }`,
		"hmac":           `request { signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:NAME-mac" } input: "${body}"` + header + `}`,
		"hmac-over-gcm":  `request { ` + gcm + `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:NAME-mac" } input: "${plaintext}"` + header + `}`,
		"rsa":            `request { signing { asymmetric { algorithm: ALGORITHM_RSA_PKCS1V15_SHA256 } keys { name: "secret:NAME-pair" decoding: DECODING_PEM }` + header + `}`,
		"pss":            `request { signing { asymmetric { algorithm: ALGORITHM_RSA_PSS_SHA256 } keys { name: "secret:NAME-pair" decoding: DECODING_PEM }` + header + `}`,
		"jws":            `request { signing { jws { algorithm: ALGORITHM_HS256 } keys { name: "secret:NAME-mac" }` + header + `}`,
		"jws-inside-gcm": `request { ` + gcm + `nested_jws { jws { algorithm: ALGORITHM_RS256 } keys { name: "secret:NAME-pair" decoding: DECODING_PEM } } }`,
	} {
		endpoint := own(t, k, name, text)
		err := k.Live(t, endpoint)
		allowlisttest.WantError(t, "a live test of "+name, err, codes.InvalidArgument, "INVALID_FIELD")
		if v := servertest.Violations(err); len(v) != 1 || v[0].Field != "live_keys" {
			t.Errorf("a live test of %s violates %v, want live_keys", name, v)
		}
		if n := len(k.Owner.History(t, endpoint)); n != 1 {
			t.Errorf("%s: the change log has %d entries, want its creation", name, n)
		}
	}
	answered := own(t, k, "signed-request", `request { `+gcm+`signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:NAME-mac" }`+header+`}`)
	k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: answered, Kind: allowlisttest.Response, Body: []byte(allowlisttest.Sample), LiveKeys: true, Reason: "only encrypted"})
}
