package client_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/client"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

func TestMessageBecomesAnHTTPRequest(t *testing.T) {
	t.Parallel()
	m := client.Message{
		Body: []byte("body"), ContentType: "application/jose",
		Header: http.Header{"X-Signature": {"s"}}, Query: url.Values{"key": {"a b"}},
	}
	req, err := m.Request(t.Context(), http.MethodPost, "https://api.partner.example/v1/pay?x=1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := req.URL.String(), "https://api.partner.example/v1/pay?x=1&key=a+b"; got != want {
		t.Errorf("URL = %s, want %s", got, want)
	}
	if req.Header.Get("X-Signature") != "s" || req.Header.Get("Content-Type") != "application/jose" || len(m.Header) != 1 {
		t.Errorf("header = %v, and the message's own is %v", req.Header, m.Header)
	}
	if body, err := io.ReadAll(req.Body); err != nil || string(body) != "body" || req.ContentLength != 4 {
		t.Errorf("body = %q, %v, of %d bytes", body, err, req.ContentLength)
	}
	plain, err := client.Message{}.Request(t.Context(), http.MethodGet, "https://api.partner.example/")
	if err != nil || plain.URL.RawQuery != "" || plain.Header.Get("Content-Type") != "" {
		t.Errorf("an empty message becomes %v, %v", plain, err)
	}
	if _, err := m.Request(t.Context(), http.MethodPost, "://"); err == nil {
		t.Error("Request accepted an invalid URL")
	}
}

func TestWhatIsSignedBesidesTheBodyComesWithTheCall(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	allowlist := client.NewAllowlist(dial(t, k.config))
	const endpoint = "workspaces/acme/endpoints/bank"
	signed := &allowlistv1.MessageContext{Id: "id", Method: "POST"}
	header := http.Header{"X-Signature": {"a", "b"}, "Date": {"today"}}
	headers := map[string]string{"X-Signature": "a, b", "Date": "today"}
	body := []byte("body")
	options := []client.MessageOption{client.WithHeader(header), client.WithContext(signed)}
	request, response := allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE
	for what, tt := range map[string]struct {
		call func() (string, error)
		want proto.Message
		says string
	}{
		"EncryptRequest": {func() (string, error) {
			m, err := allowlist.EncryptRequest(t.Context(), endpoint, body, client.WithContext(signed))
			return string(m.Body) + m.Header.Get("X-Signature") + m.Query.Get("key") + m.ContentType, err
		}, &allowlistv1.EncryptRequest{Name: endpoint, Kind: request, Body: body, Context: signed}, "sealedaktext/plain"},
		"EncryptResponse": {func() (string, error) {
			m, err := allowlist.EncryptResponse(t.Context(), endpoint, body, "x", client.WithContext(signed))
			return m.Exchange, err
		}, &allowlistv1.EncryptRequest{Name: endpoint, Kind: response, Body: body, Exchange: "x", Context: signed}, "exchange"},
		"DecryptResponse": {func() (string, error) {
			plain, err := allowlist.DecryptResponse(t.Context(), endpoint, body, "x", options...)
			return string(plain), err
		}, &allowlistv1.DecryptRequest{Name: endpoint, Kind: response, Body: body, Exchange: "x", Headers: headers, Context: signed}, "plain"},
		"DecryptRequest": {func() (string, error) {
			plain, exchange, err := allowlist.DecryptRequest(t.Context(), endpoint, body, options...)
			return string(plain) + exchange, err
		}, &allowlistv1.DecryptRequest{Name: endpoint, Kind: request, Body: body, Headers: headers, Context: signed}, "plainexchange"},
		"VerifyRequest": {func() (string, error) {
			return allowlist.VerifyRequest(t.Context(), endpoint, body, options...)
		}, &allowlistv1.VerifySignatureRequest{Name: endpoint, Kind: request, Body: body, Headers: headers, Context: signed}, "message"},
		"VerifyResponse": {func() (string, error) {
			return allowlist.VerifyResponse(t.Context(), endpoint, body, options...)
		}, &allowlistv1.VerifySignatureRequest{Name: endpoint, Kind: response, Body: body, Headers: headers, Context: signed}, "message"},
		"DecryptRequest without options": {func() (string, error) {
			plain, _, err := allowlist.DecryptRequest(t.Context(), endpoint, body)
			return string(plain), err
		}, &allowlistv1.DecryptRequest{Name: endpoint, Kind: request, Body: body}, "plain"},
	} {
		k.script.fail()
		if got, err := tt.call(); err != nil || got != tt.says {
			t.Errorf("%s = %q, %v, want %q", what, got, err, tt.says)
		}
		if diff := cmp.Diff([]proto.Message{tt.want}, k.script.requests(), protocmp.Transform()); diff != "" {
			t.Errorf("the request of %s differs (-want +got):\n%s", what, diff)
		}
	}
}

func TestContextOfARequestIsWhatIsSent(t *testing.T) {
	t.Parallel()
	incoming := make(chan *allowlistv1.MessageContext, 1)
	take := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { incoming <- client.ContextOf(r) })
	routes := http.NewServeMux()
	routes.Handle("/", take)
	routes.Handle("/hooks/", http.StripPrefix("/hooks", take)) // the signature covers the request as sent
	server := httptest.NewServer(routes)
	t.Cleanup(server.Close)
	for target, want := range map[string]*allowlistv1.MessageContext{
		"/hooks/a%2Fb?x=1&y=%20": {Method: "PUT", Path: "/hooks/a%2Fb", Query: "x=1&y=%20", Host: "127.0.0.1"},
		"":                       {Method: "PUT", Path: "/", Host: "127.0.0.1"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, client.ContextOf(req), protocmp.Transform()); diff != "" {
			t.Errorf("the context of the outgoing request %q differs (-want +got):\n%s", target, diff)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if diff := cmp.Diff(want, <-incoming, protocmp.Transform()); diff != "" {
			t.Errorf("the context of the incoming request %q differs (-want +got):\n%s", target, diff)
		}
	}
	absolute := &http.Request{Method: "POST", Host: "api.example", RequestURI: "http://api.example/a%2Fb?x=1", URL: &url.URL{Path: "/"}}
	if got := client.ContextOf(absolute); got.GetPath() != "/a%2Fb" || got.GetQuery() != "x=1" {
		t.Errorf("the context of a request in the form for a proxy is %v", got)
	}
	v6 := &http.Request{Host: "[2001:db8::1]", URL: &url.URL{Path: "/"}}
	if got := client.ContextOf(v6); got.GetHost() != "2001:db8::1" || got.GetMethod() != "GET" {
		t.Errorf("the context of %v is %v", v6, got)
	}
}
