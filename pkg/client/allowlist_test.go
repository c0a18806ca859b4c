package client_test

import (
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/keyward/keyward/pkg/client"
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
		t.Error("a request to no URL is made")
	}
}
