package gateway_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/auth"
)

const uuid = "0198b2c5-7d0e-7a31-9c54-0123456789ab"

// ours is the metadata that grpc-go itself adds.
var ours = []string{":authority", "content-type", "user-agent", "grpc-accept-encoding"}

func TestOnlyNamedHeadersPassIn(t *testing.T) {
	t.Parallel()
	e := start(t)
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	e.do(t, "GET", secret, "",
		"Traceparent", trace, "X-Request-Id", strings.ToUpper(uuid),
		"Grpc-Metadata-Authorization", "Bearer "+canary, "Grpc-Metadata-X-Request-Id", canary,
		"Grpc-Metadata-X-Keyward-Client-Address", "6.6.6.6", "Grpc-Metadata-Evil", canary, "Grpc-Metadata-Evil-Bin", "AAA=",
		"Grpcgateway-Authorization", canary, "Grpc-Timeout", "1n", "Grpc-Encoding", "gzip",
		auth.AddressHeader, "6.6.6.6", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", canary,
		"X-Forwarded-Client-Cert", canary, "Forwarded", "for=6.6.6.6", "Cookie", "a="+canary,
		"Referer", canary, "User-Agent", canary, "Tracestate", canary, "Baggage", canary, "Te", "trailers")
	call := e.got(t)
	want := map[string][]string{
		"authorization":    {"Bearer of-somebody"},
		"traceparent":      {trace},
		"x-request-id":     {uuid},
		auth.AddressHeader: {"127.0.0.1"},
	}
	got := maps.Clone(map[string][]string(call.md))
	maps.DeleteFunc(got, func(k string, _ []string) bool { return slices.Contains(ours, k) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if call.deadline < 25*time.Second || call.deadline > 30*time.Second {
		t.Errorf("the call has %v left, want nearly 30 s for any Grpc-Timeout", call.deadline)
	}
}

func TestMalformedHeadersDoNotPassIn(t *testing.T) {
	t.Parallel()
	e := start(t)
	a := e.do(t, "GET", secret, "", "Traceparent", "00-"+canary, "X-Request-Id", canary)
	call := e.got(t)
	if got := call.md.Get("traceparent"); got != nil {
		t.Errorf("traceparent = %q, want none", got)
	}
	if id := a.header.Get("X-Request-Id"); strings.Contains(id, canary) || len(id) != 36 || call.md.Get("x-request-id")[0] != id {
		t.Errorf("X-Request-Id = %q, the backend has %q, want one new UUID", id, call.md.Get("x-request-id"))
	}
}

func TestSeveralTokensReachTheBackendThatRefusesThem(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.do(t, "GET", secret, "", "Authorization", "Bearer of-somebody-else")
	if got := e.got(t).md.Get("authorization"); len(got) != 2 {
		t.Errorf("authorization = %q, want both", got)
	}
}

func TestRequestsWithoutUsableCredentialsEndHere(t *testing.T) {
	t.Parallel()
	e := start(t)
	for name, tc := range map[string]struct{ header, reason string }{
		"no header is missing":                     {"", "CREDENTIALS_MISSING"},
		"bytes that gRPC cannot carry are invalid": {"Bearer " + canary + "\u00e9", "CREDENTIALS_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			// Authentication comes before validation, so the body is not checked.
			a := e.do(t, "POST", secrets, "{broken", "Authorization", "", "Authorization", tc.header)
			wantProblem(t, a, http.StatusUnauthorized, tc.reason)
			if got := a.header.Get("WWW-Authenticate"); got != "Bearer" {
				t.Errorf("WWW-Authenticate = %q, want Bearer", got)
			}
		})
	}
	e.gotNothing(t)
}

func TestOnlyNamedHeadersComeOut(t *testing.T) {
	t.Parallel()
	e := start(t)
	a := e.do(t, "GET", secret, "", "X-Request-Id", uuid, "Te", "trailers")
	want := []string{
		"Cache-Control", "Content-Length", "Content-Security-Policy", "Content-Type", "Cross-Origin-Resource-Policy", "Date",
		"Referrer-Policy", "X-Content-Type-Options", "X-Request-Id",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(a.header))); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if got := a.header.Get("X-Request-Id"); got != uuid {
		t.Errorf("X-Request-Id = %q, want %q", got, uuid)
	}
}

func TestEveryAnswerIsHardened(t *testing.T) {
	t.Parallel()
	e := start(t)
	for name, do := range map[string]func() answer{
		"success":        func() answer { return e.do(t, "GET", secret, "") },
		"no such route":  func() answer { return e.do(t, "GET", "/nowhere", "") },
		"wrong method":   func() answer { return e.do(t, "PUT", secret, "") },
		"malformed body": func() answer { return e.do(t, "POST", secrets, "{") },
		"liveness":       func() answer { return e.do(t, "GET", "/healthz", "") },
		"description":    func() answer { return e.do(t, "GET", "/openapi.json", "") },
	} {
		t.Run(name, func(t *testing.T) {
			a := do()
			for header, want := range map[string]string{
				"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer",
				"Strict-Transport-Security": "", // this test does not use TLS
			} {
				if got := a.header.Get(header); got != want {
					t.Errorf("%s = %q, want %q", header, got, want)
				}
			}
		})
	}
}
