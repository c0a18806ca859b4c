// Command go is a service that sends a payment to a partner and receives the partner's
// webhooks. Keyward protects both; the service holds no key. See examples/README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/keyward/keyward/pkg/client"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

const (
	endpoint = "workspaces/demo/endpoints/example-partner"
	maxBody  = 1 << 20
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	access := env("KEYWARD_ACCESS", ".keyward/access")
	conn, err := client.Dial(client.Config{
		Address: env("KEYWARD_GRPC", "127.0.0.1:9443"),
		CA:      filepath.Join(access, "ca.pem"),
		Token:   client.FileToken(filepath.Join(access, "sender.token")),
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	s := service{client.NewAllowlist(conn)}

	// Listen first: the webhook may come before the answer.
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", env("LISTEN", "127.0.0.1:8091"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(s.webhook), ReadTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()

	answer, err := s.pay(ctx, env("PARTNER", "http://127.0.0.1:8090")+"/v1/payments", []byte(`{"amount":100}`))
	if err != nil {
		return err
	}
	say("answer: %s", answer)
	return <-stopped
}

type service struct{ allowlist client.Allowlist }

// pay sends a payment and returns the partner's answer, in the clear.
func (s service) pay(ctx context.Context, url string, payment []byte) ([]byte, error) {
	message, err := s.allowlist.EncryptRequest(ctx, endpoint, payment)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	req, err := message.Request(ctx, http.MethodPost, url)
	if err != nil {
		return nil, err
	}
	// A redirect must not carry headers of the message to another host.
	partner := http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	res, err := partner.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the partner answered %s", res.Status)
	}
	plain, err := s.allowlist.DecryptResponse(ctx, endpoint, body, message.Exchange)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	return plain, nil
}

// webhook receives an event. Decrypting a request also verifies its signature.
func (s service) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "unreadable body", http.StatusBadRequest)
		return
	}
	event, _, err := s.allowlist.DecryptRequest(r.Context(), endpoint, body, client.WithHeader(r.Header))
	switch {
	case client.HasReason(err, allowlistv1.ErrorReason_ERROR_REASON_SIGNATURE_INVALID),
		client.HasReason(err, allowlistv1.ErrorReason_ERROR_REASON_DECRYPTION_FAILED):
		http.Error(w, "invalid signature", http.StatusUnauthorized)
	case err != nil:
		http.Error(w, "try again later", http.StatusServiceUnavailable)
	default:
		say("event: %s", event)
		w.WriteHeader(http.StatusNoContent)
	}
}

func env(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// say prints a line.
func say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) }
