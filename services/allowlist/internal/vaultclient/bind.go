package vaultclient

import (
	"context"

	"github.com/keyward/keyward/pkg/keyform"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A BindRequest is what a secret is bound for.
type BindRequest struct {
	// Secret is the resource name of the secret.
	Secret string
	// Version is the version that is meant, or 0 for the current one.
	Version uint32
	Usage   Usage
	// Host is where a credential is sent, a DNS name or an IP address without brackets, or that
	// of the endpoint which uses a KEY.
	Host string
	// Port is the port that a credential is sent to.
	Port uint16
	// Chains are what a KEY is used for, and Cost is the least work of derivations among
	// them. Conflicting says that a super admin acknowledged that one may open another.
	Chains      []string
	Cost        uint64
	Conflicting bool
	// KeyBytes are the lengths that a KEY may have which is the key of a cipher as it is; none:
	// it is not.
	KeyBytes []int
	// Referrer is the resource name of what refers to the secret.
	Referrer string
	// Operation names the save that needs the binding.
	Operation string
}

// A Binding is a grant of the vault to resolve a secret.
type Binding struct {
	// Secret is the resource name of the secret.
	Secret string
	// UID identifies the secret that was bound: its name may have another by now.
	UID string
	// Referrer is the resource name of what refers to the secret.
	Referrer string
	// Operation names the save that made the binding.
	Operation string
	// Holder is the workload that the binding is of, as the vault knows it.
	Holder string
	// Port is the port that a credential is sent to. 0: none is, or the vault does not know.
	Port uint16
	// Shared is whether a KEY may serve several hosts and senders. [Vault.Bind] sets it.
	Shared bool
	// VersionUID tells the version that was named from others with its number. [Vault.Bind] sets
	// it.
	VersionUID string
	// Facts are what the vault tells of the version that is meant. [Vault.Bind] sets them.
	Facts Facts
}

// Facts are what the vault tells of a key without telling the key. The zero Facts tell
// nothing.
type Facts struct {
	// Kind is what the value is. Text and bytes hold no key pair.
	Kind keyform.Kind
	// Bytes is the length of a symmetric key. 0: not told.
	Bytes int
	// Algorithm is the kind and size of an asymmetric key, such as `RSA-2048`, `EC-P256`,
	// `Ed25519` or `X25519`. Empty: it is none that is known.
	Algorithm string
	// Private is whether the asymmetric key is a private one.
	Private bool
	// Fingerprint is the SHA-256 of its SubjectPublicKeyInfo in lower-case hexadecimal.
	Fingerprint string
	// Problem is why a value that looks like a key pair is none, as a sentence.
	Problem string
	// Forms are the ways to read the value as a symmetric key of a usual length. Like LineEnd,
	// they are told only for KeyBytes.
	Forms []keyform.Form
	// LineEnd is whether the value without its final line end would be such a key.
	LineEnd bool
}

// Bind binds a secret for a use. The vault refuses a use that the secret is not for, a
// host or port that a credential may not be sent to, a KEY that serves another purpose or
// another host, and a version
// that is not there or cannot be resolved. To bind
// once more under the operation tells the facts of another version.
func (v *Vault) Bind(ctx context.Context, req BindRequest) (Binding, error) {
	resp, err := v.bind(ctx, req, false)
	if err != nil {
		return Binding{}, err
	}
	if req.Usage == UsageCredential {
		v.cache.Forget(req.Secret) // what is cached may have the hosts from before a report
	}
	return bindingOf(resp), nil
}

// Probe returns what [Vault.Bind] would, without a binding.
func (v *Vault) Probe(ctx context.Context, req BindRequest) (Binding, error) {
	resp, err := v.bind(ctx, req, true)
	if err != nil {
		return Binding{}, err
	}
	if resp.GetBinding() != nil { // a vault that does not know of probes has bound
		if err := v.Unbind(ctx, req.Secret, req.Operation); err != nil {
			return Binding{}, err
		}
	}
	return bindingOf(resp), nil
}

func (v *Vault) bind(ctx context.Context, req BindRequest, probe bool) (*vaultv1.BindSecretResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	var keyBytes []uint32
	for _, n := range req.KeyBytes {
		keyBytes = append(keyBytes, uint32(n))
	}
	resp, err := v.client.BindSecret(ctx, &vaultv1.BindSecretRequest{
		Name: req.Secret, Version: req.Version, Usage: req.Usage.toProto(), Host: req.Host, Port: uint32(req.Port),
		Chains: req.Chains, Cost: req.Cost, Conflicting: req.Conflicting, KeyBytes: keyBytes,
		Referrer: req.Referrer, OperationId: req.Operation, ValidateOnly: probe,
	})
	if err != nil {
		return nil, translate(ctx, "bind", err)
	}
	return resp, nil
}

// bindingOf returns what the vault tells of a binding.
func bindingOf(resp *vaultv1.BindSecretResponse) Binding {
	b, facts := bindingFromProto(resp.GetBinding()), resp.GetFacts()
	b.Shared, b.VersionUID = resp.GetShared(), resp.GetVersionUid()
	b.Facts = Facts{
		Kind: keyform.Kind(facts.GetKind()), Bytes: int(facts.GetBytes()), Algorithm: facts.GetAlgorithm(),
		Private: facts.GetPrivateKey(), Fingerprint: facts.GetFingerprint(), Problem: facts.GetProblem(), LineEnd: facts.GetLineEnd(),
	}
	for _, form := range facts.GetForms() {
		if decoding, known := decodingOf(form.GetDecoding()); known {
			b.Facts.Forms = append(b.Facts.Forms, keyform.Form{Decoding: decoding, Bytes: int(form.GetBytes())})
		}
	}
	return b
}

// decodingOf returns the decoding of a name.
func decodingOf(name string) (keyform.Decoding, bool) {
	for d := keyform.Raw; d <= keyform.PEM; d++ {
		if d.String() == name {
			return d, true
		}
	}
	return keyform.Raw, false
}

// Unbind gives up what was bound under an operation. For a secret that is gone
// there is nothing to give up.
func (v *Vault) Unbind(ctx context.Context, secret, operation string) error {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	_, err := v.client.UnbindSecret(ctx, &vaultv1.UnbindSecretRequest{Name: secret, OperationId: operation})
	v.cache.Forget(secret) // it may have been the last grant
	if err == nil || reasonOf(err) == string(ReasonSecretNotFound) {
		return nil
	}
	return translate(ctx, "unbind", err)
}
