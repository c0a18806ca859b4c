package vaultclient

import (
	"context"
	"strconv"

	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Nonces is a request to reserve nonces of a version for values that are encrypted under random
// IVs.
type Nonces struct {
	// Secret and UID identify the secret that was bound.
	Secret, UID string
	Version     uint32
	// Bits is the number of random bits that distinguish two values.
	Bits int
	// Count is the number of values to encrypt.
	Count uint64
}

// Granted is the vault's reservation of nonces of a version.
type Granted struct {
	// Reserved is the number of nonces in this reservation, at least one.
	Reserved uint64
	// Used is the total number of reserved nonces, and Budget is their maximum.
	Used, Budget uint64
}

// ReserveNonces permanently reserves the requested number of nonces, or the remaining ones if
// there are fewer. It fails with NONCE_BUDGET_EXHAUSTED if none remain.
func (v *Vault) ReserveNonces(ctx context.Context, n Nonces) (Granted, error) {
	if err := v.refusal(); err != nil {
		return Granted{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	resp, err := v.client.ReserveNonces(ctx, &vaultv1.ReserveNoncesRequest{
		Name: n.Secret, Uid: n.UID, Version: n.Version, RandomBits: uint32(n.Bits), Count: n.Count,
	})
	if err == nil {
		err = v.admit(ctx, resp.GetPosition())
	}
	if err != nil {
		return Granted{}, translate(ctx, "reserve nonces", err)
	}
	return Granted{Reserved: resp.GetReserved(), Used: resp.GetUsed(), Budget: resp.GetBudget()}, nil
}

// noncesExhausted returns the refusal of a version whose budget is exhausted. It passes on only a
// number.
func noncesExhausted(budget string) error {
	f := fault.New(fault.FailedPrecondition, ReasonNoncesExhausted,
		"a referenced key has reached the maximum number of values under random IVs; store a new version of the secret with another value")
	if _, err := strconv.ParseUint(budget, 10, 64); err != nil {
		return f
	}
	return f.With("budget", budget)
}
