package tryout_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// signed is a configuration that signs an expression into the query.
func signed(t testing.TB, input string) *allowlistv1.Encryption {
	t.Helper()
	return allowlisttest.EncryptionOf(t, `request { signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:key" }
		input_expression: "`+input+`" query_parameters { key: "sig" value: "${signature}" } } }`)
}

func TestADryRunShowsTheSignatureInTheQuery(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	e := allowlisttest.Draft(k.Secret(t, "key"))
	e.QueryParameters = []*allowlistv1.Parameter{allowlisttest.Header("v", "2")}
	e.Encryption = signed(t, "path + query + body")
	k.Owner.Create(t, "orders", e)
	got := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{
		Name: allowlisttest.NameOf("orders"), Body: []byte(`{}`), Context: &allowlistv1.MessageContext{Query: "a=1"},
	})
	if pairs := allowlisttest.Pairs(got.GetQueryParameters()); !got.GetOpened() || !strings.HasPrefix(pairs, "v=2") || strings.Count(pairs, "sig=") != 1 {
		t.Errorf("TestEncryption = opened %v, query %s", got.GetOpened(), pairs)
	}
}

func TestADryRunNamesWhatASignatureLacks(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for input, field := range map[string]string{
		"body + context('token')":          `context.values["token"]`,
		"body + header('x-a')":             `context.headers["x-a"]`,
		"body + method":                    "context.method",
		"body + content_type":              "",
		"body + first(header('x-a'), '-')": "",
	} {
		got, err := k.Owner.TestEncryption(t.Context(), &allowlistv1.TestEncryptionRequest{
			Name: allowlisttest.NameOf("-"), Body: []byte(`{}`), Encryption: signed(t, input),
		})
		switch {
		case field != "":
			allowlisttest.WantError(t, "TestEncryption of "+input, err, codes.InvalidArgument, "INVALID_FIELD")
			if wrong := servertest.Violations(err); len(wrong) != 1 || wrong[0].Field != field {
				t.Errorf("TestEncryption of %s = %v, want the field %s", input, wrong, field)
			}
		case err != nil || !got.GetOpened():
			t.Errorf("TestEncryption of %s = %v, %v", input, got, err)
		}
	}
}

// An endpoint can be switched on without a sample, whatever its signature takes.
func TestKeysMakeARoundTripWithAMadeUpMessage(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	e := allowlisttest.Draft(k.Secret(t, "key"))
	e.ContentType = ""
	e.Encryption = signed(t, "get(form(query), 'n') + context('token') + header('x-a') + json(unbase64(json(body, '$.a')), '$.b')")
	k.Owner.Create(t, "orders", e)
	got, err := k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("orders")})
	if err != nil || !got.GetFits() || !got.GetRoundTrip() {
		t.Errorf("CheckKeys = %v, %v", got, err)
	}
	e.Encryption = signed(t, "body + content_type")
	k.Owner.Create(t, "untyped", e)
	_, err = k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("untyped")})
	allowlisttest.WantError(t, "CheckKeys without a content type", err, codes.FailedPrecondition, "SAMPLE_NOT_ENCRYPTABLE")
	if cause := servertest.Metadata(err)["cause"]; !strings.Contains(cause, "endpoint.content_type is required") {
		t.Errorf("CheckKeys without a content type = %s, want it named", cause)
	}
}
