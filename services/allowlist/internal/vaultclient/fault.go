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
)

// The reasons of refusals that the vault causes. They have the same names in the
// vault's contract and in the allowlist's, but for the last.
const (
	ReasonSecretNotFound   fault.Reason = "SECRET_NOT_FOUND"
	ReasonVersionNotFound  fault.Reason = "VERSION_NOT_FOUND"
	ReasonVersionDisabled  fault.Reason = "VERSION_DISABLED"
	ReasonVersionDestroyed fault.Reason = "VERSION_DESTROYED"
	ReasonUsageNotAllowed  fault.Reason = "USAGE_NOT_ALLOWED"
	ReasonHostNotAllowed   fault.Reason = "HOST_NOT_ALLOWED"
	ReasonKeyPurposeFixed  fault.Reason = "KEY_PURPOSE_FIXED"
	ReasonKeyNotShared     fault.Reason = "KEY_NOT_SHARED"
	ReasonNoncesExhausted  fault.Reason = "NONCE_BUDGET_EXHAUSTED"
	ReasonVaultUnavailable fault.Reason = "VAULT_UNAVAILABLE"
)

// ReasonKeyPurposeUnknown is the reason for a KEY that was bound before purposes were kept.
const ReasonKeyPurposeUnknown fault.Reason = "KEY_PURPOSE_UNKNOWN"

// reasonNotBound is the vault's reason for a secret that the caller has no
// binding to.
const reasonNotBound = "NOT_BOUND"

// ErrNotBound is in the chain of the error for a secret that the allowlist holds
// no binding to, as after a restore of the vault: bind it again. Callers learn that the vault
// is unavailable, since it will be right again once the bindings are.
var ErrNotBound = errors.New("the vault knows no binding of this workload to the secret")

// translate turns the vault's answer to an operation into an error of the allowlist.
func translate(ctx context.Context, operation string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", operation, context.Canceled) // the caller went away
	}
	info := infoOf(err)
	switch reason := fault.Reason(info.GetReason()); reason {
	case ReasonSecretNotFound:
		return fault.New(fault.NotFound, reason, "a referenced secret does not exist")
	case ReasonVersionNotFound:
		return fault.New(fault.NotFound, reason, "a referenced secret has no such version")
	case ReasonVersionDisabled:
		return fault.New(fault.FailedPrecondition, reason, "the version of a referenced secret is disabled").Because(err)
	case ReasonVersionDestroyed:
		return fault.New(fault.FailedPrecondition, reason, "the version of a referenced secret is destroyed").Because(err)
	case ReasonUsageNotAllowed:
		return usageNotAllowed(info.GetMetadata()["usage"])
	case ReasonHostNotAllowed:
		return hostNotAllowed(info.GetMetadata()["host"])
	case ReasonKeyPurposeFixed:
		return purposeFixed(info.GetMetadata())
	case ReasonKeyPurposeUnknown:
		return fault.New(fault.FailedPrecondition, reason, "the purpose of a referenced key was never recorded, so the key takes no new endpoint; store another key")
	case ReasonKeyNotShared:
		return fault.New(fault.FailedPrecondition, reason,
			"a referenced key serves the endpoints of another host; store another key, or ask a super admin to share this one")
	case ReasonNoncesExhausted:
		return noncesExhausted(info.GetMetadata()["budget"])
	case reasonNotBound:
		return unavailable(fmt.Errorf("%s: %w", operation, ErrNotBound))
	}
	cause := fmt.Errorf("%s: the vault answers %s %s", operation, status.Code(err), info.GetReason())
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.ResourceExhausted, codes.Canceled,
		// A vault that does not know this workload, or not as a resolver, will again once
		// its operators have put that right: the cause in the log tells.
		codes.Unauthenticated, codes.PermissionDenied:
		return unavailable(cause)
	default:
		return cause
	}
}

// unavailable is the refusal of what will work again by itself, or once operators have put
// something right.
func unavailable(cause error) error {
	return fault.New(fault.Unavailable, ReasonVaultUnavailable, "the vault cannot be reached, or does not serve this allowlist; try again").
		Retry(time.Second).Because(cause)
}

// purposeFixed returns the refusal with what the vault says about the key's purpose.
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

func usageNotAllowed(usage string) error {
	f := fault.New(fault.FailedPrecondition, ReasonUsageNotAllowed, "a referenced secret may not be used for this")
	for value := range vaultv1.Usage_name {
		// Only what the contract knows is passed on.
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

// infoOf returns what the vault says about an error, or nil if it is not the vault
// that speaks.
func infoOf(err error) *errdetails.ErrorInfo {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == fault.Domain {
			return info
		}
	}
	return nil
}
