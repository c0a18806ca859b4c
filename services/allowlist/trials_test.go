package allowlist_test

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
)

// live tests an endpoint with its own keys.
func (k *kit) live(t testing.TB, name string) error {
	t.Helper()
	_, err := k.owner.TestEncryption(t.Context(), &allowlistv1.TestEncryptionRequest{
		Name: name, Body: []byte(sample), LiveKeys: true, Reason: "to see",
	})
	return err
}

// spent fails the test unless a live test is refused, and says when to try again.
func (k *kit) spent(t testing.TB, what, name string) {
	t.Helper()
	err := k.live(t, name)
	wantError(t, what, err, codes.ResourceExhausted, "RATE_LIMITED")
	if !servertest.Retryable(err) {
		t.Errorf("%s: RATE_LIMITED does not say when to try again", what)
	}
}

func TestLiveTestsAreCountedByKey(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key, other := k.secret(t, "key"), k.secret(t, "other")
	k.owner.create(t, "one", draft(key))
	k.owner.create(t, "two", draft(key))
	k.owner.create(t, "both", draft(other, key))
	k.owner.create(t, "else", draft(other))
	for i := range 10 {
		must(t, k.live(t, nameOf([]string{"one", "two"}[i%2])))
		if i == 5 {
			k.rotate(t, key, 2)
		}
	}
	logged := len(k.owner.history(t, nameOf("both")))
	k.spent(t, "the eleventh live test", nameOf("one"))
	k.spent(t, "a live test of another endpoint with the key", nameOf("two"))
	k.spent(t, "a live test with the key among others", nameOf("both"))
	k.restart(t)
	k.spent(t, "a live test after a restart", nameOf("one"))
	if got := len(k.owner.history(t, nameOf("both"))); got != logged {
		t.Errorf("a live test that is refused is on the change log")
	}
	for range 10 {
		must(t, k.live(t, nameOf("else")))
	}
	k.spent(t, "the eleventh live test of the other key", nameOf("else"))
	k.clock.advance(6 * time.Minute)
	must(t, k.live(t, nameOf("both")))
	k.spent(t, "a live test after one that used both keys", nameOf("one"))
	k.spent(t, "a live test after one that used both keys", nameOf("else"))
	must(t, k.allowlist.Verify(t.Context()))
	k.clock.advance(time.Hour)
	eventually(t, func() bool { return k.stored(t, "trial") == 0 }, "quotas that are whole again stay in the store")
}

func TestLiveTestsAtOnceTakeNoMoreThanTheQuota(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key := k.secret(t, "key")
	for i := range 3 {
		k.owner.create(t, fmt.Sprint("orders-", i), draft(key))
	}
	var calls sync.WaitGroup
	var passed atomic.Int64
	for i := range 30 {
		calls.Go(func() {
			switch err := k.live(t, nameOf(fmt.Sprint("orders-", i%3))); status.Code(err) {
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
	k := newKit(t)
	key := k.secret(t, "key")
	k.owner.create(t, "orders", draft(key))
	k.owner.create(t, "refunds", draft(key))
	sent := k.owner.test(t, &allowlistv1.TestEncryptionRequest{Name: nameOf("orders"), Body: []byte(sample), LiveKeys: true, Reason: "a sample"})
	diagnose := func(id string) error {
		_, err := k.owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
			Name: nameOf(id), Body: sent.GetBody(), Plaintext: []byte(sample), Reason: "it does not open",
		})
		return err
	}
	for i := range 10 {
		must(t, diagnose([]string{"orders", "refunds"}[i%2]))
	}
	wantError(t, "the eleventh diagnosis", diagnose("refunds"), codes.ResourceExhausted, "RATE_LIMITED")
	k.restart(t)
	wantError(t, "a diagnosis after a restart", diagnose("orders"), codes.ResourceExhausted, "RATE_LIMITED")
	must(t, k.live(t, nameOf("orders"))) // has a quota of its own
	k.secret(t, "else")
	k.owner.create(t, "else", draft(workspace+"/secrets/else"))
	wantError(t, "a diagnosis of another key", diagnose("else"), codes.ResourceExhausted, "RATE_LIMITED")
}

// own creates an endpoint with a configuration in which NAME stands for its id, and has the
// vault generate the secrets that it names: a key serves one thing.
func (k *kit) own(t testing.TB, id, text string) string {
	t.Helper()
	text = strings.ReplaceAll(text, "NAME", id)
	for suffix, kind := range map[string]vaultv1.Generate_Kind{
		"": vaultv1.Generate_KIND_AES_256, "-16": vaultv1.Generate_KIND_AES_128, "-mac": vaultv1.Generate_KIND_HMAC_SHA256,
		"-pair": vaultv1.Generate_KIND_RSA_2048,
	} {
		if strings.Contains(text, `"secret:`+id+suffix+`"`) {
			k.generated(t, id+suffix, kind)
		}
	}
	return k.configured(t, id, text)
}

// What a live test may not show is refused in one way, and the log has nothing of it.
func TestLiveTestsOfOraclesAreRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.secretIn(t, workspace, "param", vaultv1.Usage_USAGE_PARAMETER, []byte("0123456789abcdef")...)
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
		endpoint := k.own(t, name, text)
		err := k.live(t, endpoint)
		wantError(t, "a live test of "+name, err, codes.InvalidArgument, "INVALID_FIELD")
		if v := servertest.Violations(err); len(v) != 1 || v[0].Field != "live_keys" {
			t.Errorf("a live test of %s violates %v, want live_keys", name, v)
		}
		if n := len(k.owner.history(t, endpoint)); n != 1 {
			t.Errorf("%s: the change log has %d entries, want its creation", name, n)
		}
	}
	answered := k.own(t, "signed-request", `request { `+gcm+`signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:NAME-mac" }`+header+`}`)
	k.owner.test(t, &allowlistv1.TestEncryptionRequest{Name: answered, Kind: response, Body: []byte(sample), LiveKeys: true, Reason: "only encrypted"})
}
