package vaultclient

import (
	"context"
	"errors"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
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
// It then reports that the vault restarted, because the bindings of a restored vault differ.
func (v *Vault) AcceptHead(ctx context.Context, author changelog.Author) (before, after changelog.Seen, err error) {
	if before, after, err = v.heads.Accept(ctx, author); err != nil {
		return before, after, translate(ctx, "accept head", err)
	}
	if v.restarted != nil {
		v.restarted()
	}
	return before, after, nil
}

// refusal fails if the vault is known to be rolled back.
func (v *Vault) refusal() error {
	if v.heads == nil {
		return nil
	}
	return v.heads.Refusal()
}

// admit fails unless the vault's log was verified in the epoch of an answer.
func (v *Vault) admit(ctx context.Context, epoch string) error {
	if v.heads == nil {
		return nil
	}
	return v.heads.Admit(ctx, epoch)
}

// maxRuns is the number of times that a list is read while the vault restarts.
const maxRuns = 3

// inOneRun returns a list that one run of the vault returned, and whose data file was not rolled
// back. The list would make the allowlist release bindings and switch endpoints off. A list that a
// restart of the vault interrupts is read again, also after a restart that the watch has not
// reported yet.
func inOneRun[T any](ctx context.Context, v *Vault, list func() ([]T, error)) (all []T, err error) {
	for range maxRuns {
		epoch, err := v.begin(ctx)
		if err != nil {
			return nil, err
		}
		if all, err = list(); err != nil {
			return nil, err
		}
		if err = v.confirm(ctx, epoch); !errors.Is(err, witness.ErrOtherRun) {
			return all, err
		}
	}
	return nil, unavailable(witness.ErrOtherRun)
}

// begin starts a list that [Vault.confirm] ends. It returns the epoch.
func (v *Vault) begin(ctx context.Context) (epoch string, err error) {
	if v.heads == nil {
		return "", nil
	}
	if epoch, err = v.heads.Begin(ctx); err != nil {
		return "", translate(ctx, "begin a list", err)
	}
	return epoch, nil
}

// confirm fails unless the vault that returned a list in this epoch was not rolled back, with
// [witness.ErrOtherRun] if it restarted since.
func (v *Vault) confirm(ctx context.Context, epoch string) error {
	if v.heads == nil {
		return nil
	}
	err := v.heads.Confirm(ctx, epoch)
	if err == nil || errors.Is(err, witness.ErrOtherRun) {
		return err
	}
	return translate(ctx, "confirm a list", err)
}
