package tryout

import (
	"context"
	"slices"

	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Known returns the vault's facts about keys in the form that package payload uses.
func Known(of endpoint.FactsOf) func(payload.Reference) (payload.Facts, bool) {
	return func(ref payload.Reference) (payload.Facts, bool) {
		facts, ok := of(ref.Secret, ref.Version)
		return payload.Facts(facts), ok
	}
}

// Fit reports whether all keys fit.
func Fit(keys []payload.Fit) bool {
	return !slices.ContainsFunc(keys, func(f payload.Fit) bool { return f.Cause != "" })
}

// CheckKeys reports for each key of an endpoint whether it fits: first by the vault's facts
// about it, and then, if all keys fit, with [Tester.RoundTrip]. Nothing is bound, counted,
// logged, or sealed. CheckKeys fails like the vault does if a key is not available, and with
// SAMPLE_NOT_ENCRYPTABLE.
func (tr *Tester) CheckKeys(ctx context.Context, name endpoint.Name, given []byte) ([]payload.Fit, error) {
	e, config, err := tr.saved(ctx, name)
	if err != nil {
		return nil, err
	}
	of, err := tr.endpoints.Facts(ctx, e, config.KeyBytes)
	if err != nil {
		return nil, err
	}
	keys := config.Fits(Known(of))
	if !Fit(keys) {
		return keys, nil
	}
	err = tr.RoundTrip(ctx, e, given)
	wrong, is := payload.Unusable(err)
	if !is {
		return keys, err
	}
	for i := range keys {
		if keys[i].Field == wrong.Field {
			keys[i] = wrong
		}
	}
	return keys, nil
}
