package allowlist_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// unauthenticated is an encryption of whole bodies in CBC without a MAC.
func (k *kit) unauthenticated(secret string) *allowlistv1.Encryption {
	e := encrypted(secret)
	e.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_AES_256_CBC
	e.Request.AllowLegacy = []*allowlistv1.LegacyAcknowledgement{{
		Flag: allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC, Reason: "the partner has nothing else",
		ExpireTime: timestamppb.New(k.clock.now().AddDate(1, 0, 0)),
	}}
	return e
}

// open decrypts a body, as a response unless another kind is given.
func (k *kit) open(t testing.TB, id string, body []byte, kind allowlistv1.MessageKind) (*allowlistv1.DecryptResponse, error) {
	t.Helper()
	return k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf(id), Body: body, Kind: kind})
}

func TestAVersionOpensForItsGraceAfterARotation(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.orders(t)
	short := draft(secret)
	short.Encryption.RotationGrace = durationpb.New(time.Hour)
	k.active(t, "short", short)
	old, err := k.encryptOrder(t)
	must(t, err)
	k.rotate(t, secret, 2)
	eventually(t, func() bool { return k.uses(t, 2) }, "the rotation is not in use")

	opens := func(id string) bool {
		t.Helper()
		opened, err := k.open(t, id, old.GetBody(), request)
		if err == nil && string(opened.GetBody()) != "hello" {
			t.Errorf("Decrypt = %q", opened.GetBody())
		}
		if err != nil && servertest.Reason(err) != "DECRYPTION_FAILED" {
			t.Errorf("Decrypt = %v", err)
		}
		return err == nil
	}
	for _, step := range []struct {
		after         time.Duration
		orders, short bool
	}{{0, true, true}, {59 * time.Minute, true, true}, {2 * time.Minute, true, false}, {22 * time.Hour, true, false}, {2 * time.Hour, false, false}} {
		k.clock.advance(step.after)
		if opens("orders") != step.orders || opens("short") != step.short {
			t.Errorf("%v later, the version before opens for 24 hours, %v, and for one hour, %v", step.after, !step.orders, !step.short)
		}
	}
}

func TestTheAnswerUsesTheVersionThatOpenedTheQuestion(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.orders(t)
	old, err := k.encryptOrder(t)
	must(t, err)
	k.rotate(t, secret, 2)
	eventually(t, func() bool { return k.uses(t, 2) }, "the rotation is not in use")
	asked, err := k.open(t, "orders", old.GetBody(), request)
	must(t, err)
	answer := k.sender.encrypt(t, &allowlistv1.EncryptRequest{
		Name: nameOf("orders"), Kind: response, Body: []byte("answer"), Exchange: asked.GetExchange(),
	})
	if !opens(t, 1, answer.GetBody()) {
		t.Error("the answer is not encrypted with the version that the partner used")
	}
	// What an exchange pins is not mixed with what is live.
	sent, err := k.encryptOrder(t)
	must(t, err)
	_, err = k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Body: old.GetBody(), Exchange: sent.GetExchange()})
	wantError(t, "Decrypt of another version than the exchange pins", err, codes.InvalidArgument, "DECRYPTION_FAILED")
}

func TestNoOtherVersionIsTriedWhereAWrongKeyIsNotToldFromARightOne(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	e := draft()
	e.Encryption = k.unauthenticated(secret)
	k.active(t, "cbc", e)
	other := k.secret(t, "other", keyOf(5)...)
	e = draft(other)
	e.Encryption.RotationGrace = durationpb.New(0)
	k.active(t, "never", e)
	sent := make(map[string][]byte)
	for _, id := range []string{"cbc", "never"} {
		sent[id] = k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte("hello")}).GetBody()
	}
	k.rotate(t, secret, 2)
	k.rotate(t, other, 7)
	for id, body := range sent {
		eventually(t, func() bool { // under CBC, a wrong key may yield garbage
			opened, err := k.open(t, id, body, response)
			return err != nil || string(opened.GetBody()) != "hello"
		}, "%s opens with the version before", id)
	}
}

func TestAnAnswerMayBeSignedWithAnyVersionThatSignedItsQuestion(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	e := withPreset(&allowlistv1.PresetUse{Id: "standard_webhooks", Secrets: map[string]*allowlistv1.SecretRef{
		"secret": {Name: secret, Decoding: allowlistv1.Decoding_DECODING_RAW},
	}})
	e = k.owner.create(t, "hooks", e)
	e.Encryption.Response = e.GetEncryption().GetRequest()
	_, err := k.owner.update(t, e, "encryption")
	must(t, err)
	k.activate(t, "hooks")
	k.rotate(t, secret, 2)
	var asked *allowlistv1.EncryptResponse
	eventually(t, func() bool {
		asked = k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("hooks"), Body: []byte("hello")})
		return len(fields(headersOf(asked.GetHeaders())["webhook-signature"])) == 2
	}, "the version before does not sign")
	stamp := fmt.Sprint(k.clock.now().Unix())
	for version := 1; version <= 3; version++ {
		mac := hmac.New(sha256.New, keyOf(version))
		_, _ = mac.Write([]byte("msg_1." + stamp + ".answer")) // never fails
		_, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
			Name: nameOf("hooks"), Body: []byte("answer"), Exchange: asked.GetExchange(), Headers: map[string]string{
				"webhook-id": "msg_1", "webhook-timestamp": stamp,
				"webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
			},
		})
		if good := version < 3; (err == nil) != good {
			t.Errorf("an answer that is signed with version %d: %v", version, err)
		}
	}
}

func TestListsCarryTheSignaturesOfAllLiveVersions(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	k.active(t, "hooks", withPreset(&allowlistv1.PresetUse{
		Id: "standard_webhooks", Secrets: map[string]*allowlistv1.SecretRef{
			"secret": {Name: secret, Decoding: allowlistv1.Decoding_DECODING_RAW},
		},
	}))
	signatures := func() int {
		sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("hooks"), Body: []byte("hello")})
		return len(fields(headersOf(sent.GetHeaders())["webhook-signature"]))
	}
	if got := signatures(); got != 1 {
		t.Errorf("there are %d signatures before the rotation", got)
	}
	k.rotate(t, secret, 2)
	eventually(t, func() bool { return signatures() == 2 }, "the version before does not sign")
	k.clock.advance(25 * time.Hour)
	if got := signatures(); got != 1 {
		t.Errorf("there are %d signatures after the grace", got)
	}
}
