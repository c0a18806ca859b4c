package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A site is a running Keyward: its addresses and credentials.
type site struct {
	vault     string // gRPC address
	allowlist string // gRPC address; the same in standalone
	json      string // base URL of the gateway
	access    string // folder with ca.pem, *.token and *.crt/*.key
}

// A person is a caller with a token. The empty person has no token.
type person string

const (
	anonymous person = ""
	admin     person = "admin"
	owner     person = "owner"
	member    person = "member"
	sender    person = "sender"
)

func (s site) token(t testing.TB, who person) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(s.access, string(who)+".token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

func (s site) tls(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.access, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("ca.pem contains no certificate")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
}

func (s site) dial(t testing.TB, address string, who person, defaults ...grpc.CallOption) *grpc.ClientConn {
	t.Helper()
	options := []grpc.DialOption{
		grpc.WithDefaultCallOptions(defaults...),
		grpc.WithTransportCredentials(credentials.NewTLS(s.tls(t))),
		// A killed server is back soon: do not back off for long.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, MaxDelay: 500 * time.Millisecond},
			MinConnectTimeout: 5 * time.Second,
		}),
	}
	if who != anonymous {
		options = append(options, grpc.WithPerRPCCredentials(bearer(s.token(t, who))))
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (s site) vaultAs(t testing.TB, who person) vaultv1.VaultServiceClient {
	t.Helper()
	return vaultv1.NewVaultServiceClient(s.dial(t, s.vault, who))
}

func (s site) allowlistAs(t testing.TB, who person) allowlistv1.AllowlistServiceClient {
	t.Helper()
	return allowlistv1.NewAllowlistServiceClient(s.dial(t, s.allowlist, who))
}

type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }

// An answer is a response of the gateway.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// reason returns the reason of the google.rpc.ErrorInfo in an error answer.
func (a answer) reason() string {
	var status struct {
		Details []struct {
			Type   string `json:"@type"`
			Reason string `json:"reason"`
		} `json:"details"`
	}
	if json.Unmarshal(a.body, &status) != nil {
		return ""
	}
	for _, detail := range status.Details {
		if strings.HasSuffix(detail.Type, "/google.rpc.ErrorInfo") {
			return detail.Reason
		}
	}
	return ""
}

// field returns a top-level member of a JSON answer as a string.
func (a answer) field(name string) string {
	var members map[string]any
	if json.Unmarshal(a.body, &members) != nil {
		return ""
	}
	text, _ := members[name].(string)
	return text
}

// bytes returns a top-level bytes member of a JSON answer.
func (a answer) bytes(t testing.TB, name string) []byte {
	t.Helper()
	decoded, err := base64.StdEncoding.DecodeString(a.field(name))
	if err != nil {
		t.Fatalf("the answer's %s is not base64: %v", name, err)
	}
	return decoded
}

// call sends a JSON request. An empty body means no body. Headers are given in pairs.
func (s site) call(t testing.TB, who person, method, path, body string, headers ...string) answer {
	t.Helper()
	got, err := s.tryCall(t, who, method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// tryCall is call for servers that may be down.
func (s site) tryCall(t testing.TB, who person, method, path, body string, headers ...string) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.json+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if who != anonymous {
		req.Header.Set("Authorization", "Bearer "+s.token(t, who))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: s.tls(t), DisableKeepAlives: true}, Timeout: patience,
		// The gateway never redirects, which following a redirect would hide.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: text}, err
}

// must is call for requests that must succeed.
func (s site) must(t testing.TB, who person, method, path, body string) answer {
	t.Helper()
	got := s.call(t, who, method, path, body)
	if got.status != http.StatusOK {
		t.Fatalf("%s %s as %q = %d %s", method, path, who, got.status, got.body)
	}
	return got
}
