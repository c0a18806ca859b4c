package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/keyward/keyward/pkg/client"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A workload presents a certificate. Both files are read for each connection.
func ExampleDial_certificate() {
	conn, err := client.Dial(client.Config{
		Address:     "allowlist.internal:9443",
		CA:          "/etc/keyward/ca.pem",
		Certificate: "/etc/keyward/checkout.crt",
		Key:         "/etc/keyward/checkout.key",
	})
	if err != nil {
		return // an error of the configuration
	}
	defer conn.Close()
	_ = client.NewAllowlist(conn)
}

// A job presents a token. The file is read for each call.
func ExampleDial_token() {
	conn, err := client.Dial(client.Config{
		Address: "vault.internal:9443",
		CA:      "/etc/keyward/ca.pem",
		Token:   client.FileToken("/var/run/secrets/tokens/keyward"),
	})
	if err != nil {
		return // an error of the configuration
	}
	defer conn.Close()
	_ = client.NewVault(conn)
}

// A sender encrypts a request, sends it, and decrypts the response.
func ExampleAllowlist_EncryptRequest() {
	call := func(ctx context.Context, allowlist client.Allowlist, send func(*http.Request) ([]byte, error)) ([]byte, error) {
		const endpoint = "workspaces/payments/endpoints/example-bank"
		message, err := allowlist.EncryptRequest(ctx, endpoint, []byte(`{"amount":100}`))
		if err != nil {
			return nil, err
		}
		req, err := message.Request(ctx, http.MethodPost, "https://api.example-bank.test/v2/payments")
		if err != nil {
			return nil, err
		}
		sealed, err := send(req)
		if err != nil {
			return nil, err
		}
		return allowlist.DecryptResponse(ctx, endpoint, sealed, message.Exchange)
	}
	_ = call
}

// A server accepts a partner's signed webhook.
func ExampleAllowlist_VerifyRequest() {
	handler := func(allowlist client.Allowlist, seen func(id string) bool) http.HandlerFunc {
		const endpoint = "workspaces/payments/endpoints/example-bank-webhook"
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
			if err != nil {
				return // the reader has written the response
			}
			id, err := allowlist.VerifyRequest(r.Context(), endpoint, body,
				client.WithHeader(r.Header), client.WithContext(client.ContextOf(r)))
			switch {
			case client.HasReason(err, allowlistv1.ErrorReason_ERROR_REASON_SIGNATURE_INVALID):
				http.Error(w, "who are you?", http.StatusUnauthorized)
			case err != nil:
				http.Error(w, "try again", http.StatusServiceUnavailable)
			case !seen(id):
				w.WriteHeader(http.StatusNoContent) // process the body, once
			}
		}
	}
	_ = handler
}

// A rotation creates exactly one version, even if the connection or the vault fails.
func ExampleVault_Rotate() {
	rotate := func(ctx context.Context, vault client.Vault) error {
		rotated, err := vault.Rotate(ctx, "workspaces/payments/secrets/signing-key",
			client.Generate(vaultv1.Generate_KIND_ED25519), "yearly rotation")
		if client.HasReason(err, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND) {
			return fmt.Errorf("create the key first: %w", err)
		}
		if err != nil {
			return err
		}
		fmt.Println("version", rotated.GetCurrentVersion())
		return nil
	}
	_ = rotate
}

// An error ends the iteration, in a pair without a secret.
func ExampleVault_Secrets() {
	list := func(ctx context.Context, vault client.Vault) error {
		req := &vaultv1.ListSecretsRequest{Parent: "workspaces/payments", Label: "partner=example-bank"}
		for secret, err := range vault.Secrets(ctx, req) {
			if err != nil {
				return err
			}
			fmt.Println(secret.GetName(), secret.GetUpdateTime().AsTime())
		}
		return nil
	}
	_ = list
}
