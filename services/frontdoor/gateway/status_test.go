package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/frontdoor/gateway"
)

// failing answers every call with an error.
func failing(t testing.TB, err error) *env {
	t.Helper()
	e := start(t)
	e.answer = func(context.Context, string) (proto.Message, error) { return nil, err }
	return e
}

func serviceError(t testing.TB, code codes.Code, message, domain, reason string, more ...protoadapt.MessageV1) error {
	t.Helper()
	details := append([]protoadapt.MessageV1{
		&errdetails.ErrorInfo{Reason: reason, Domain: domain, Metadata: map[string]string{"etag": "7"}},
	}, more...)
	st, err := status.New(code, message).WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

func TestErrorsOfOurServicesPassAsTheyAre(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code   codes.Code
		reason string
		http   int
	}{
		{codes.InvalidArgument, "INVALID_FIELD", 400},
		{codes.InvalidArgument, "DECRYPTION_FAILED", 400},
		{codes.Unauthenticated, "CREDENTIALS_INVALID", 401},
		{codes.PermissionDenied, "PERMISSION_DENIED", 403},
		{codes.NotFound, "SECRET_NOT_FOUND", 404},
		{codes.AlreadyExists, "SECRET_EXISTS", 409},
		{codes.Aborted, "ETAG_MISMATCH", 409},
		{codes.FailedPrecondition, "SECRET_IN_USE", 400},
		{codes.OutOfRange, "SOMETHING", 400},
		{codes.ResourceExhausted, "OVERLOADED", 429},
		{codes.ResourceExhausted, "MESSAGE_TOO_LARGE", 413},
		{codes.Unimplemented, "METHOD_NOT_ALLOWED", 405},
		{codes.Unavailable, "VAULT_UNAVAILABLE", 503},
		{codes.DeadlineExceeded, "DEADLINE", 504},
		{codes.Canceled, "CANCELLED", 499},
		{codes.Internal, "INTERNAL", 500},
	}
	for _, tc := range tests {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			bad := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "etag", Description: "d"}}}
			e := failing(t, serviceError(t, tc.code, "the message", "keyward.dev", tc.reason, bad,
				&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
				&errdetails.DebugInfo{Detail: canary}))
			a := e.do(t, "GET", secret, "")
			p := wantProblem(t, a, tc.http, tc.reason)
			if p.status.GetCode() != int32(tc.code) || p.status.GetMessage() != "the message" || p.info.GetMetadata()["etag"] != "7" {
				t.Errorf("status = %v", p.status)
			}
			if diff := cmp.Diff(bad, p.bad, protocmp.Transform()); diff != "" {
				t.Errorf("BadRequest (-want +got):\n%s", diff)
			}
			if got := a.header.Get("Retry-After"); got != "2" {
				t.Errorf("Retry-After = %q, want 2", got)
			}
			if strings.Contains(a.body, canary) {
				t.Errorf("a detail outside the contract passed: %s", a.body)
			}
			if (a.header.Get("WWW-Authenticate") != "") != (tc.http == 401) {
				t.Errorf("WWW-Authenticate = %q", a.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestErrorsOfOthersAreReplaced(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code   codes.Code
		http   int
		reason string
	}{
		{codes.Unavailable, 503, "UNAVAILABLE"},
		{codes.DeadlineExceeded, 504, "DEADLINE"},
		{codes.Canceled, 499, "CANCELLED"},
		{codes.ResourceExhausted, 413, "MESSAGE_TOO_LARGE"},
		{codes.InvalidArgument, 400, "INVALID_FIELD"},
		{codes.Internal, 500, "INTERNAL"},
		{codes.Unknown, 500, "INTERNAL"},
		{codes.Unimplemented, 500, "INTERNAL"},
		{codes.Unauthenticated, 500, "INTERNAL"},
		{codes.PermissionDenied, 500, "INTERNAL"},
		{codes.NotFound, 500, "INTERNAL"},
		{codes.DataLoss, 500, "INTERNAL"},
		{codes.Code(77), 500, "INTERNAL"},
	}
	for _, tc := range tests {
		t.Run(tc.code.String(), func(t *testing.T) {
			t.Parallel()
			for name, err := range map[string]error{
				"without details":                status.Error(tc.code, canary),
				"with details of another domain": serviceError(t, tc.code, canary, "elsewhere.example", canary),
				"with details without a domain":  serviceError(t, tc.code, canary, "", canary),
			} {
				e := failing(t, err)
				a := e.do(t, "GET", secret, "")
				wantProblem(t, a, tc.http, tc.reason)
				if strings.Contains(a.body, canary) {
					t.Errorf("%s: the message passed: %s", name, a.body)
				}
				if tc.code != codes.Unavailable && strings.Contains(e.log.String(), canary) {
					t.Errorf("%s: the message is in the log", name)
				}
			}
		})
	}
}

func TestAnUnreachableBackendIsNotDescribed(t *testing.T) {
	t.Parallel()
	const addr = "127.0.0.1:61999" // a listener on port 0 never gets it from the kernel
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e := &env{}
	a := serve(t, e.handler(t, conn), "GET", secret, "")
	p := wantProblem(t, a, http.StatusServiceUnavailable, "UNAVAILABLE")
	if p.retry.GetRetryDelay().AsDuration() != time.Second || a.header.Get("Retry-After") != "1" {
		t.Errorf("RetryInfo = %v, Retry-After = %q", p.retry, a.header.Get("Retry-After"))
	}
	_, port, _ := net.SplitHostPort(addr)
	for _, word := range []string{port, "dial", "connect", "127.0.0.1", "transport"} {
		if strings.Contains(a.body, word) {
			t.Errorf("the response reveals %q: %s", word, a.body)
		}
	}
	if !strings.Contains(e.log.String(), port) {
		t.Errorf("the log does not contain the dialed address: %s", e.log.String())
	}
}

func TestCallsEndAtTheDeadline(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *gateway.Config) { c.Timeout = 50 * time.Millisecond })
	e.answer = func(ctx context.Context, _ string) (proto.Message, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	wantProblem(t, e.do(t, "GET", secret, ""), http.StatusGatewayTimeout, "DEADLINE")
}

func TestTheBackendsRequestIDIsTold(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.answer = func(ctx context.Context, _ string) (proto.Message, error) {
		// The backend uses another ID than the gateway's: the later header takes precedence.
		grpc.SetHeader(ctx, metadata.Pairs("x-request-id", uuid))
		return nil, serviceError(t, codes.Internal, "m", "keyward.dev", "INTERNAL", &errdetails.RequestInfo{RequestId: uuid})
	}
	if a := e.do(t, "GET", secret, ""); wantProblem(t, a, 500, "INTERNAL").id != uuid || a.header.Get("X-Request-Id") != uuid {
		t.Errorf("X-Request-Id = %q, want %q", a.header.Get("X-Request-Id"), uuid)
	}
}

func TestResourcesLookAsTheContractSays(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.answer = func(_ context.Context, method string) (proto.Message, error) {
		switch method {
		case "GetSecret":
			return &vaultv1.GetSecretResponse{Secret: &vaultv1.Secret{
				Name: "workspaces/acme/secrets/db", Usage: vaultv1.Usage_USAGE_KEY, MaskedValue: "••••••••", CurrentVersion: 1, Description: "<a&b>",
			}}, nil
		case "ListSecrets":
			return &vaultv1.ListSecretsResponse{}, nil
		case "Encrypt":
			return &allowlistv1.EncryptResponse{Body: []byte{0, 255}, Headers: []*allowlistv1.Parameter{{Name: "X-Sig", Source: &allowlistv1.Parameter_Value{Value: "v"}}}}, nil
		default:
			return &vaultv1.DeleteSecretResponse{}, nil
		}
	}
	tests := []struct{ name, method, path, want string }{
		{
			"a resource is bare, in camelCase, with defaults, and without values", "GET", secret,
			`{"name":"workspaces/acme/secrets/db","uid":"","description":"<a&b>","labels":{},"usage":"USAGE_KEY",` +
				`"maskedValue":"••••••••","allowedHosts":[],"currentVersion":1,"state":"VERSION_STATE_UNSPECIFIED","etag":"","referenceCount":0,"latestVersion":0,"shared":false,"keepVersions":0,"issuedBy":""}` + "\n",
		},
		{"an empty list is a list", "GET", secrets, `{"secrets":[],"nextPageToken":"","indexIncomplete":false}` + "\n"},
		{"an empty message is an empty object", "DELETE", secret, "{}\n"},
		{
			"bytes are base64", "POST", endpoint + ":encrypt",
			`{"body":"AP8=","headers":[{"name":"X-Sig","value":"v"}],"contentType":"","exchange":"","queryParameters":[]}` + "\n",
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a := e.do(t, tc.method, tc.path, "")
			if diff := cmp.Diff(tc.want, a.body); a.code != http.StatusOK || diff != "" {
				t.Errorf("answer %d (-want +got):\n%s", a.code, diff)
			}
		})
	}
}

// protojson inserts spaces between tokens in some programs. The gateway removes them, and no others.
func TestStringsInResponsesKeepTheirSpaces(t *testing.T) {
	t.Parallel()
	e := start(t)
	want := &vaultv1.Secret{Description: `a  b, "c": \" d`, Labels: map[string]string{`\ "`: ` \\ `, " ": `" , "`}, AllowedHosts: []string{" ", `\`, "\n \u2028 "}}
	e.answer = func(context.Context, string) (proto.Message, error) {
		return &vaultv1.GetSecretResponse{Secret: want}, nil
	}
	a := e.do(t, "GET", secret, "")
	got := new(vaultv1.Secret)
	if err := protojson.Unmarshal([]byte(a.body), got); err != nil {
		t.Fatalf("answer %q: %v", a.body, err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("secret (-want +got):\n%s", diff)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(a.body)); err != nil || compact.String()+"\n" != a.body {
		t.Errorf("answer = %q, want one line %q, %v", a.body, compact.String(), err)
	}
}

func TestPagesOfTheLargestResourcesFit(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.answer = func(context.Context, string) (proto.Message, error) {
		out := &vaultv1.ListSecretsResponse{}
		for range 1000 {
			out.Secrets = append(out.Secrets, &vaultv1.Secret{Description: strings.Repeat("x", 17_000)})
		}
		return out, nil
	}
	if a := e.do(t, "GET", secrets+"?pageSize=1000", ""); a.code != http.StatusOK || len(a.body) < 17_000_000 {
		t.Errorf("GET = %d, %d bytes", a.code, len(a.body))
	}
}
