package api

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/keyward/keyward/pkg/keyform"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// valueFactsToProto returns nil unless a value was just stored.
func valueFactsToProto(taken *secret.Taken) *vaultv1.ValueFacts {
	if taken == nil {
		return nil
	}
	pb := &vaultv1.ValueFacts{
		Kind: kindToProto(taken.Kind), Algorithm: taken.Algorithm, Format: taken.Format, Bytes: uint32(taken.Bytes),
		Forms: each(taken.Forms, formToProto), ConvertedFrom: taken.From, Notes: taken.Notes,
	}
	if taken.Problem != nil {
		pb.Notes = append(pb.Notes, taken.Problem.Cause)
	}
	return pb
}

// kindToProto converts by number: package keyform uses the numbers of the contract.
func kindToProto(kind keyform.Kind) vaultv1.ValueFacts_Kind { return vaultv1.ValueFacts_Kind(kind) }

func formToProto(form keyform.Form) *vaultv1.ValueForm {
	return &vaultv1.ValueForm{Decoding: form.Decoding.String(), Bytes: uint32(form.Bytes)}
}

// keyFactsToProto returns nil for a version without facts. It includes the forms of symmetric keys
// only for callers that sent lengths.
func keyFactsToProto(meant secret.Meant, withForms bool) (*vaultv1.KeyFacts, error) {
	if meant.Facts == nil && meant.Learned == nil {
		return nil, nil
	}
	public, err := publicToProto(meant.Public)
	if err != nil {
		return nil, err
	}
	pb := &vaultv1.KeyFacts{Algorithm: public.GetAlgorithm(), Fingerprint: public.GetFingerprint()}
	if meant.Facts != nil {
		pb.Bytes, pb.PrivateKey = meant.Facts.Bytes, meant.Facts.Private
	}
	learned := meant.Learned
	if learned == nil {
		return pb, nil
	}
	pb.Kind = kindToProto(learned.Kind)
	if learned.Asymmetric() {
		pb.Algorithm, pb.PrivateKey = learned.Algorithm, learned.Kind == keyform.KindPrivateKey
	}
	if learned.Public != nil {
		digest := sha256.Sum256(learned.Public)
		pb.Fingerprint = hex.EncodeToString(digest[:])
	}
	if learned.Problem != nil {
		pb.Problem = learned.Problem.Cause
	}
	if withForms {
		pb.Forms, pb.LineEnd = each(learned.Forms, formToProto), learned.LineEnd
	}
	return pb, nil
}
