package vaultclient

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/keyward/keyward/pkg/client/seal"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Issued is a value that the partner of an endpoint issued.
type Issued struct {
	// Secret is the resource name of the secret whose next version has the value.
	Secret string
	// Referrer is the resource name of the endpoint.
	Referrer string
	// Value is UTF-8.
	Value sensitive.Bytes
}

// Issue stores an issued value as the next version of a secret, which every later Resolve returns. The
// value is sealed to a key of the vault. Storing the current value again changes nothing. Issue fails with
// ISSUE_REFUSED if the vault refuses the value, or does not let the endpoint issue the secret.
func (v *Vault) Issue(ctx context.Context, i Issued) error {
	if err := v.refusal(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	request, err := v.sealed(ctx, i)
	if err != nil {
		return err
	}
	resp, err := v.client.IssueSecretVersion(ctx, request)
	// Also after an error, which does not say that nothing was stored.
	v.cache.Forget(i.Secret)
	if err == nil {
		err = v.admit(ctx, resp.GetPosition())
	}
	switch reason := fault.Reason(reasonOf(err)); {
	case err == nil:
		return nil
	case refusesIssue(reason):
		return fault.New(fault.FailedPrecondition, ReasonIssueRefused, "the vault does not store a value that the partner issued").
			With("cause", string(reason))
	}
	return translate(ctx, "issue", err)
}

// sealed returns the request with the value sealed to the newest key of the vault.
func (v *Vault) sealed(ctx context.Context, i Issued) (*vaultv1.IssueSecretVersionRequest, error) {
	workspace, _, _ := strings.Cut(i.Secret, "/secrets/")
	resp, err := v.client.GetSealing(ctx, &vaultv1.GetSealingRequest{Name: workspace + "/sealing"})
	if err != nil {
		return nil, translate(ctx, "ask for sealing keys", err)
	}
	offered := resp.GetSealing()
	if len(offered.GetKeys()) == 0 {
		return nil, unavailable(fmt.Errorf("issue: the vault offers no sealing key"))
	}
	key, err := seal.NewKey(offered.GetKeys()[0].GetPublicKey())
	if err != nil {
		return nil, fmt.Errorf("read sealing key: %w", err)
	}
	request := &vaultv1.IssueSecretVersionRequest{Name: i.Secret, Referrer: i.Referrer, RequestId: rand.Text()}
	request.Value, err = key.Seal(i.Value.Reveal(), seal.Place{
		Secret: i.Secret, RequestID: request.GetRequestId(), Time: offered.GetTime().AsTime(), Text: true,
	})
	return request, err
}

// refusesIssue reports whether the vault refuses the value or the secret, so that the same call fails again.
func refusesIssue(reason fault.Reason) bool {
	switch reason {
	case "ISSUED_BEFORE", "WEAK_KEY", "VALUE_IN_USE", "KEY_FORM_NOT_USABLE", "QUOTA_EXCEEDED", fault.RateLimited, fault.InvalidField,
		ReasonIssuerNotAllowed, ReasonSecretExpired, ReasonVersionDisabled, ReasonVersionDestroyed:
		return true
	}
	return false
}
