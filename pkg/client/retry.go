package client

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/client/internal/pause"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// The first wait before a repetition, and the longest but for those that servers ask for.
const (
	firstWait = 100 * time.Millisecond
	longWait  = 2 * time.Second
)

// A retrier makes calls again that failed for a moment, so many times at most.
type retrier int

func (r retrier) unary(ctx context.Context, method string, req, res any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	for attempt := 1; ; attempt++ {
		err := invoke(ctx, method, req, res, conn, opts...)
		if err == nil || attempt >= int(r) || !again(method, req, err) {
			return err
		}
		wait := backoffOf(attempt, err)
		// A wait that the deadline cuts short ends in an error that says less.
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
			return err
		}
		if !pause.For(ctx, wait) {
			return err
		}
	}
}

// again reports whether a call that failed may be made again, and whether that makes
// sense.
func again(method string, req any, err error) bool {
	e := (*Error)(nil)
	if !errors.As(Describe(err), &e) {
		return false
	}
	switch e.Reason {
	case "OVERLOADED", "CONTENTION", "RATE_LIMITED":
		return true // refused before anything was done
	}
	return e.Code == codes.Unavailable && repeatable(method, req)
}

// repeatable reports whether a call does the same made twice as made once, even if it
// is not known whether the first was carried out.
func repeatable(method string, req any) bool {
	switch method {
	case vaultv1.VaultService_GetSecret_FullMethodName,
		vaultv1.VaultService_GetSealing_FullMethodName,
		vaultv1.VaultService_ListSecrets_FullMethodName,
		vaultv1.VaultService_ListSecretHistory_FullMethodName,
		vaultv1.VaultService_ListSecretVersions_FullMethodName,
		vaultv1.VaultService_ListSecretBindings_FullMethodName,
		vaultv1.VaultService_ListWorkspaces_FullMethodName,
		vaultv1.VaultService_ResolveSecret_FullMethodName,
		allowlistv1.AllowlistService_GetEndpoint_FullMethodName,
		allowlistv1.AllowlistService_ListEndpoints_FullMethodName,
		allowlistv1.AllowlistService_ListEndpointHistory_FullMethodName,
		allowlistv1.AllowlistService_CheckKeys_FullMethodName,
		allowlistv1.AllowlistService_CheckUrl_FullMethodName,
		allowlistv1.AllowlistService_Encrypt_FullMethodName,
		allowlistv1.AllowlistService_Decrypt_FullMethodName,
		allowlistv1.AllowlistService_VerifySignature_FullMethodName,
		allowlistv1.AllowlistService_ListPresets_FullMethodName,
		allowlistv1.AllowlistService_ListWorkspaces_FullMethodName:
		return true // changes nothing
	case allowlistv1.AllowlistService_ApproveEndpoint_FullMethodName,
		allowlistv1.AllowlistService_ActivateEndpoint_FullMethodName,
		allowlistv1.AllowlistService_DeactivateEndpoint_FullMethodName:
		// To switch on what is on changes nothing; but the first time changes the etag.
		tagged, ok := req.(interface{ GetEtag() string })
		return ok && tagged.GetEtag() == ""
	}
	m, ok := req.(proto.Message)
	if !ok {
		return false
	}
	for _, id := range []protoreflect.Name{"request_id", "operation_id", "report_id"} {
		if fieldOf(m, id) != nil {
			return true // done once, however often it is made
		}
	}
	return false
}

// backoffOf returns how long to wait after a failed attempt: twice as long each time,
// less up to a half by chance so that callers do not come back together, and no shorter
// than the server asks for.
func backoffOf(attempt int, err error) time.Duration {
	longest := firstWait
	for range attempt - 1 {
		longest = min(2*longest, longWait)
	}
	wait := pause.About(longest)
	if e := (*Error)(nil); errors.As(Describe(err), &e) {
		wait = max(wait, e.RetryAfter)
	}
	return wait
}
