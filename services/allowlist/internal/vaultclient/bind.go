package vaultclient

import (
	"context"

	"github.com/keyward/keyward/pkg/keyform"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A BindRequest describes the use that a secret is bound for.
type BindRequest struct {
	// Secret is the resource name of the secret.
	Secret string
	// Version is the version to bind, or 0 for the current one.
	Version uint32
	Usage   Usage
	// Host is the host that a credential is sent to, a DNS name or an IP address without brackets.
	// For a KEY, it is the host of the endpoint that uses it.
	Host string
	// Port is the port that a credential is sent to.
	Port uint16
	// Chains are the chains of operations that a KEY is used for, and Cost is the lowest cost of
	// the key derivations among them. Conflicting reports that a super admin acknowledged that one
	// chain may decrypt the output of another.
	Chains      []string
	Cost        uint64
	Conflicting bool
	// KeyBytes are the valid lengths of a KEY that a cipher uses directly. Otherwise empty.
	KeyBytes []int
	// Referrer is the resource name of the referrer.
	Referrer string
	// Operation identifies the save that needs the binding.
	Operation string
	// Issue binds the secret so that the referrer issues versions of it ([Vault.Issue]). The usage, the host,
	// and the chains then have no meaning.
	Issue bool
	// Restored says that the referrer held the binding before: it is not a new one.
	Restored bool
}

// A Binding is the vault's permission to resolve a secret.
type Binding struct {
	// Secret is the resource name of the secret.
	Secret string
	// UID identifies the secret that was bound. The name may have another uid by now.
	UID string
	// Referrer is the resource name of the referrer.
	Referrer string
	// Operation identifies the save that created the binding.
	Operation string
	// Holder is the workload that holds the binding, as the vault identifies it.
	Holder string
	// Port is the port that a credential is sent to. 0 if it is not a credential, or if the vault
	// does not know the port.
	Port uint16
	// Shared reports whether a KEY may serve several hosts and senders. [Vault.Bind] sets it.
	Shared bool
	// VersionUID distinguishes the requested version from other versions with its number.
	// [Vault.Bind] sets it.
	VersionUID string
	// Facts is the metadata of the requested version. [Vault.Bind] sets it.
	Facts Facts
}

// Facts is the metadata that the vault reports about a key without revealing it. The zero Facts
// means that nothing is known.
type Facts struct {
	// Kind is the kind of the value. Text and bytes do not contain a key pair.
	Kind keyform.Kind
	// Bytes is the length of a symmetric key, or 0 if unknown.
	Bytes int
	// Algorithm is the type and size of an asymmetric key, such as `RSA-2048`, `EC-P256`,
	// `Ed25519`, or `X25519`. Empty if the algorithm is unknown.
	Algorithm string
	// Private reports whether the asymmetric key is private.
	Private bool
	// Fingerprint is the SHA-256 hash of its SubjectPublicKeyInfo in lower-case hexadecimal.
	Fingerprint string
	// Problem explains, as a sentence, why a value that looks like a key pair is not one.
	Problem string
	// Forms are the ways to read the value as a symmetric key of a usual length. Like LineEnd,
	// they are set only for requests with KeyBytes.
	Forms []keyform.Form
	// LineEnd reports whether the value without its final line ending would be such a key.
	LineEnd bool
}

// Bind binds a secret for a use. The vault refuses a use that the usage of the secret does not
// allow, a host or port that a credential may not be sent to, a KEY that serves another purpose or
// another host, and a version that does not exist or cannot be resolved. Binding again under the
// same operation returns the facts of another version.
func (v *Vault) Bind(ctx context.Context, req BindRequest) (Binding, error) {
	resp, err := v.bind(ctx, req, false)
	if err != nil {
		return Binding{}, err
	}
	if req.Usage == UsageCredential {
		v.cache.Forget(req.Secret) // the cached hosts may be older than a report of the port
	}
	return bindingOf(resp), nil
}

// Probe returns the same result as [Vault.Bind], without creating a binding.
func (v *Vault) Probe(ctx context.Context, req BindRequest) (Binding, error) {
	resp, err := v.bind(ctx, req, true)
	if err != nil {
		return Binding{}, err
	}
	if resp.GetBinding() != nil { // a vault that does not support probes has created a binding
		if err := v.Unbind(ctx, req.Secret, req.Operation); err != nil {
			return Binding{}, err
		}
	}
	return bindingOf(resp), nil
}

func (v *Vault) bind(ctx context.Context, req BindRequest, probe bool) (*vaultv1.BindSecretResponse, error) {
	if err := v.refusal(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	var keyBytes []uint32
	for _, n := range req.KeyBytes {
		keyBytes = append(keyBytes, uint32(n))
	}
	resp, err := v.client.BindSecret(ctx, &vaultv1.BindSecretRequest{
		Name: req.Secret, Version: req.Version, Usage: req.Usage.toProto(), Host: req.Host, Port: uint32(req.Port),
		Chains: req.Chains, Cost: req.Cost, Conflicting: req.Conflicting, KeyBytes: keyBytes,
		Referrer: req.Referrer, OperationId: req.Operation, ValidateOnly: probe, Restored: req.Restored, Issue: req.Issue,
	})
	if err == nil {
		err = v.admit(ctx, resp.GetPosition())
	}
	if err != nil {
		return nil, translate(ctx, "bind", err)
	}
	return resp, nil
}

// bindingOf converts the vault's answer to a binding.
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

// decodingOf returns the decoding with a name.
func decodingOf(name string) (keyform.Decoding, bool) {
	for d := keyform.Raw; d <= keyform.PEM; d++ {
		if d.String() == name {
			return d, true
		}
	}
	return keyform.Raw, false
}

// Unbind releases the bindings of an operation. It does nothing for a deleted secret.
func (v *Vault) Unbind(ctx context.Context, secret, operation string) error {
	if err := v.refusal(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	_, err := v.client.UnbindSecret(ctx, &vaultv1.UnbindSecretRequest{Name: secret, OperationId: operation})
	v.cache.Forget(secret) // this may have been the last binding
	if err == nil || reasonOf(err) == string(ReasonSecretNotFound) {
		return nil
	}
	return translate(ctx, "unbind", err)
}
