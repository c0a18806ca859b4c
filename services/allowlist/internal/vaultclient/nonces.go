package vaultclient

import (
	"context"
	"strconv"

	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Nonces are values that are to be encrypted with a version under random IVs.
type Nonces struct {
	// Secret and UID are as they were bound.
	Secret, UID string
	Version     uint32
	// Bits is how many random bits tell two values apart.
	Bits int
	// Count is how many values are wanted.
	Count uint64
}

// Granted is what the vault reserved of the nonces of a version.
type Granted struct {
	// Reserved is how many it reserved now, at least one.
	Reserved uint64
	// Used is how many are reserved in all, and Budget how many there may be.
	Used, Budget uint64
}

// ReserveNonces reserves nonces, as many as are wanted or as are left, for good. It fails
// with NONCE_BUDGET_EXHAUSTED where none are left.
func (v *Vault) ReserveNonces(ctx context.Context, n Nonces) (Granted, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	resp, err := v.client.ReserveNonces(ctx, &vaultv1.ReserveNoncesRequest{
		Name: n.Secret, Uid: n.UID, Version: n.Version, RandomBits: uint32(n.Bits), Count: n.Count,
	})
	if err != nil {
		return Granted{}, translate(ctx, "reserve nonces", err)
	}
	return Granted{Reserved: resp.GetReserved(), Used: resp.GetUsed(), Budget: resp.GetBudget()}, nil
}

// noncesExhausted is the refusal of a version whose budget is used up. Only a number is
// passed on.
func noncesExhausted(budget string) error {
	f := fault.New(fault.FailedPrecondition, ReasonNoncesExhausted,
		"a referenced key has encrypted as many values under random IVs as one key may; store a new version of the secret with another value")
	if _, err := strconv.ParseUint(budget, 10, 64); err != nil {
		return f
	}
	return f.With("budget", budget)
}
