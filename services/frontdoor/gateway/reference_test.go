package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	allowlistgw "github.com/keyward/keyward/proto/gen/gateway/keyward/allowlist/v1"
	vaultgw "github.com/keyward/keyward/proto/gen/gateway/keyward/vault/v1"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/frontdoor/gateway"
)

// A recorder is a connection that answers each call with an empty response and keeps the request.
type recorder struct {
	rpc     string
	request proto.Message
}

func (c *recorder) Invoke(_ context.Context, rpc string, request, _ any, _ ...grpc.CallOption) error {
	c.rpc, c.request = rpc, proto.Clone(request.(proto.Message))
	return nil
}

func (c *recorder) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no method of the gateway is a stream")
}

// reference returns a mux of grpc-gateway with the generated handlers, as strict as it can be.
func reference(t testing.TB, conn grpc.ClientConnInterface) http.Handler {
	t.Helper()
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{UnmarshalOptions: protojson.UnmarshalOptions{RecursionLimit: 64}}),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllCharacters),
	)
	if err := errors.Join(
		vaultgw.RegisterVaultServiceHandlerClient(t.Context(), mux, vaultv1.NewVaultServiceClient(conn)),
		allowlistgw.RegisterAllowlistServiceHandlerClient(t.Context(), mux, allowlistv1.NewAllowlistServiceClient(conn)),
	); err != nil {
		t.Fatal(err)
	}
	return mux
}

// FuzzReference sends any request to the gateway and to the mux of grpc-gateway. The gateway may
// refuse more, but a request that it accepts must become the same call. It accepts a body if and
// only if protojson does, except for what the package comment adds.
func FuzzReference(f *testing.F) {
	for i := range fuzzedMethods {
		for _, target := range []string{
			secrets, secret, secrets + "?secretId=a&reason=r%20x&request_id=1", secrets + "?pageSize=7&pageToken=a%2Bb&orderBy=name+desc&query=%C3%A9&state=VERSION_STATE_ENABLED",
			secret + "/history", secrets + "/-/history", secret + "/versions/2:restore", secret + ":replacePurpose", secret + "?updateMask=allowedHosts,value.text", secret + "?force=true&etag=3",
			"/v1/workspaces/acme/sealing?reason=r", "/v1/workspaces:endpoints", "/v1/workspaces", "/v1/presets", endpoints + ":checkUrl", endpoints + "/-:testEncryption", endpoint + ":encrypt", endpoint,
			endpoints + "?legacyExpiresBefore=2026-12-24T18:00:00Z", endpoints + "/pay%3Aencrypt", secrets + "/a%252Fb", secrets + "/%41", secrets + "/a%2Bb", secrets + "/é", "/v1/%77orkspaces/a/secrets", endpoint + ":%65ncrypt",
			endpoint + ":activate:encrypt", endpoint + ":", "/v1/:endpoints", "/v1/workspaces/a:encrypt/endpoints/b",
		} {
			f.Add(uint8(i), target, []byte(nil))
			f.Add(uint8(i), target, []byte("{}"))
		}
	}
	for _, body := range []string{
		" ", "null", `{"description":"d","value":{"text":"x"}}`, `{"etag":"3","labels":{"a":"b"},"allowedHosts":[]}`, `{"name":"workspaces/acme/secrets/db"}`, `{"name":"x"}`,
		`{"usage":"CREDENTIAL"}`, `{"usage":"USAGE_KEY","createTime":"2026-12-24T18:00:00Z"}`, `{"body":"AAH_"}`, `{} {}`, `{"unknown":1}`, `{"description":"a","description":"b"}`, "{\"description\":\"\xff\"}",
	} {
		f.Add(uint8(1), secrets, []byte(body))
		f.Add(uint8(1), endpoint+":encrypt", []byte(body))
		f.Add(uint8(2), secret, []byte(body))
	}
	got, want := new(recorder), new(recorder)
	door, err := gateway.New(gateway.Config{}, backends(got)...)
	if err != nil {
		f.Fatal(err)
	}
	mux := reference(f, want)
	f.Fuzz(func(t *testing.T, method uint8, target string, body []byte) {
		*got, *want = recorder{}, recorder{}
		r := fuzzedRequest(t, method, target, body)
		if r == nil {
			return
		}
		a := record(door, r)
		other := fuzzedRequest(t, method, target, body)
		if other.Method == http.MethodHead {
			other.Method = http.MethodGet // the mux has no HEAD
		}
		record(mux, other)
		blank := len(bytes.TrimSpace(body)) == 0
		if a.code != http.StatusOK {
			if p := a.problem(t); p.info.GetReason() == "MALFORMED_JSON" && !blank && want.request != nil && strictly(want, body) == nil {
				t.Errorf("%s %s %q: the gateway refuses what protojson accepts: %s", r.Method, target, body, a.body)
			}
			return
		}
		if err := strictly(got, body); err != nil && !blank {
			if !strings.Contains(err.Error(), "invalid value for enum") { // protojson does not know short names
				t.Errorf("%s %s %q: the gateway accepts what protojson refuses: %v", r.Method, target, body, err)
			}
			return
		}
		if got.rpc != want.rpc {
			t.Fatalf("%s %s: the gateway calls %s, the mux %s", r.Method, target, got.rpc, want.rpc)
		}
		if diff := cmp.Diff(want.request, got.request, protocmp.Transform(), masks); diff != "" {
			t.Errorf("%s %s %q: the request (-mux +gateway):\n%s", r.Method, target, body, diff)
		}
	})
}

var fuzzedMethods = []string{"GET", "POST", "PATCH", "DELETE", "HEAD", "PUT"}

// fuzzedRequest returns a request, or nil if net/http would refuse it.
func fuzzedRequest(t *testing.T, method uint8, target string, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), fuzzedMethods[int(method)%len(fuzzedMethods)], "http://a"+target, bytes.NewReader(body))
	if err != nil || !strings.HasPrefix(target, "/") {
		return nil
	}
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set("Authorization", "Bearer of-somebody")
	return r
}

// strictly returns protojson's error for the body of a call.
func strictly(call *recorder, body []byte) error {
	message := call.request.ProtoReflect().New()
	for _, resource := range []protoreflect.Name{"secret", "endpoint", "sealing"} {
		fd := message.Descriptor().Fields().ByName(resource)
		if fd != nil && (strings.Contains(call.rpc, "/Create") || strings.Contains(call.rpc, "/Update")) {
			message = message.Mutable(fd).Message()
			break
		}
	}
	return protojson.UnmarshalOptions{RecursionLimit: 64}.Unmarshal(body, message.Interface())
}

// masks are the fields that the comparison ignores. The gateway fills and spells masks itself:
// TestPatchChangesWhatItsBodyHas checks them.
var masks = cmp.Options{
	protocmp.IgnoreFields(&vaultv1.UpdateSecretRequest{}, "update_mask"),
	protocmp.IgnoreFields(&allowlistv1.UpdateEndpointRequest{}, "update_mask"),
}
