package allowlist_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// generated has the vault draw a key of a kind.
func (k *kit) generated(t testing.TB, id string, kind vaultv1.Generate_Kind) string {
	t.Helper()
	_, err := k.secrets.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: workspace, SecretId: id, Secret: &vaultv1.Secret{Value: &vaultv1.SecretValue{
			Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: kind}},
		}},
	})
	must(t, err)
	return workspace + "/secrets/" + id
}

// refusal creates an endpoint that is refused and returns why.
func (k *kit) refusal(t testing.TB, e *allowlistv1.Endpoint) (fields []string, err error) {
	t.Helper()
	_, err = k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: workspace, EndpointId: "bad", Endpoint: e})
	for _, v := range servertest.Violations(err) {
		fields = append(fields, v.Field)
	}
	return fields, err
}

// wrapping is an encryption with session keys under RSA keys.
func wrapping(keys ...string) *allowlistv1.Encryption {
	session := &allowlistv1.SessionKey{Wrap: &allowlistv1.SessionKey_RsaOaep{RsaOaep: &allowlistv1.RsaOaep{}}}
	for _, key := range keys {
		session.Keys = append(session.Keys, &allowlistv1.SecretRef{Name: key})
	}
	slot := func(slot allowlistv1.Part_Slot) *allowlistv1.Part {
		return &allowlistv1.Part{Piece: &allowlistv1.Part_Slot_{Slot: slot}}
	}
	return &allowlistv1.Encryption{Request: &allowlistv1.Profile{
		Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
			Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM, Key: &allowlistv1.Cipher_SessionKey{SessionKey: session},
		}},
		Envelope: &allowlistv1.Envelope{
			Blobs: map[string]*allowlistv1.Blob{"data": {Parts: []*allowlistv1.Part{
				slot(allowlistv1.Part_SLOT_WRAPPED_KEY), slot(allowlistv1.Part_SLOT_IV),
				slot(allowlistv1.Part_SLOT_CIPHERTEXT), slot(allowlistv1.Part_SLOT_TAG),
			}}},
		},
	}}
}

func TestKeysThatCannotBeOnesAreRefusedWhenSaved(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	short, long := k.secret(t, "short", keyOf(1)[:16]...), k.secret(t, "long", make([]byte, 64)...)
	good := k.secret(t, "good")
	pair, curve := k.generated(t, "pair", vaultv1.Generate_KIND_RSA_2048), k.generated(t, "curve", vaultv1.Generate_KIND_EC_P256)
	const place = "request.cipher.shared_key.keys"
	for _, tt := range []struct {
		name   string
		e      *allowlistv1.Encryption
		fields []string
	}{
		{"a key of another length", encrypted(short), []string{place + "[0]"}},
		{"several", encrypted(good, long, short), []string{place + "[1]", place + "[2]"}},
		{"a key pair", encrypted(pair), []string{place + "[0]"}},
		{"a shared key for a pair", wrapping(good), []string{"request.cipher.session_key.keys[0]"}},
		{"a pair of another kind", wrapping(pair, curve), []string{"request.cipher.session_key.keys[1]"}},
	} {
		e := draft()
		e.Encryption = tt.e
		fields, err := k.refusal(t, e)
		wantError(t, tt.name, err, codes.FailedPrecondition, "KEY_NOT_USABLE")
		if got := servertest.Metadata(err)["field"]; got != tt.fields[0] {
			t.Errorf("%s: metadata field = %q, want %q", tt.name, got, tt.fields[0])
		}
		for i := range tt.fields {
			tt.fields[i] = "endpoint.encryption." + tt.fields[i]
		}
		if !slices.Equal(fields, tt.fields) {
			t.Errorf("%s: fields = %v, want %v", tt.name, fields, tt.fields)
		}
	}
	for _, secret := range []string{short, long, good, pair, curve} {
		k.settle(t, secret, 0)
	}

	// With what the vault knows nothing against, they can be saved.
	e := draft()
	e.Encryption = wrapping(pair)
	k.owner.create(t, "orders", e)
	// The length of a text says nothing where it is a passphrase.
	odd := k.secret(t, "odd", []byte("seventeen bytes..")...)
	_, err := k.refusal(t, draft(odd))
	wantError(t, "a text as a key", err, codes.FailedPrecondition, "KEY_NOT_USABLE")
	if m := servertest.Metadata(err); m["secret"] != odd || m["cause"] != servertest.Violations(err)[0].Description {
		t.Errorf("the metadata of a text as a key is %v", m)
	}
	k.settle(t, odd, 0) // of the purpose that was refused
	e.Encryption = encryptionOf(t, `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:odd" } derivation { digest { hash: HASH_SHA256 } } } } }`)
	k.owner.create(t, "others", e)
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(short)}, "encryption")
	wantError(t, "UpdateEndpoint to a key of another length", err, codes.FailedPrecondition, "KEY_NOT_USABLE")
	k.settle(t, short, 0)
	k.settle(t, pair, 1)
}

func TestWhatIsReferredToMustBeThereAndForThat(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key := k.secret(t, "key")
	iv := k.secretIn(t, workspace, "iv", vaultv1.Usage_USAGE_PARAMETER, keyOf(1)[:16]...)
	static := func(key, iv string) *allowlistv1.Endpoint {
		e := draft()
		e.Encryption = k.unauthenticated(key)
		e.Encryption.Request.GetCipher().Iv = &allowlistv1.Iv{
			Source: allowlistv1.Iv_SOURCE_STATIC, Secret: &allowlistv1.SecretRef{Name: iv},
		}
		ack := e.GetEncryption().GetRequest().GetAllowLegacy()[0]
		e.Encryption.Request.AllowLegacy = append(e.Encryption.Request.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
			Flag: allowlistv1.LegacyAcknowledgement_FLAG_STATIC_IV, Reason: ack.GetReason(), ExpireTime: ack.GetExpireTime(),
		})
		return e
	}
	missing := draft(key)
	missing.Encryption.Request.GetCipher().GetSharedKey().Keys = []*allowlistv1.SecretRef{{Name: key}, {Name: key, Version: 7}}
	header := draft()
	header.Headers = []*allowlistv1.Parameter{referring("Authorization", k.credential(t, "token", "sesame", partner))}
	header.Headers[0].GetSecret().Version = 7
	const keys, ivSecret = "endpoint.encryption.request.cipher.shared_key.keys", "endpoint.encryption.request.cipher.iv.secret.name"
	for _, tt := range []struct {
		name   string
		e      *allowlistv1.Endpoint
		code   codes.Code
		reason string
		field  string
	}{
		{"a version that is not there", missing, codes.NotFound, "VERSION_NOT_FOUND", keys + "[1].name"},
		{"a version of a credential that is not there", header, codes.NotFound, "VERSION_NOT_FOUND", "endpoint.headers[0].secret.name"},
		{"a key as an IV", static(key, k.secret(t, "other")), codes.FailedPrecondition, "USAGE_NOT_ALLOWED", ivSecret},
		{"a parameter as a key", static(iv, iv), codes.InvalidArgument, "INVALID_FIELD", ivSecret},
		{"a key and its own IV", static(key, key), codes.InvalidArgument, "INVALID_FIELD", ivSecret},
		{"a parameter alone as a key", draft(iv), codes.FailedPrecondition, "USAGE_NOT_ALLOWED", keys + "[0].name"},
	} {
		fields, err := k.refusal(t, tt.e)
		wantError(t, tt.name, err, tt.code, tt.reason)
		if !slices.Equal(fields, []string{tt.field}) {
			t.Errorf("%s: fields = %v, want %s", tt.name, fields, tt.field)
		}
	}
	for _, secret := range []string{key, iv} {
		k.settle(t, secret, 0)
	}
	k.active(t, "orders", static(key, iv))
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	opened, err := k.open(t, "orders", sent.GetBody(), response)
	must(t, err)
	if string(opened.GetBody()) != "hello" {
		t.Errorf("with a parameter for an IV, Decrypt = %q", opened.GetBody())
	}
	if b := k.held(t, iv); len(b) != 1 || b[0].GetUsage() != vaultv1.Usage_USAGE_PARAMETER {
		t.Errorf("the bindings of the parameter are %v", b)
	}
}

func TestAPresetIsWrittenOutWhenItIsSaved(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	use := func(id, name string) *allowlistv1.Endpoint {
		return withPreset(&allowlistv1.PresetUse{Id: id, Secrets: map[string]*allowlistv1.SecretRef{"secret": {Name: name}}})
	}
	created := k.owner.create(t, "hooks", use("standard_webhooks", secret))
	got := created.GetEncryption()
	if got.GetPreset() != nil || got.GetRequest().GetSigning().GetKeys()[0].GetName() != secret {
		t.Errorf("the encryption is %v, want the preset written out", got)
	}
	k.settle(t, secret, 1)
	for _, tt := range []struct {
		name   string
		e      *allowlistv1.Endpoint
		code   codes.Code
		reason string
		field  string
	}{
		{"an unknown preset", use("sesame_canary", secret), codes.InvalidArgument, "INVALID_FIELD", "endpoint.encryption.preset.id"},
		{"a key for a reference", use("standard_webhooks", "sesame-canary"), codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED", `endpoint.encryption.preset.secrets["secret"].name`},
		{"a secret that is not there", use("standard_webhooks", workspace+"/secrets/none"), codes.NotFound, "SECRET_NOT_FOUND", `endpoint.encryption.preset.secrets["secret"].name`},
	} {
		fields, err := k.refusal(t, tt.e)
		wantError(t, tt.name, err, tt.code, tt.reason)
		if !slices.Equal(fields, []string{tt.field}) {
			t.Errorf("%s: fields = %v, want %s", tt.name, fields, tt.field)
		}
		for _, canary := range []string{"sesame-canary", "sesame_canary"} {
			servertest.MustNotHold(t, tt.name, fmt.Sprint(err, servertest.Violations(err)), canary)
		}
	}
}

// acknowledged makes an endpoint with an unsafe choice that is acknowledged for a while.
func (k *kit) acknowledged(t testing.TB, id, secret string, until time.Duration) {
	t.Helper()
	e := draft()
	e.Encryption = k.unauthenticated(secret)
	e.Encryption.GetRequest().GetAllowLegacy()[0].ExpireTime = timestamppb.New(k.clock.now().Add(until))
	k.active(t, id, e)
}

func TestAcknowledgementsThatEndAreListedCountedAndSpokenOf(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	k := newKit(t)
	secret := k.secret(t, "key")
	k.active(t, "safe", draft(k.secret(t, "safe")))
	k.acknowledged(t, "soon", secret, 20*day)
	k.acknowledged(t, "later", secret, 200*day)
	listed := func(before time.Duration) string {
		t.Helper()
		resp, err := k.member.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{
			Parent: workspace, LegacyExpiresBefore: timestamppb.New(k.clock.now().Add(before)),
		})
		must(t, err)
		var ids []string
		for _, e := range resp.GetEndpoints() {
			ids = append(ids, strings.TrimPrefix(e.GetName(), workspace+"/endpoints/"))
		}
		return strings.Join(ids, " ")
	}
	want := func(when string, active, soon, expired float64) {
		t.Helper()
		for state, count := range map[string]float64{"active": active, "expires_soon": soon, "expired": expired} {
			if got := k.labelled(t, "keyward_legacy_acknowledgements", state); got != count {
				t.Errorf("%s the metric counts %v acknowledgements %s, want %v", when, got, state, count)
			}
		}
	}
	for before, ids := range map[time.Duration]string{day: "", 21 * day: "soon", 201 * day: "later soon"} {
		if got := listed(before); got != ids {
			t.Errorf("acknowledgements that end within %v: %q, want %q", before, got, ids)
		}
	}
	_, err := k.owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{
		Parent: workspace, LegacyExpiresBefore: &timestamppb.Timestamp{Nanos: -1},
	})
	wantError(t, "a time that is none", err, codes.InvalidArgument, "INVALID_FIELD")

	want("at first", 1, 1, 0)
	k.clock.advance(21 * day)
	want("three weeks later", 1, 0, 1)
	_, err = k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("soon"), Body: []byte("hello")})
	wantError(t, "Encrypt after the end", err, codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED")
	if got := servertest.Metadata(err)["flags"]; got != "UNAUTHENTICATED_CBC" {
		t.Errorf("flags = %q", got)
	}
	const words = "acknowledgements of unsafe choices end"
	spoken := func() int { return strings.Count(k.env.Log.String(), words) }
	eventually(t, func() bool { return spoken() > 0 }, "the log does not speak of what has ended")
	before := spoken()
	k.clock.advance(day)
	eventually(t, func() bool { return spoken() > before }, "the log does not speak of it the next day")
	k.restart(t)
	want("after a restart", 1, 0, 1)
	if got := listed(day); got != "soon" {
		t.Errorf("acknowledgements that have ended after a restart: %q", got)
	}
	k.owner.delete(t, "soon")
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("later"), Encryption: encrypted(k.secret(t, "another"))}, "encryption")
	must(t, err)
	want("when both are gone", 0, 0, 0)
	servertest.MustNotHold(t, "what members see", prototext.Format(k.member.get(t, "later")), secret)
}

func TestEndpointsAreSwitchedOffAsSoonAsTheirSecretIsDeleted(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret, token := k.secret(t, "key"), k.credential(t, "token", "sesame", partner)
	k.active(t, "orders", draft(secret))
	k.active(t, "tokens", equipped(k.secret(t, "other"), token))
	k.active(t, "kept", draft(k.secret(t, "third")))
	for _, name := range []string{secret, token} {
		_, err := k.vaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: name, Force: true, Reason: "leaked"})
		must(t, err)
	}
	for _, id := range []string{"orders", "tokens"} { // though nobody uses them
		eventually(t, func() bool { return k.owner.get(t, id).GetState() == allowlistv1.Endpoint_STATE_INACTIVE }, "%s stays in use", id)
		if change := k.owner.history(t, nameOf(id))[0]; change.GetActor().GetSubject() != "system" {
			t.Errorf("%s was switched off by %v", id, change.GetActor())
		}
	}
	if state := k.owner.get(t, "kept").GetState(); state != allowlistv1.Endpoint_STATE_ACTIVE {
		t.Errorf("an endpoint with other secrets is %v", state)
	}
}
