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

// The first delay before a retry, and the longest one except for delays that servers request.
const (
	firstWait = 100 * time.Millisecond
	longWait  = 2 * time.Second
)

// A retrier retries calls after transient failures. Its value is the maximum number of attempts.
type retrier int

func (r retrier) unary(ctx context.Context, method string, req, res any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	for attempt := 1; ; attempt++ {
		err := invoke(ctx, method, req, res, conn, opts...)
		if err == nil || attempt >= int(r) || !again(method, req, err) {
			return err
		}
		wait := backoffOf(attempt, err)
		// A delay beyond the deadline would end in a less informative error.
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
			return err
		}
		if !pause.For(ctx, wait) {
			return err
		}
	}
}

// again reports whether a retry of a failed call is safe and useful.
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

// repeatable reports whether a call is idempotent, so that a retry is safe even if it is unknown
// whether the first attempt was carried out.
func repeatable(method string, req any) bool {
	switch method {
	case vaultv1.VaultService_CheckSecretValue_FullMethodName:
		return false // each attempt is another check, although the request has an ID
	case vaultv1.VaultService_GetSecret_FullMethodName,
		vaultv1.VaultService_GetSealing_FullMethodName,
		vaultv1.VaultService_ListSecrets_FullMethodName,
		vaultv1.VaultService_ListSecretHistory_FullMethodName,
		vaultv1.VaultService_ListSecretVersions_FullMethodName,
		vaultv1.VaultService_ListSecretBindings_FullMethodName,
		vaultv1.VaultService_ListWorkspaces_FullMethodName,
		vaultv1.VaultService_ResolveSecret_FullMethodName,
		vaultv1.VaultService_GetCheckpoint_FullMethodName,
		vaultv1.MaintenanceService_GetRestore_FullMethodName,
		vaultv1.KeyringService_GetKeyring_FullMethodName,
		allowlistv1.KeyringService_GetKeyring_FullMethodName,
		vaultv1.VaultService_ProveConsistency_FullMethodName,
		allowlistv1.AllowlistService_GetCheckpoint_FullMethodName,
		allowlistv1.AllowlistService_ProveConsistency_FullMethodName,
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
	case vaultv1.VaultService_WitnessCheckpoint_FullMethodName,
		vaultv1.VaultService_AcceptResolverCheckpoint_FullMethodName,
		vaultv1.VaultService_ReportReconciliation_FullMethodName,
		vaultv1.MaintenanceService_ReleaseRestore_FullMethodName,
		allowlistv1.AllowlistService_AcceptVaultCheckpoint_FullMethodName,
		allowlistv1.AllowlistService_RebindEndpoints_FullMethodName,
		vaultv1.KeyringService_EnableKey_FullMethodName, allowlistv1.KeyringService_EnableKey_FullMethodName,
		vaultv1.KeyringService_DisableKey_FullMethodName, allowlistv1.KeyringService_DisableKey_FullMethodName,
		vaultv1.KeyringService_DestroyKey_FullMethodName, allowlistv1.KeyringService_DestroyKey_FullMethodName,
		vaultv1.KeyringService_RewrapSecrets_FullMethodName, vaultv1.KeyringService_CancelRewrap_FullMethodName,
		vaultv1.MaintenanceService_PurgeDeletedData_FullMethodName, allowlistv1.MaintenanceService_PurgeDeletedData_FullMethodName:
		return true // the second call changes nothing
	case allowlistv1.AllowlistService_ApproveEndpoint_FullMethodName,
		allowlistv1.AllowlistService_ActivateEndpoint_FullMethodName,
		allowlistv1.AllowlistService_DeactivateEndpoint_FullMethodName:
		// The second call changes nothing, but the first one changes the etag.
		tagged, ok := req.(interface{ GetEtag() string })
		return ok && tagged.GetEtag() == ""
	}
	m, ok := req.(proto.Message)
	if !ok {
		return false
	}
	for _, id := range []protoreflect.Name{"request_id", "operation_id", "report_id"} {
		if fieldOf(m, id) != nil {
			return true // carried out once, regardless of the number of attempts
		}
	}
	return false
}

// backoffOf returns the delay after a failed attempt. It doubles with each attempt, is reduced by
// a random fraction of up to a half so that callers do not return together, and is never shorter
// than the server requests.
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
