package vaultclient

import (
	"cmp"
	"context"
	"errors"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// ReasonRolledBack is the reason for everything that needs a vault that was rolled back.
const ReasonRolledBack = witness.ReasonRolledBack

// Unavailable reports whether an error means that the vault cannot be used at all at the moment, so
// that all other calls would fail, too.
func Unavailable(err error) bool {
	return fault.Is(err, ReasonVaultUnavailable) || fault.Is(err, ReasonRolledBack)
}

// AcceptHead makes the current head of the vault's log the verified one; see [witness.Witness.Accept].
// It then drops the cache, and reports that the vault was restored, because its bindings differ.
func (v *Vault) AcceptHead(ctx context.Context, author changelog.Author) (before, after changelog.Seen, err error) {
	if before, after, err = v.heads.Accept(ctx, author); err != nil {
		return before, after, translate(ctx, "accept head", err)
	}
	if before.Verified != after.Verified {
		v.cache.Drop()
		if v.restored != nil {
			v.restored()
		}
	}
	if v.restarted != nil {
		v.restarted()
	}
	return before, after, nil
}

// Epoch verifies the current head of the vault's log, and returns the epoch. It is zero if the vault's
// log is not followed.
func (v *Vault) Epoch(ctx context.Context) (witness.Epoch, error) {
	if v.heads == nil {
		return witness.Epoch{}, nil
	}
	epoch, err := v.heads.Epoch(ctx)
	if err != nil {
		return witness.Epoch{}, translate(ctx, "read epoch", err)
	}
	return epoch, nil
}

// ReportReconciliation reports that the bindings were compared with all that the allowlist needs, in a
// comparison that began in an epoch.
func (v *Vault) ReportReconciliation(ctx context.Context, epoch string) error {
	if err := v.refusal(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	_, err := v.client.ReportReconciliation(ctx, &vaultv1.ReportReconciliationRequest{Parent: "workspaces/-", Epoch: epoch})
	if err != nil {
		return translate(ctx, "report the comparison", err)
	}
	return nil
}

// refusal fails if the vault is known to be rolled back.
func (v *Vault) refusal() error {
	if v.heads == nil {
		return nil
	}
	return v.heads.Refusal()
}

// admit fails unless the vault's log was verified in the run of an answer, which states a position.
func (v *Vault) admit(ctx context.Context, at *vaultv1.Position) error {
	if v.heads == nil {
		return nil
	}
	// A vault of an earlier release states no runs, and begins an epoch with each.
	return v.heads.Admit(ctx, cmp.Or(at.GetRun(), at.GetEpoch()))
}

// maxRuns is the number of times that a list is read while the vault restarts.
const maxRuns = 3

// inOneRun returns a list that one run of the vault returned, and whose data file was not rolled
// back. The list would make the allowlist release bindings and switch endpoints off. A list that a
// restart of the vault interrupts is read again, also after a restart that the watch has not
// reported yet.
func inOneRun[T any](ctx context.Context, v *Vault, list func() ([]T, error)) (all []T, err error) {
	for range maxRuns {
		run, err := v.begin(ctx)
		if err != nil {
			return nil, err
		}
		if all, err = list(); err != nil {
			return nil, err
		}
		if err = v.confirm(ctx, run); !errors.Is(err, witness.ErrOtherRun) {
			return all, err
		}
	}
	return nil, unavailable(witness.ErrOtherRun)
}

// begin starts a list that [Vault.confirm] ends. It returns the run of the vault.
func (v *Vault) begin(ctx context.Context) (run string, err error) {
	if v.heads == nil {
		return "", nil
	}
	if run, err = v.heads.Begin(ctx); err != nil {
		return "", translate(ctx, "begin a list", err)
	}
	return run, nil
}

// confirm fails unless the vault that returned a list in this run was not rolled back, with
// [witness.ErrOtherRun] if it restarted since.
func (v *Vault) confirm(ctx context.Context, run string) error {
	if v.heads == nil {
		return nil
	}
	err := v.heads.Confirm(ctx, run)
	if err == nil || errors.Is(err, witness.ErrOtherRun) {
		return err
	}
	return translate(ctx, "confirm a list", err)
}
