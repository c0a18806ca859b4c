package api_test

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
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// wrapping is an encryption with session keys that are wrapped with RSA keys.
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

func TestUnusableKeysAreRefusedWhenSaved(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	short, long := k.Secret(t, "short", allowlisttest.KeyOf(1)[:16]...), k.Secret(t, "long", make([]byte, 64)...)
	good := k.Secret(t, "good")
	pair, curve := k.Generated(t, "pair", vaultv1.Generate_KIND_RSA_2048), k.Generated(t, "curve", vaultv1.Generate_KIND_EC_P256)
	const place = "request.cipher.shared_key.keys"
	for _, tt := range []struct {
		name   string
		e      *allowlistv1.Encryption
		fields []string
	}{
		{"a key of another length", allowlisttest.Encrypted(short), []string{place + "[0]"}},
		{"several", allowlisttest.Encrypted(good, long, short), []string{place + "[1]", place + "[2]"}},
		{"a key pair", allowlisttest.Encrypted(pair), []string{place + "[0]"}},
		{"a shared key instead of a key pair", wrapping(good), []string{"request.cipher.session_key.keys[0]"}},
		{"a key pair of another type", wrapping(pair, curve), []string{"request.cipher.session_key.keys[1]"}},
	} {
		e := allowlisttest.Draft()
		e.Encryption = tt.e
		fields, err := k.Refusal(t, e)
		allowlisttest.WantError(t, tt.name, err, codes.FailedPrecondition, "KEY_NOT_USABLE")
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
		k.Settle(t, secret, 0)
	}

	// Keys without known violations can be saved.
	e := allowlisttest.Draft()
	e.Encryption = wrapping(pair)
	k.Owner.Create(t, "orders", e)
	// The length of a string is irrelevant if it is a passphrase.
	odd := k.Secret(t, "odd", []byte("seventeen bytes..")...)
	_, err := k.Refusal(t, allowlisttest.Draft(odd))
	allowlisttest.WantError(t, "a string as a key", err, codes.FailedPrecondition, "KEY_NOT_USABLE")
	if m := servertest.Metadata(err); m["secret"] != odd || m["cause"] != servertest.Violations(err)[0].Description {
		t.Errorf("the metadata for a string as a key is %v", m)
	}
	k.Settle(t, odd, 0) // of the refused purpose
	e.Encryption = allowlisttest.EncryptionOf(t, `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:odd" } derivation { digest { hash: HASH_SHA256 } } } } }`)
	k.Owner.Create(t, "others", e)
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(short)}, "encryption")
	allowlisttest.WantError(t, "UpdateEndpoint to a key of another length", err, codes.FailedPrecondition, "KEY_NOT_USABLE")
	k.Settle(t, short, 0)
	k.Settle(t, pair, 1)
}

func TestReferencedSecretsMustExistAndHaveTheUsage(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key := k.Secret(t, "key")
	iv := k.SecretIn(t, allowlisttest.Workspace, "iv", vaultv1.Usage_USAGE_PARAMETER, allowlisttest.KeyOf(1)[:16]...)
	static := func(key, iv string) *allowlistv1.Endpoint {
		e := allowlisttest.Draft()
		e.Encryption = k.Unauthenticated(key)
		e.Encryption.Request.GetCipher().Iv = &allowlistv1.Iv{
			Source: allowlistv1.Iv_SOURCE_STATIC, Secret: &allowlistv1.SecretRef{Name: iv},
		}
		ack := e.GetEncryption().GetRequest().GetAllowLegacy()[0]
		e.Encryption.Request.AllowLegacy = append(e.Encryption.Request.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
			Flag: allowlistv1.LegacyAcknowledgement_FLAG_STATIC_IV, Reason: ack.GetReason(), ExpireTime: ack.GetExpireTime(),
		})
		return e
	}
	missing := allowlisttest.Draft(key)
	missing.Encryption.Request.GetCipher().GetSharedKey().Keys = []*allowlistv1.SecretRef{{Name: key}, {Name: key, Version: 7}}
	header := allowlisttest.Draft()
	header.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("Authorization", k.Credential(t, "token", "sesame", allowlisttest.Partner))}
	header.Headers[0].GetSecret().Version = 7
	const keys, ivSecret = "endpoint.encryption.request.cipher.shared_key.keys", "endpoint.encryption.request.cipher.iv.secret.name"
	for _, tt := range []struct {
		name   string
		e      *allowlistv1.Endpoint
		code   codes.Code
		reason string
		field  string
	}{
		{"a version that does not exist", missing, codes.NotFound, "VERSION_NOT_FOUND", keys + "[1].name"},
		{"a version of a credential that does not exist", header, codes.NotFound, "VERSION_NOT_FOUND", "endpoint.headers[0].secret.name"},
		{"a key as an IV", static(key, k.Secret(t, "other")), codes.FailedPrecondition, "USAGE_NOT_ALLOWED", ivSecret},
		{"a parameter as a key", static(iv, iv), codes.InvalidArgument, "INVALID_FIELD", ivSecret},
		{"a key that is also its IV", static(key, key), codes.InvalidArgument, "INVALID_FIELD", ivSecret},
		{"a parameter only as a key", allowlisttest.Draft(iv), codes.FailedPrecondition, "USAGE_NOT_ALLOWED", keys + "[0].name"},
	} {
		fields, err := k.Refusal(t, tt.e)
		allowlisttest.WantError(t, tt.name, err, tt.code, tt.reason)
		if !slices.Equal(fields, []string{tt.field}) {
			t.Errorf("%s: fields = %v, want %s", tt.name, fields, tt.field)
		}
	}
	for _, secret := range []string{key, iv} {
		k.Settle(t, secret, 0)
	}
	k.Active(t, "orders", static(key, iv))
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	opened, err := k.Open(t, "orders", sent.GetBody(), allowlisttest.Response)
	allowlisttest.Must(t, err)
	if string(opened.GetBody()) != "hello" {
		t.Errorf("with a parameter as the IV, Decrypt = %q", opened.GetBody())
	}
	if b := k.Held(t, iv); len(b) != 1 || b[0].GetUsage() != vaultv1.Usage_USAGE_PARAMETER {
		t.Errorf("the bindings of the parameter are %v", b)
	}
}

func TestAPresetIsWrittenOutWhenItIsSaved(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	use := func(id, name string) *allowlistv1.Endpoint {
		return allowlisttest.WithPreset(&allowlistv1.PresetUse{Id: id, Secrets: map[string]*allowlistv1.SecretRef{"secret": {Name: name}}})
	}
	created := k.Owner.Create(t, "hooks", use("standard_webhooks", secret))
	got := created.GetEncryption()
	if got.GetPreset() != nil || got.GetRequest().GetSigning().GetKeys()[0].GetName() != secret {
		t.Errorf("the encryption is %v, want the expanded preset", got)
	}
	k.Settle(t, secret, 1)
	for _, tt := range []struct {
		name   string
		e      *allowlistv1.Endpoint
		code   codes.Code
		reason string
		field  string
	}{
		{"an unknown preset", use("sesame_canary", secret), codes.InvalidArgument, "INVALID_FIELD", "endpoint.encryption.preset.id"},
		{"a key instead of a reference", use("standard_webhooks", "sesame-canary"), codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED", `endpoint.encryption.preset.secrets["secret"].name`},
		{"a secret that does not exist", use("standard_webhooks", allowlisttest.Workspace+"/secrets/none"), codes.NotFound, "SECRET_NOT_FOUND", `endpoint.encryption.preset.secrets["secret"].name`},
	} {
		fields, err := k.Refusal(t, tt.e)
		allowlisttest.WantError(t, tt.name, err, tt.code, tt.reason)
		if !slices.Equal(fields, []string{tt.field}) {
			t.Errorf("%s: fields = %v, want %s", tt.name, fields, tt.field)
		}
		for _, canary := range []string{"sesame-canary", "sesame_canary"} {
			servertest.MustNotHold(t, tt.name, fmt.Sprint(err, servertest.Violations(err)), canary)
		}
	}
}

// acknowledged creates an endpoint with an unsafe choice that is acknowledged until a time.
func acknowledged(t testing.TB, k *allowlisttest.Kit, id, secret string, until time.Duration) {
	t.Helper()
	e := allowlisttest.Draft()
	e.Encryption = k.Unauthenticated(secret)
	e.Encryption.GetRequest().GetAllowLegacy()[0].ExpireTime = timestamppb.New(k.Clock.Now().Add(until))
	k.Active(t, id, e)
}

func TestEndingAcknowledgementsAreListedCountedAndLogged(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Active(t, "safe", allowlisttest.Draft(k.Secret(t, "safe")))
	acknowledged(t, k, "soon", secret, 20*day)
	acknowledged(t, k, "later", secret, 200*day)
	listed := func(before time.Duration) string {
		t.Helper()
		resp, err := k.Member.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{
			Parent: allowlisttest.Workspace, LegacyExpiresBefore: timestamppb.New(k.Clock.Now().Add(before)),
		})
		allowlisttest.Must(t, err)
		var ids []string
		for _, e := range resp.GetEndpoints() {
			ids = append(ids, strings.TrimPrefix(e.GetName(), allowlisttest.Workspace+"/endpoints/"))
		}
		return strings.Join(ids, " ")
	}
	want := func(when string, active, soon, expired float64) {
		t.Helper()
		for state, count := range map[string]float64{"active": active, "expires_soon": soon, "expired": expired} {
			if got := k.Labeled(t, "keyward_legacy_acknowledgements", state); got != count {
				t.Errorf("%s the metric counts %v acknowledgements %s, want %v", when, got, state, count)
			}
		}
	}
	for before, ids := range map[time.Duration]string{day: "", 21 * day: "soon", 201 * day: "later soon"} {
		if got := listed(before); got != ids {
			t.Errorf("acknowledgements that end within %v: %q, want %q", before, got, ids)
		}
	}
	_, err := k.Owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{
		Parent: allowlisttest.Workspace, LegacyExpiresBefore: &timestamppb.Timestamp{Nanos: -1},
	})
	allowlisttest.WantError(t, "an invalid time", err, codes.InvalidArgument, "INVALID_FIELD")

	want("at first", 1, 1, 0)
	k.Clock.Advance(21 * day)
	want("three weeks later", 1, 0, 1)
	_, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("soon"), Body: []byte("hello")})
	allowlisttest.WantError(t, "Encrypt after the end", err, codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED")
	if got := servertest.Metadata(err)["flags"]; got != "UNAUTHENTICATED_CBC" {
		t.Errorf("flags = %q", got)
	}
	const words = "acknowledgements of unsafe choices end"
	spoken := func() int { return strings.Count(k.Env.Log.String(), words) }
	allowlisttest.Eventually(t, func() bool { return spoken() > 0 }, "the log does not report the ended acknowledgements")
	before := spoken()
	k.Clock.Advance(day)
	allowlisttest.Eventually(t, func() bool { return spoken() > before }, "the log does not repeat the report the next day")
	k.Restart(t)
	want("after a restart", 1, 0, 1)
	if got := listed(day); got != "soon" {
		t.Errorf("acknowledgements that have ended after a restart: %q", got)
	}
	k.Owner.Delete(t, "soon")
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("later"), Encryption: allowlisttest.Encrypted(k.Secret(t, "another"))}, "encryption")
	allowlisttest.Must(t, err)
	want("when both are gone", 0, 0, 0)
	servertest.MustNotHold(t, "what members see", prototext.Format(k.Member.Get(t, "later")), secret)
}

func TestEndpointsAreSwitchedOffAsSoonAsTheirSecretIsDeleted(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret, token := k.Secret(t, "key"), k.Credential(t, "token", "sesame", allowlisttest.Partner)
	k.Active(t, "orders", allowlisttest.Draft(secret))
	k.Active(t, "tokens", allowlisttest.Equipped(k.Secret(t, "other"), token))
	k.Active(t, "kept", allowlisttest.Draft(k.Secret(t, "third")))
	for _, name := range []string{secret, token} {
		_, err := k.VaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: name, Force: true, Reason: "leaked"})
		allowlisttest.Must(t, err)
	}
	for _, id := range []string{"orders", "tokens"} { // although no one uses them
		allowlisttest.Eventually(t, func() bool { return k.Owner.Get(t, id).GetState() == allowlistv1.Endpoint_STATE_INACTIVE }, "%s stays active", id)
		change := k.Owner.History(t, allowlisttest.NameOf(id))[0]
		if change.GetActor().GetSubject() != "system" || !strings.HasSuffix(change.GetReason(), "was deleted: leaked") {
			t.Errorf("%s was deactivated by %v because %q", id, change.GetActor(), change.GetReason())
		}
		if got := k.Member.Get(t, id).GetStateReason(); !strings.Contains(got, "was deleted: leaked;") {
			t.Errorf("%s does not show why: %q", id, got)
		}
	}
	if state := k.Owner.Get(t, "kept").GetState(); state != allowlistv1.Endpoint_STATE_ACTIVE {
		t.Errorf("an endpoint with other secrets is %v", state)
	}
}
