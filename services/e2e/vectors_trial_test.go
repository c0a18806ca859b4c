package e2e

import (
	"context"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A trial is one vector on a bench.
type trial struct {
	*bench
	*testing.T

	v        vector
	p        *vectorProfile
	kind     allowlistv1.MessageKind
	endpoint string
	exchange string
	replyKey *rsa.PublicKey // the key that the request of a reply is wrapped with
}

func newTrial(t *testing.T, b *bench, v vector) *trial {
	t.Helper()
	p, err := readProfile(v.Profile, v.Answered)
	if err != nil {
		t.Fatalf("read profile: %v", err)
	}
	return &trial{bench: b, T: t, v: v, p: p, kind: allowlistv1.MessageKind_MESSAGE_KIND_REQUEST}
}

func (t *trial) run() {
	t.Helper()
	if err := t.configure(); err != nil {
		t.refusedConfiguration(err)
		return
	}
	switch {
	case t.p.Kind == "sign" && t.v.Expect == "reject":
		t.refusedSignature()
	case t.p.Kind == "sign":
		t.signs()
	case t.v.Expect == "reject" && t.v.Output.Body == "" && t.v.Direction != "decrypt" && t.v.Direction != "response":
		t.refusedToEncrypt()
	case t.v.Expect == "reject":
		t.refused()
	case t.reply():
		t.replies()
	default:
		t.opens()
		t.encrypts()
	}
}

// reply reports whether the vector answers a message whose key and IV are inputs.
func (t *trial) reply() bool { return t.p.IV.Source == "peer_flipped" }

// partnerMakes reports whether the partner creates the message, so that the vector may contain
// only a key to decrypt or verify.
func (t *trial) partnerMakes() bool {
	return t.p.Kind != "sign" && (t.v.Direction == "response" || t.v.Direction == "decrypt")
}

// configure stores the secrets and an endpoint, and activates it. If the vector requires it,
// unsafe choices are first refused and then accepted. It returns the error of a configuration that
// is refused, or of keys that cannot work.
func (t *trial) configure() error {
	t.Helper()
	request := t.createRequest()
	_, err := t.owner.CreateEndpoint(t.Context(), request)
	if t.v.Legacy && t.v.Verify != "skip" && errorReason(err) != "LEGACY_NOT_ACKNOWLEDGED" {
		t.Fatalf("CreateEndpoint of unsafe choices: %v, want LEGACY_NOT_ACKNOWLEDGED", describe(err))
	}
	if t.v.Legacy && err != nil {
		acknowledge(t, request.GetEndpoint().GetEncryption(), errorMetadata(err)["flags"])
		_, err = t.owner.CreateEndpoint(t.Context(), request)
	}
	if err != nil {
		return err
	}
	if _, err := t.admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: t.endpoint}); err != nil {
		t.Fatal(err)
	}
	_, err = t.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: t.endpoint})
	return err
}

func (t *trial) createRequest() *allowlistv1.CreateEndpointRequest {
	t.Helper()
	t.endpoint = t.workspace + "/endpoints/" + t.v.name("e")
	return &allowlistv1.CreateEndpointRequest{
		Parent: t.workspace, EndpointId: t.v.name("e"),
		Endpoint: &allowlistv1.Endpoint{Url: "https://partner.example/v1/hook", Methods: []string{"POST"}, Encryption: t.encryption()},
	}
}

func (t *trial) encryption() *allowlistv1.Encryption {
	t.Helper()
	if t.reply() {
		t.kind = allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE
		return t.replyEncryption()
	}
	m := &mapper{t: t, v: t.v, p: t.p, store: t.storeSecret, named: make(map[string]string)}
	profile := m.profile()
	if !t.partnerMakes() {
		return &allowlistv1.Encryption{Request: profile}
	}
	t.kind = allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE
	return &allowlistv1.Encryption{Request: t.plainRequest(), Response: profile}
}

// plainRequest is an arbitrary profile for the direction that the vector does not describe.
func (t *trial) plainRequest() *allowlistv1.Profile {
	name := t.storeSecret("unused", vaultv1.Usage_USAGE_KEY, strings.Repeat("00", 32))
	return &allowlistv1.Profile{Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
		Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM,
		Key: &allowlistv1.Cipher_SharedKey{SharedKey: &allowlistv1.SharedKey{
			Keys: []*allowlistv1.SecretRef{{Name: name, Decoding: allowlistv1.Decoding_DECODING_HEX}},
		}},
	}}}
}

func (t *trial) storeSecret(name string, usage vaultv1.Usage, value string) string {
	t.Helper()
	secret, err := t.vault.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: t.workspace, SecretId: t.v.name(name), Reason: "a known answer",
		Secret: &vaultv1.Secret{Usage: usage, Value: &vaultv1.SecretValue{
			Source: &vaultv1.SecretValue_Text{Text: value}, WeakReason: "is public",
		}},
	})
	if err != nil {
		t.Fatalf("CreateSecret: %v", describe(err))
	}
	// Other vectors use the same value for another purpose.
	t.Cleanup(func() {
		_, err := t.vault.DeleteSecret(context.Background(), &vaultv1.DeleteSecretRequest{Name: secret.GetSecret().GetName(), Force: true, Reason: "done"})
		if err != nil {
			t.Errorf("DeleteSecret: %v", describe(err))
		}
	})
	return secret.GetSecret().GetName()
}

// acknowledge adds the acknowledgements that a refusal requires to the profile that makes the
// choices.
func acknowledge(t testing.TB, encryption *allowlistv1.Encryption, flags string) {
	t.Helper()
	target := encryption.GetRequest()
	if encryption.GetResponse() != nil {
		target = encryption.GetResponse()
	}
	for name := range strings.SplitSeq(flags, ", ") {
		flag, known := allowlistv1.LegacyAcknowledgement_Flag_value["FLAG_"+name]
		if !known {
			t.Fatalf("the refusal names %q, which is not a flag", name)
		}
		target.AllowLegacy = append(target.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
			Flag: allowlistv1.LegacyAcknowledgement_Flag(flag), Reason: "the partner's specification",
			ExpireTime: timestamppb.New(time.Now().AddDate(1, 0, 0)),
		})
	}
}

func (t *trial) context() *allowlistv1.MessageContext {
	c := t.v.Context
	context := &allowlistv1.MessageContext{Id: c.ID, Method: c.Method, Path: c.Path, Query: c.Query, Host: c.Host}
	if c.Timestamp != 0 {
		context.Time = timestamppb.New(time.Unix(c.Timestamp, 0))
	}
	return context
}
