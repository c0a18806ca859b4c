package endpoint

import (
	"cmp"
	"context"
	"strings"

	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// bindAll binds all secrets that the endpoint uses. It fails with every violation of the save:
// those found in the request, the refusals of the vault, and keys that do not fit the
// configuration.
func (r *Registry) bindAll(ctx context.Context, s saving, next Endpoint, needs []Need) ([]Reference, error) {
	bound := make(map[Need]vaultclient.Binding, len(needs))
	wrong := violation.Merge(s.call.Wrong)
	for _, need := range needs {
		b, err := r.vault.Bind(ctx, next.bindRequest(need, s.name, s.operation))
		switch {
		case err != nil && refusal(err):
			wrong = violation.Merge(wrong, placed(err, need, s.call.Places))
		case err != nil:
			return nil, cmp.Or(wrong, err)
		}
		bound[need] = b
		failpoint.Hit(failpoint.SaveBound)
		if err := r.step("bound"); err != nil {
			return nil, err
		}
	}
	if err := r.sameSenders(s, bound); err != nil {
		wrong = violation.Merge(wrong, err)
	}
	if check := next.Encryption.Check; check != nil {
		wrong = violation.Merge(wrong, check(boundFacts(bound)))
	}
	references := make([]Reference, len(needs))
	for i, need := range needs {
		references[i] = Reference{Need: need, UID: bound[need].UID, VersionUID: bound[need].VersionUID}
	}
	return references, wrong
}

// boundFacts returns the facts about keys that the vault returned when they were bound.
func boundFacts(bound map[Need]vaultclient.Binding) FactsOf {
	return func(secret string, version uint32) (vaultclient.Facts, bool) {
		for need, b := range bound {
			if need.Secret == secret && need.Version == version {
				return b.Facts, true
			}
		}
		return vaultclient.Facts{}, false
	}
}

// bindRequest returns the request to the vault for one use by the endpoint with these settings.
func (s Settings) bindRequest(n Need, name Name, operation string) vaultclient.BindRequest {
	asked := n.bindRequest(name, operation)
	if s.Encryption.KeyBytes != nil && n.key() {
		asked.KeyBytes = s.Encryption.KeyBytes(n.Secret, n.Version)
	}
	return asked
}

// refusal reports whether an error means that the vault refuses a use, rather than that the call
// failed, or that the vault makes no new bindings at the moment.
func refusal(err error) bool {
	f, ok := fault.From(err)
	return ok && f.Kind != fault.Unavailable && f.Reason != vaultclient.ReasonRestorePending
}

// bind binds a use of a saved endpoint under its operation again.
func (r *Registry) bind(ctx context.Context, need Need, name Name, operation string) (vaultclient.Binding, error) {
	asked := need.bindRequest(name, operation)
	asked.Restored = true // and possible while new bindings are not
	return r.vault.Bind(ctx, asked)
}

// bindRequest returns the request to the vault.
func (n Need) bindRequest(name Name, operation string) vaultclient.BindRequest {
	return vaultclient.BindRequest{
		Secret: n.Secret, Version: n.Version, Usage: n.usage(), Host: cmp.Or(n.Host, n.Partner), Port: n.Port,
		Chains: n.chains(), Cost: n.Cost, Conflicting: n.Conflicting,
		Referrer: name.String(), Operation: operation, Issue: n.Issue,
	}
}

// chains returns the chains of operations that a key is used for.
func (n Need) chains() []string {
	if n.Chains == "" {
		return nil
	}
	return strings.Split(n.Chains, "\n")
}

// placed adds to a refusal of the vault the fields of the request that refer to the secret. A
// credential that no field refers to is refused because of the URL.
func placed(err error, need Need, places Places) error {
	f, _ := fault.From(err)
	fields := places.of(need)
	if len(fields) == 0 && f.Reason == vaultclient.ReasonHostNotAllowed {
		return f.At("endpoint.url", "must have a host and port that all credentials of the endpoint may be sent to: add "+need.destination()+" to their allowed_hosts")
	}
	for _, field := range fields {
		f = f.At(field, requirement(f.Reason, need))
	}
	return f
}

// requirement returns what a reference that the vault refused must be.
func requirement(refused fault.Reason, need Need) string {
	switch refused {
	case vaultclient.ReasonSecretNotFound:
		return "must be an existing secret"
	case vaultclient.ReasonVersionNotFound:
		return "must be an existing version"
	case vaultclient.ReasonVersionDisabled, vaultclient.ReasonVersionDestroyed:
		return "must be an enabled version"
	case vaultclient.ReasonSecretExpired:
		return "must be a secret that has not expired"
	case vaultclient.ReasonUsageNotAllowed:
		return "must be a secret of usage " + need.usage().String()
	case vaultclient.ReasonHostNotAllowed:
		return "must be a credential that may be sent to the endpoint's host and port: add " + need.destination() + " to its allowed_hosts"
	case vaultclient.ReasonKeyPurposeFixed:
		return "must be another secret: this one serves another purpose"
	case vaultclient.ReasonKeyPurposeUnknown:
		return "must be another secret: the purpose of this one was never recorded"
	case vaultclient.ReasonKeyNotShared:
		return "must be another secret, or be shared by a super admin: this one serves endpoints with another host, or with other senders"
	case vaultclient.ReasonIssuerNotAllowed:
		return "must be a secret whose issued_by is this endpoint; it is set when the secret is created"
	default:
		return "must refer to a secret that can be used for this"
	}
}
