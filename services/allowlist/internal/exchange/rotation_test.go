package exchange_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestAVersionOpensForItsGraceAfterARotation(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	short := allowlisttest.Draft(secret)
	short.Encryption.RotationGrace = durationpb.New(time.Hour)
	k.Active(t, "short", short)
	old, err := k.EncryptOrder(t)
	allowlisttest.Must(t, err)
	k.Rotate(t, secret, 2)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 2) }, "the rotation is not in use")

	opens := func(id string) bool {
		t.Helper()
		opened, err := k.Open(t, id, old.GetBody(), allowlisttest.Request)
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
		k.Clock.Advance(step.after)
		if opens("orders") != step.orders || opens("short") != step.short {
			t.Errorf("%v later, the version before opens for 24 hours, %v, and for one hour, %v", step.after, !step.orders, !step.short)
		}
	}
}

func TestTheAnswerUsesTheVersionThatOpenedTheQuestion(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	old, err := k.EncryptOrder(t)
	allowlisttest.Must(t, err)
	k.Rotate(t, secret, 2)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 2) }, "the rotation is not in use")
	asked, err := k.Open(t, "orders", old.GetBody(), allowlisttest.Request)
	allowlisttest.Must(t, err)
	answer := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{
		Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Response, Body: []byte("answer"), Exchange: asked.GetExchange(),
	})
	if !allowlisttest.Opens(t, 1, answer.GetBody()) {
		t.Error("the answer is not encrypted with the version that the partner used")
	}
	// Versions that an exchange pins are not mixed with the current ones.
	sent, err := k.EncryptOrder(t)
	allowlisttest.Must(t, err)
	_, err = k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Body: old.GetBody(), Exchange: sent.GetExchange()})
	allowlisttest.WantError(t, "Decrypt of another version than the exchange pins", err, codes.InvalidArgument, "DECRYPTION_FAILED")
}

// oneVersionOnly activates two endpoints that decrypt messages with only one version: one cannot
// detect a wrong key, and one has no grace period after a rotation. It returns their secrets, and
// a message of each.
func oneVersionOnly(t testing.TB, k *allowlisttest.Kit) (secret, other string, sent map[string][]byte) {
	t.Helper()
	secret = k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	e := allowlisttest.Draft()
	e.Encryption = k.Unauthenticated(secret)
	k.Active(t, "cbc", e)
	other = k.Secret(t, "other", allowlisttest.KeyOf(5)...)
	e = allowlisttest.Draft(other)
	e.Encryption.RotationGrace = durationpb.New(0)
	k.Active(t, "never", e)
	sent = make(map[string][]byte)
	for _, id := range []string{"cbc", "never"} {
		sent[id] = k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte("hello")}).GetBody()
	}
	return secret, other, sent
}

func TestNoOtherVersionIsTriedIfAWrongKeyCannotBeDetected(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret, other, sent := oneVersionOnly(t, k)
	k.Rotate(t, secret, 2)
	k.Rotate(t, other, 7)
	for id, body := range sent {
		allowlisttest.Eventually(t, func() bool { // under CBC, a wrong key may yield garbage
			opened, err := k.Open(t, id, body, allowlisttest.Response)
			return err != nil || string(opened.GetBody()) != "hello"
		}, "%s opens with the version before", id)
	}
}

func TestAnAnswerMayBeSignedWithAnyVersionThatSignedItsQuestion(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	e := allowlisttest.WithPreset(&allowlistv1.PresetUse{Id: "standard_webhooks", Secrets: map[string]*allowlistv1.SecretRef{
		"secret": {Name: secret, Decoding: allowlistv1.Decoding_DECODING_RAW},
	}})
	e = k.Owner.Create(t, "hooks", e)
	e.Encryption.Response = e.GetEncryption().GetRequest()
	_, err := k.Owner.Update(t, e, "encryption")
	allowlisttest.Must(t, err)
	k.Activate(t, "hooks")
	k.Rotate(t, secret, 2)
	var asked *allowlistv1.EncryptResponse
	allowlisttest.Eventually(t, func() bool {
		asked = k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("hooks"), Body: []byte("hello")})
		return len(fields(allowlisttest.HeadersOf(asked.GetHeaders())["webhook-signature"])) == 2
	}, "the version before does not sign")
	stamp := fmt.Sprint(k.Clock.Now().Unix())
	for version := 1; version <= 3; version++ {
		mac := hmac.New(sha256.New, allowlisttest.KeyOf(version))
		_, _ = mac.Write([]byte("msg_1." + stamp + ".answer")) // never fails
		_, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
			Name: allowlisttest.NameOf("hooks"), Body: []byte("answer"), Exchange: asked.GetExchange(), Headers: map[string]string{
				"webhook-id": "msg_1", "webhook-timestamp": stamp,
				"webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
			},
		})
		if good := version < 3; (err == nil) != good {
			t.Errorf("an answer that is signed with version %d: %v", version, err)
		}
	}
}

func TestListsCarryTheSignaturesOfAllValidVersions(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	k.Active(t, "hooks", allowlisttest.WithPreset(&allowlistv1.PresetUse{
		Id: "standard_webhooks", Secrets: map[string]*allowlistv1.SecretRef{
			"secret": {Name: secret, Decoding: allowlistv1.Decoding_DECODING_RAW},
		},
	}))
	signatures := func() int {
		sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("hooks"), Body: []byte("hello")})
		return len(fields(allowlisttest.HeadersOf(sent.GetHeaders())["webhook-signature"]))
	}
	if got := signatures(); got != 1 {
		t.Errorf("there are %d signatures before the rotation", got)
	}
	k.Rotate(t, secret, 2)
	allowlisttest.Eventually(t, func() bool { return signatures() == 2 }, "the version before does not sign")
	k.Clock.Advance(25 * time.Hour)
	if got := signatures(); got != 1 {
		t.Errorf("there are %d signatures after the grace", got)
	}
}
