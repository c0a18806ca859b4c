package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/client"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestRefusalIsTyped(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.config.Attempts = 1
	refusal, err := status.New(codes.FailedPrecondition, "the secret is in use").WithDetails(
		&errdetails.ErrorInfo{Domain: "keyward.dev", Reason: "SECRET_IN_USE", Metadata: map[string]string{"count": "2"}},
		&errdetails.RequestInfo{RequestId: requestIDOfRefusals},
		violation("name", "must be a secret that is not in use"), after(3*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	k.script.fail(refusal.Err())
	_, err = k.vault(t).GetSecret(t.Context(), get())
	var got *client.Error
	if !errors.As(fmt.Errorf("wrapped: %w", err), &got) {
		t.Fatalf("GetSecret = %v, want a *client.Error", err)
	}
	if got.RequestID != requestIDOfRefusals {
		t.Errorf("the request ID is %q, want %q", got.RequestID, requestIDOfRefusals)
	}
	want := []any{
		codes.FailedPrecondition, "SECRET_IN_USE", "the secret is in use",
		map[string]string{"count": "2"},
		[]client.Violation{{Field: "name", Description: "must be a secret that is not in use"}},
		3 * time.Second,
	}
	if diff := cmp.Diff(want, []any{got.Code, got.Reason, got.Message, got.Metadata, got.Violations, got.RetryAfter}); diff != "" {
		t.Errorf("the error differs (-want +got):\n%s", diff)
	}
	text := "FailedPrecondition SECRET_IN_USE: the secret is in use; name: must be a secret that is not in use (request " + got.RequestID + ")"
	if err.Error() != text {
		t.Errorf("the error reads %q, want %q", err, text)
	}
	if status.Code(err) != codes.FailedPrecondition || len(status.Convert(err).Details()) != 4 {
		t.Errorf("as a status, the error is %v with %d details", status.Code(err), len(status.Convert(err).Details()))
	}
	inUse, ours := vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE, allowlistv1.ErrorReason_ERROR_REASON_ENDPOINT_NOT_FOUND
	if !client.HasReason(err, inUse) || client.HasReason(err, ours) || client.HasReason(err, vaultv1.ErrorReason(999)) {
		t.Errorf("HasReason(%v) does not compare the reasons", err)
	}
	for _, class := range []client.CodeError{client.ErrPrecondition, client.ErrNotFound, client.ErrUnavailable} {
		if got, want := errors.Is(err, class), class == client.ErrPrecondition; got != want {
			t.Errorf("errors.Is(%v, %v) = %v, want %v", err, class, got, want)
		}
	}
}

func TestErrorsOfOthersStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	if client.Describe(nil) != nil || client.Reason(nil) != "" || client.HasReason(nil, commonv1.ErrorReason_ERROR_REASON_INTERNAL) {
		t.Error("Describe(nil) returned an error")
	}
	plain := errors.New("plain")
	if got := client.Describe(plain); !errors.Is(got, plain) || client.Reason(plain) != "" {
		t.Errorf("Describe(%v) = %v", plain, got)
	}
	late := client.Describe(status.Error(codes.DeadlineExceeded, "late"))
	if !errors.Is(late, context.DeadlineExceeded) || errors.Is(late, context.Canceled) {
		t.Errorf("Describe of a deadline is %v, not %v", late, context.DeadlineExceeded)
	}
}

func TestErrorsOfStreamsAreTyped(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	stream, err := k.vault(t).WatchSecrets(t.Context(), &vaultv1.WatchSecretsRequest{Parent: "workspaces/acme"})
	if err == nil {
		_, err = stream.Recv()
	}
	if !errors.Is(err, client.ErrDenied) || client.Reason(err) != "PERMISSION_DENIED" {
		t.Errorf("WatchSecrets = %v, want %v", err, client.ErrDenied)
	}
}
