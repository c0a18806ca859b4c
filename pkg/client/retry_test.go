package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/keyward/keyward/pkg/client"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

var (
	// A change that fails with this error may have been carried out.
	errStopping = refuse(codes.Unavailable, "UNAVAILABLE", "the server is stopping", after(time.Millisecond))
	errBusy     = refuse(codes.Aborted, "CONTENTION", "too many changes at once", after(time.Millisecond))
	errFull     = refuse(codes.ResourceExhausted, "DISK_FULL", "the disk is full", after(time.Millisecond))
	errTaken    = refuse(codes.AlreadyExists, "SECRET_EXISTS", "a secret of this name exists")
)

func TestCallsAreRepeatedWhereThatIsSafe(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	conn := dial(t, k.config)
	vault, allowlist := client.NewVault(conn), client.NewAllowlist(conn)
	const endpoint = "workspaces/acme/endpoints/bank"
	read := func(ctx context.Context) error { _, err := vault.GetSecret(ctx, get()); return err }
	create := func(ctx context.Context) error {
		_, err := vault.CreateSecret(ctx, &vaultv1.CreateSecretRequest{
			Parent: "workspaces/acme", SecretId: "key", Secret: &vaultv1.Secret{Value: client.Text("v")},
		})
		return err
	}
	activate := func(etag string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := allowlist.ActivateEndpoint(ctx, &allowlistv1.ActivateEndpointRequest{Name: endpoint, Etag: etag})
			return err
		}
	}
	verify := func(ctx context.Context) error {
		_, err := allowlist.VerifyEndpoint(ctx, &allowlistv1.VerifyEndpointRequest{
			Name: endpoint, Method: allowlistv1.Verification_METHOD_DNS,
		})
		return err
	}
	tests := []struct {
		name  string
		fails []error
		call  func(context.Context) error
		made  int
		want  error
	}{
		{"a read is retried", []error{errStopping, errStopping}, read, 3, nil},
		{"a request with an ID is retried", []error{errStopping, errBusy}, create, 3, nil},
		{"an idempotent request is retried", []error{errStopping}, activate(""), 2, nil},
		{"a request with an etag is not retried", []error{errStopping}, activate("7"), 1, client.ErrUnavailable},
		{"a request that may not be idempotent is not retried", []error{errStopping}, verify, 1, client.ErrUnavailable},
		{"a request that was refused unread is always retried", []error{errBusy}, verify, 2, nil},
		{"a change that does not fit on the disk is not retried", []error{errFull}, create, 1, client.ErrLimited},
		{"other errors are not retried", []error{errTaken}, create, 1, client.ErrExists},
	}
	for _, tt := range tests { // in order: they share the script
		k.script.fail(tt.fails...)
		if err := tt.call(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: the call returned %v, want %v", tt.name, err, tt.want)
		}
		if got := len(k.script.requests()); got != tt.made {
			t.Errorf("%s: the call was made %d times, want %d", tt.name, got, tt.made)
		}
	}
}

func TestRepetitionsEndWithTheAttempts(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.config.Attempts = 2
	k.script.fail(errStopping, errStopping, errStopping)
	if _, err := k.vault(t).GetSecret(t.Context(), get()); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("GetSecret = %v, want %v", err, client.ErrUnavailable)
	}
	if got := len(k.script.requests()); got != 2 {
		t.Errorf("the call was made %d times, want 2", got)
	}
}

func TestRepetitionDoesNotOutlastTheDeadline(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	k.script.fail(refuse(codes.ResourceExhausted, "OVERLOADED", "too much", after(time.Minute)))
	began := time.Now()
	_, err := k.vault(t).GetSecret(ctx, get())
	if client.Reason(err) != "OVERLOADED" || time.Since(began) > 5*time.Second {
		t.Errorf("GetSecret ends after %v with %v, want the refusal at once: its delay is too long", time.Since(began), err)
	}
}

func TestRepetitionsOfAChangeCarryOneRequestID(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	vault := k.vault(t)
	req := &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secretName, Description: "d"}}
	seen := make(map[string]int)
	for range 2 {
		k.script.fail(errStopping, errStopping)
		if _, err := vault.UpdateSecret(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		for _, m := range k.script.requests() {
			got, ok := m.(*vaultv1.UpdateSecretRequest)
			if !ok || got.GetSecret().GetDescription() != "d" {
				t.Fatalf("the server gets %v", m)
			}
			seen[got.GetRequestId()]++
		}
	}
	if len(seen) != 2 || seen[""] != 0 {
		t.Errorf("two changes with three attempts each have the IDs %v, want two IDs, three times each", seen)
	}
	if req.GetRequestId() != "" {
		t.Error("the caller's message was changed: sending it again would count as a retry")
	}
	req.RequestId = "mine"
	k.script.fail(errStopping)
	if _, err := vault.UpdateSecret(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	for _, m := range k.script.requests() {
		if got, ok := m.(*vaultv1.UpdateSecretRequest); !ok || got.GetRequestId() != "mine" {
			t.Errorf("the server gets the request ID %q, want the caller's", got.GetRequestId())
		}
	}
}

// TestEveryMethodOfTheContractIsKnown fails on a method that the table does not classify as
// repeatable or not.
func TestEveryMethodOfTheContractIsKnown(t *testing.T) {
	t.Parallel()
	once := map[string]bool{
		vaultv1.VaultService_CheckSecretValue_FullMethodName:       true, // is logged, and counts against a limit
		vaultv1.VaultService_ReserveNonces_FullMethodName:          true, // reserves different numbers each time
		allowlistv1.AllowlistService_VerifyEndpoint_FullMethodName: true, // contacts a partner's server each time
		allowlistv1.AllowlistService_TestEncryption_FullMethodName: true, // may be logged each time
		allowlistv1.AllowlistService_DiagnoseSample_FullMethodName: true, // is logged, and counts against a quota
	}
	for _, file := range []protoreflect.FileDescriptor{
		vaultv1.File_keyward_vault_v1_service_proto, allowlistv1.File_keyward_allowlist_v1_service_proto,
	} {
		service := file.Services().Get(0)
		for i := range service.Methods().Len() {
			method := service.Methods().Get(i)
			full := "/" + string(service.FullName()) + "/" + string(method.Name())
			if method.IsStreamingServer() {
				continue
			}
			if got, want := client.Repeatable(full, newRequest(t, method)), !once[full]; got != want {
				t.Errorf("%s is repeatable: %v, want %v", full, got, want)
			}
		}
	}
}

func newRequest(t *testing.T, method protoreflect.MethodDescriptor) proto.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		t.Fatal(err)
	}
	return kind.New().Interface()
}
