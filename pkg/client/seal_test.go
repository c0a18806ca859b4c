package client_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/client"
	"github.com/keyward/keyward/pkg/client/seal"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const canary = "canary-4711-canary"

func pinOf(key *ecdh.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(key.PublicKey().Bytes())
}

// opened returns the plaintext of a value that was sealed for a request.
func opened(t *testing.T, key *ecdh.PrivateKey, value *vaultv1.SecretValue, secret, requestID string) string {
	t.Helper()
	kind := "data"
	if value.GetSealed().GetText() {
		kind = "text"
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	info := fmt.Sprintf("keyward sealed value v1\n%s\n%s\n%d\n%s", secret, requestID, value.GetSealed().GetSealTime().GetSeconds(), kind)
	plain, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), value.GetSealed().GetCiphertext())
	if err != nil {
		t.Errorf("opening a value of %s for %s: %v", secret, requestID, err)
	}
	return kind + " " + string(plain)
}

// rotate sends a value and returns the requests that arrived.
func (k *kit) rotate(t *testing.T, vault client.Vault, value *vaultv1.SecretValue) ([]*vaultv1.UpdateSecretRequest, error) {
	t.Helper()
	_, err := vault.Rotate(t.Context(), secretName, value, "why")
	var requests []*vaultv1.UpdateSecretRequest
	for _, m := range k.script.requests() {
		requests = append(requests, m.(*vaultv1.UpdateSecretRequest))
	}
	return requests, err
}

func TestValuesAreSealedOnTheirWay(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key := k.script.turn(t)
	vault := k.vault(t)
	weak := client.Text(canary)
	weak.WeakReason, weak.FilePassword = "why not", "of the file"
	create := &vaultv1.CreateSecretRequest{
		Parent: "workspaces/acme", SecretId: "key", Reason: "why", RequestId: "mine",
		Secret: &vaultv1.Secret{Value: weak, Description: "d", Labels: map[string]string{"a": "b"}},
	}
	before := proto.CloneOf(create)
	if _, err := vault.CreateSecret(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, create, protocmp.Transform()); diff != "" {
		t.Errorf("the caller's message was changed (-before +after):\n%s", diff)
	}
	if _, err := vault.Rotate(t.Context(), secretName, client.Data([]byte(canary+"\x00\xff")), "why"); err != nil {
		t.Fatal(err)
	}
	check := &vaultv1.CheckSecretValueRequest{Name: secretName, Value: client.Text(canary)}
	if _, err := vault.CheckSecretValue(t.Context(), check); err != nil {
		t.Fatal(err)
	}
	requests := k.script.requests()
	checked := requests[2].(*vaultv1.CheckSecretValueRequest)
	if got := opened(t, key, checked.GetValue(), secretName, checked.GetRequestId()); got != "text "+canary || checked.GetRequestId() == "" {
		t.Errorf("the value to check is %q", got)
	}
	created, updated := requests[0].(*vaultv1.CreateSecretRequest), requests[1].(*vaultv1.UpdateSecretRequest)
	if got := opened(t, key, created.GetSecret().GetValue(), secretName, "mine"); got != "text "+canary {
		t.Errorf("the value is %q", got)
	}
	if got := opened(t, key, updated.GetSecret().GetValue(), secretName, updated.GetRequestId()); got != "data "+canary+"\x00\xff" || updated.GetRequestId() == "" {
		t.Errorf("the value is %q", got)
	}
	before.Secret.Value = created.GetSecret().GetValue()
	if diff := cmp.Diff(before, created, protocmp.Transform()); diff != "" || created.GetSecret().GetValue().GetWeakReason() != "why not" || created.GetSecret().GetValue().GetFilePassword() != "of the file" {
		t.Errorf("fields other than the value differ (-want +got):\n%s", diff)
	}
	for _, m := range requests {
		if wire, err := proto.Marshal(m); err != nil || bytes.Contains(wire, []byte("canary")) {
			t.Errorf("the value is on the wire in %T, %v", m, err)
		}
	}
	if k.script.asked != 1 {
		t.Errorf("GetSealing was called %d times, want once", k.script.asked)
	}
}

func TestOnlyValuesThatAreGivenAreSealed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	vault := k.vault(t)
	sealed := &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Sealed{Sealed: &vaultv1.SealedValue{
		KeyId: "k", Ciphertext: make([]byte, 49), SealTime: timestamppb.Now(),
	}}}
	for _, value := range []*vaultv1.SecretValue{client.Generate(vaultv1.Generate_KIND_AES_256), sealed, nil} {
		k.script.fail()
		requests, err := k.rotate(t, vault, value)
		if err != nil || len(requests) != 1 || !proto.Equal(requests[0].GetSecret().GetValue(), value) {
			t.Errorf("%v arrives as %v, %v", value, requests, err)
		}
	}
	if k.script.asked != 0 {
		t.Error("GetSealing was called, although there is nothing to seal")
	}
}

func TestRepetitionsSendTheSameBytes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.script.fail(errStopping, errBusy, errStopping)
	requests, err := k.rotate(t, k.vault(t), client.Text(canary))
	if err != nil || len(requests) != 4 {
		t.Fatalf("%d requests, %v, want 4", len(requests), err)
	}
	for _, m := range requests {
		if m.GetSecret().GetValue().GetSealed() == nil || !proto.Equal(m, requests[0]) {
			t.Error("a retry differs")
		}
	}
}

func TestPinnedKeysAloneAreTrusted(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	first, second := k.script.turn(t), k.script.turn(t)
	k.script.set(second, first) // the first key was replaced
	stranger := newKit(t).script.turn(t)
	for _, tt := range []struct {
		name string
		pins []string
		want *ecdh.PrivateKey
	}{
		{"the newest key", nil, second},
		{"the replaced key", []string{pinOf(first)}, first},
		{"the newest pinned key", []string{pinOf(first), pinOf(second)}, second},
		{"an unknown key and a known key", []string{pinOf(stranger), pinOf(first)}, first},
		{"an unknown key", []string{pinOf(stranger)}, nil},
	} {
		k.script.fail()
		k.config.SealingKeys = tt.pins
		requests, err := k.rotate(t, k.vault(t), client.Text(canary))
		if tt.want == nil {
			if !errors.Is(err, client.ErrSealingKey) || len(requests) != 0 {
				t.Errorf("%s: %d requests, %v, want none and %v", tt.name, len(requests), err, client.ErrSealingKey)
			}
			continue
		}
		if err != nil || len(requests) != 1 {
			t.Errorf("%s: %d requests, %v", tt.name, len(requests), err)
			continue
		}
		if got := opened(t, tt.want, requests[0].GetSecret().GetValue(), secretName, requests[0].GetRequestId()); got != "text "+canary {
			t.Errorf("%s: the value is %q", tt.name, got)
		}
	}
	for _, pins := range [][]string{{"?"}, {""}, {base64.StdEncoding.EncodeToString(make([]byte, 31))}} {
		k.config.SealingKeys = pins
		if _, err := client.Dial(k.config); !errors.Is(err, seal.ErrKey) {
			t.Errorf("Dial with the pins %q = %v, want %v", pins, err, seal.ErrKey)
		}
	}
	k.config.SealingKeys, k.config.Unsealed = []string{pinOf(first)}, true
	if _, err := client.Dial(k.config); err == nil {
		t.Error("Dial accepts pins for unsealed values")
	}
}

func TestAVaultWithoutSealedValuesGetsNone(t *testing.T) {
	t.Parallel()
	k := newKitOf(t, &script{earlier: true})
	pin := pinOf(k.script.turn(t))
	for _, pins := range [][]string{nil, {pin}} {
		k.config.SealingKeys = pins
		requests, err := k.rotate(t, k.vault(t), client.Text(canary))
		if !errors.Is(err, client.ErrNoSealing) || len(requests) != 0 {
			t.Errorf("with the pins %q: %d requests, %v, want none and %v", pins, len(requests), err, client.ErrNoSealing)
		}
	}
	k.config.SealingKeys, k.config.Unsealed = nil, true
	requests, err := k.rotate(t, k.vault(t), client.Text(canary))
	if err != nil || len(requests) != 1 || requests[0].GetSecret().GetValue().GetText() != canary {
		t.Errorf("unsealed, %v arrives, %v", requests, err)
	}
}

func TestKeysThatWereForgottenAreAskedForAgain(t *testing.T) {
	t.Parallel()
	refused := func(field string) error {
		return refuse(codes.InvalidArgument, "SEALED_VALUE_REFUSED", "the sealed value is refused", violation(field, "must be another"))
	}
	for _, field := range []string{"secret.value.sealed.key_id", "secret.value.sealed.seal_time"} {
		k := newKit(t)
		vault := k.vault(t)
		if _, err := k.rotate(t, vault, client.Text("first")); err != nil {
			t.Fatal(err)
		}
		key := k.script.turn(t)
		k.script.fail(refused(field))
		requests, err := k.rotate(t, vault, client.Text(canary))
		if err != nil || len(requests) != 2 || requests[0].GetRequestId() != requests[1].GetRequestId() {
			t.Fatalf("%s: %d requests, %v, want two with the same ID", field, len(requests), err)
		}
		if got := opened(t, key, requests[1].GetSecret().GetValue(), secretName, requests[1].GetRequestId()); got != "text "+canary {
			t.Errorf("%s: the value is %q", field, got)
		}
		k.script.fail(refused(field), refused(field))
		requests, err = k.rotate(t, vault, client.Text(canary))
		if !client.HasReason(err, vaultv1.ErrorReason_ERROR_REASON_SEALED_VALUE_REFUSED) || len(requests) != 2 {
			t.Errorf("%s: refused twice, %d requests, %v", field, len(requests), err)
		}
		k.script.fail(refused("secret.value.sealed"))
		requests, err = k.rotate(t, vault, client.Text(canary))
		if !client.HasReason(err, vaultv1.ErrorReason_ERROR_REASON_SEALED_VALUE_REFUSED) || len(requests) != 1 {
			t.Errorf("%s: a value that the vault cannot open: %d requests, %v", field, len(requests), err)
		}
	}
}

func TestValuesAreSealedByTheClockOfTheVault(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.script.clock = time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
	requests, err := k.rotate(t, k.vault(t), client.Text(canary))
	if err != nil {
		t.Fatal(err)
	}
	at := requests[0].GetSecret().GetValue().GetSealed().GetSealTime()
	if d := at.AsTime().Sub(k.script.clock); d < 0 || d > time.Minute || at.GetNanos() != 0 {
		t.Errorf("the value is sealed at %v, want the vault's time", at.AsTime())
	}
}

func TestCallsThatCannotGetAKeySendNoValue(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.script.set() // no key
	if requests, err := k.rotate(t, k.vault(t), client.Text(canary)); !errors.Is(err, client.ErrSealingKey) || len(requests) != 0 {
		t.Errorf("without a key: %d requests, %v", len(requests), err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := k.vault(t).Rotate(ended, secretName, client.Text(canary), "")
	if !errors.Is(err, context.Canceled) || len(k.script.requests()) != 0 {
		t.Errorf("Rotate with a context that ended = %v", err)
	}
}
