package vaultclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// Reasons of refusals that come from the vault. Except for the last, they have the same names in
// the contracts of the vault and the allowlist.
const (
	ReasonSecretNotFound   fault.Reason = "SECRET_NOT_FOUND"
	ReasonVersionNotFound  fault.Reason = "VERSION_NOT_FOUND"
	ReasonVersionDisabled  fault.Reason = "VERSION_DISABLED"
	ReasonVersionDestroyed fault.Reason = "VERSION_DESTROYED"
	ReasonSecretExpired    fault.Reason = "SECRET_EXPIRED"
	ReasonUsageNotAllowed  fault.Reason = "USAGE_NOT_ALLOWED"
	ReasonHostNotAllowed   fault.Reason = "HOST_NOT_ALLOWED"
	ReasonKeyPurposeFixed  fault.Reason = "KEY_PURPOSE_FIXED"
	ReasonKeyNotShared     fault.Reason = "KEY_NOT_SHARED"
	ReasonNoncesExhausted  fault.Reason = "NONCE_BUDGET_EXHAUSTED"
	ReasonVaultUnavailable fault.Reason = "VAULT_UNAVAILABLE"
)

// ReasonKeyPurposeUnknown is the reason for a KEY that was bound before purposes were recorded.
const ReasonKeyPurposeUnknown fault.Reason = "KEY_PURPOSE_UNKNOWN"

// ReasonIssuerNotAllowed is the reason for a secret that is not issued by the endpoint.
const ReasonIssuerNotAllowed fault.Reason = "ISSUER_NOT_ALLOWED"

// ReasonIssueRefused is the reason for an issued value that the vault does not store. The vault does not
// use it.
const ReasonIssueRefused fault.Reason = "ISSUE_REFUSED"

// ReasonRestorePending is the reason for a new binding after a restore of the vault, until its resolvers
// have compared what they need with their bindings.
const ReasonRestorePending fault.Reason = "RESTORE_PENDING"

// reasonNotBound is the vault's reason for a secret that the caller has no binding to.
const reasonNotBound = "NOT_BOUND"

// reasonMismatch is the vault's reason for an allowlist whose own log was rolled back.
const reasonMismatch = "WITNESS_MISMATCH"

// reasonKeyDisabled is the vault's reason for a value that depends on a disabled key of its keyring.
const reasonKeyDisabled = "KEYRING_KEY_DISABLED"

// ErrNotBound is in the error chain for a secret that the allowlist has no binding to, for example
// after a restore of the vault: bind it again. Callers are informed that the vault is unavailable,
// because the call succeeds again after the bindings are restored.
var ErrNotBound = errors.New("the vault has no binding of this workload to the secret")

// translate converts the vault's error for an operation to an error of the allowlist.
func translate(ctx context.Context, operation string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", operation, context.Canceled) // the caller canceled
	}
	if fault.Is(err, ReasonRolledBack) {
		return err
	}
	if errors.Is(err, witness.ErrOtherRun) { // the answer may not hold in the new run
		return unavailable(fmt.Errorf("%s: %w", operation, witness.ErrOtherRun))
	}
	info := infoOf(err)
	switch reason := fault.Reason(info.GetReason()); reason {
	case ReasonSecretNotFound:
		return fault.New(fault.NotFound, reason, "a referenced secret does not exist").Because(deletion(info.GetMetadata()["delete_reason"]))
	case ReasonVersionNotFound:
		return fault.New(fault.NotFound, reason, "the referenced version of a secret does not exist")
	case ReasonVersionDisabled:
		return fault.New(fault.FailedPrecondition, reason, "the referenced version of a secret is disabled").Because(err)
	case ReasonVersionDestroyed:
		return fault.New(fault.FailedPrecondition, reason, "the referenced version of a secret is destroyed").Because(err)
	case ReasonSecretExpired:
		return expired(info.GetMetadata()["expire_time"]).Because(err)
	case ReasonUsageNotAllowed:
		return usageNotAllowed(info.GetMetadata()["usage"])
	case ReasonHostNotAllowed:
		return hostNotAllowed(info.GetMetadata()["host"])
	case ReasonKeyPurposeFixed:
		return purposeFixed(info.GetMetadata())
	case ReasonKeyPurposeUnknown:
		return fault.New(fault.FailedPrecondition, reason, "the purpose of a referenced key was never recorded, so no other endpoint can use the key; store another key")
	case ReasonKeyNotShared:
		return fault.New(fault.FailedPrecondition, reason,
			"a referenced key serves the endpoints of another host; store another key, or ask a super admin to share this one")
	case ReasonNoncesExhausted:
		return noncesExhausted(info.GetMetadata()["budget"])
	case ReasonIssuerNotAllowed:
		return fault.New(fault.FailedPrecondition, reason,
			"a referenced secret is not issued by this endpoint; create a secret whose issued_by is the endpoint")
	case ReasonRestorePending:
		return fault.New(fault.FailedPrecondition, reason,
			"the vault was restored and makes no new bindings until all that was bound is bound again; this passes by itself: try again later")
	case reasonNotBound:
		return unavailable(fmt.Errorf("%s: %w", operation, ErrNotBound))
	case reasonMismatch:
		return unavailable(fmt.Errorf("%s: the vault returned %s: the data file of the allowlist was rolled back", operation, reason))
	case reasonKeyDisabled:
		return unavailable(fmt.Errorf("%s: the vault returned %s: a key of its keyring is disabled", operation, reason))
	}
	cause := fmt.Errorf("%s: the vault returned %s %s", operation, status.Code(err), info.GetReason())
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.ResourceExhausted, codes.Canceled,
		// If the vault does not know this workload, or not as a resolver, its operators can fix
		// that. The logged cause explains it.
		codes.Unauthenticated, codes.PermissionDenied:
		return unavailable(cause)
	default:
		return cause
	}
}

// A deletion is the reason why a secret was deleted, which may be empty. As an error, it does not
// repeat the reason, which only the log and the state of an endpoint show.
type deletion string

func (deletion) Error() string { return "the vault has no such secret" }

// DeleteReason returns the reason why the secret was deleted because of which a call failed with
// SECRET_NOT_FOUND, or an empty string if it is not known.
func DeleteReason(err error) string {
	reason, _ := errors.AsType[deletion](err)
	return string(reason)
}

// unavailable returns the refusal for a problem that resolves by itself, or that operators can
// fix.
func unavailable(cause error) error {
	return fault.New(fault.Unavailable, ReasonVaultUnavailable, "the vault cannot be reached, or does not serve this allowlist; try again").
		Retry(time.Second).Because(cause)
}

// purposeFixed returns the refusal with the vault's metadata about the key's purpose.
func purposeFixed(metadata map[string]string) error {
	f := fault.New(fault.FailedPrecondition, ReasonKeyPurposeFixed,
		"a referenced key already serves another purpose, and a key serves only one; ask the partner for another key and store it as a new secret")
	for _, name := range []string{"chains", "requested", "min_cost"} {
		if metadata[name] != "" {
			f = f.With(name, metadata[name])
		}
	}
	return f
}

// expired returns the refusal of an expired secret. It passes on only a time.
func expired(at string) *fault.Error {
	f := fault.New(fault.FailedPrecondition, ReasonSecretExpired, "a referenced secret has expired; set a later expire_time, or refer to another secret")
	if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
		return f
	}
	return f.With("expire_time", at)
}

func usageNotAllowed(usage string) error {
	f := fault.New(fault.FailedPrecondition, ReasonUsageNotAllowed, "a referenced secret may not be used for this")
	for value := range vaultv1.Usage_name {
		// Pass on only values that the contract defines.
		if name := usageName(vaultv1.Usage(value)); name == usage {
			return f.With("usage", name)
		}
	}
	return f
}

// hostNotAllowed refuses to send a credential to a host and port, in the form of allowed_hosts.
func hostNotAllowed(to string) *fault.Error {
	return fault.New(fault.FailedPrecondition, ReasonHostNotAllowed,
		"a referenced credential may not be sent to the endpoint's host and port; add "+to+" to the allowed_hosts of the secret").
		With("host", to)
}

func usageName(usage vaultv1.Usage) string {
	return strings.TrimPrefix(usage.String(), "USAGE_")
}

func reasonOf(err error) string { return infoOf(err).GetReason() }

// infoOf returns the details of the vault's error, or nil if the error does not come from the
// vault.
func infoOf(err error) *errdetails.ErrorInfo {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == fault.Domain {
			return info
		}
	}
	return nil
}
