package exchange_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// A flow is the partner of an endpoint whose responses are encrypted with the key of the request,
// as WhatsApp Flows does.
type flow struct {
	private *rsa.PrivateKey
	key, iv []byte // of the request
}

// startFlow creates an endpoint and the partner that has its public key.
func startFlow(t testing.TB, k *allowlisttest.Kit) *flow {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	allowlisttest.Must(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(private)
	allowlisttest.Must(t, err)
	secret := k.Secret(t, "flow-key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})...)
	k.Active(t, "flow", allowlisttest.WithPreset(&allowlistv1.PresetUse{
		Id: "whatsapp_flows", Secrets: map[string]*allowlistv1.SecretRef{"private_key": {Name: secret}},
	}))
	return &flow{private: private, key: []byte("sesame-canary-16"), iv: []byte("iv-of-16-bytes..")}
}

// gcm returns the cipher of the partner, whose IVs have 16 bytes.
func (f *flow) gcm(t testing.TB) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(f.key)
	allowlisttest.Must(t, err)
	aead, err := cipher.NewGCMWithNonceSize(block, len(f.iv))
	allowlisttest.Must(t, err)
	return aead
}

// ask returns a request of the partner.
func (f *flow) ask(t testing.TB, text string) []byte {
	t.Helper()
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &f.private.PublicKey, f.key, nil)
	allowlisttest.Must(t, err)
	encode := base64.StdEncoding.EncodeToString
	body, err := json.Marshal(map[string]string{
		"encrypted_flow_data": encode(f.gcm(t).Seal(nil, f.iv, []byte(text), nil)),
		"encrypted_aes_key":   encode(wrapped), "initial_vector": encode(f.iv),
	})
	allowlisttest.Must(t, err)
	return body
}

// read decrypts a response to the partner.
func (f *flow) read(t testing.TB, body []byte) string {
	t.Helper()
	sealed, err := base64.StdEncoding.DecodeString(string(body))
	allowlisttest.Must(t, err)
	flipped := make([]byte, len(f.iv))
	for i, b := range f.iv {
		flipped[i] = ^b
	}
	text, err := f.gcm(t).Open(nil, flipped, sealed, nil)
	allowlisttest.Must(t, err)
	return string(text)
}

func TestAnAnswerIsEncryptedWithTheKeyOfItsQuestion(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	partner := startFlow(t, k)
	asked, err := k.Open(t, "flow", partner.ask(t, "ping"), allowlisttest.Request)
	allowlisttest.Must(t, err)
	if string(asked.GetBody()) != "ping" || len(asked.GetExchange()) > 4096 {
		t.Errorf("Decrypt = %q and an exchange of %d characters", asked.GetBody(), len(asked.GetExchange()))
	}
	answer := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{
		Name: allowlisttest.NameOf("flow"), Kind: allowlisttest.Response, Body: []byte("pong"), Exchange: asked.GetExchange(),
	})
	if got := partner.read(t, answer.GetBody()); got != "pong" {
		t.Errorf("the partner reads %q", got)
	}

	// The same with Keyward as the client.
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("flow"), Body: []byte("ping")})
	heard, err := k.Open(t, "flow", sent.GetBody(), allowlisttest.Request)
	allowlisttest.Must(t, err)
	answer = k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{
		Name: allowlisttest.NameOf("flow"), Kind: allowlisttest.Response, Body: []byte("pong"), Exchange: heard.GetExchange(),
	})
	opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: allowlisttest.NameOf("flow"), Body: answer.GetBody(), Exchange: sent.GetExchange(),
	})
	allowlisttest.Must(t, err)
	if string(opened.GetBody()) != "pong" {
		t.Errorf("Decrypt of the response = %q", opened.GetBody())
	}
	// Another request has another key.
	_, err = k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: allowlisttest.NameOf("flow"), Body: answer.GetBody(),
		Exchange: k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("flow"), Body: []byte("ping")}).GetExchange(),
	})
	allowlisttest.WantError(t, "Decrypt with the exchange of another question", err, codes.InvalidArgument, "DECRYPTION_FAILED")
}

func TestAQuestionIsNotAnsweredInTwoWays(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	question := startFlow(t, k).ask(t, "ping")
	answer := func(body string) (*allowlistv1.EncryptResponse, error) {
		// A request that is sent again has the same key and IV.
		asked, err := k.Open(t, "flow", question, allowlisttest.Request)
		allowlisttest.Must(t, err)
		return k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{
			Name: allowlisttest.NameOf("flow"), Kind: allowlisttest.Response, Body: []byte(body), Exchange: asked.GetExchange(),
		})
	}
	first, err := answer("pong")
	allowlisttest.Must(t, err)
	again, err := answer("pong")
	allowlisttest.Must(t, err)
	if !bytes.Equal(first.GetBody(), again.GetBody()) {
		t.Error("the same answer again is another ciphertext")
	}
	_, err = answer("other")
	allowlisttest.WantError(t, "Encrypt of another answer", err, codes.InvalidArgument, "INVALID_EXCHANGE")
}

func TestARestartForgetsNoAnswer(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	partner := startFlow(t, k)
	asked, err := k.Open(t, "flow", partner.ask(t, "ping"), allowlisttest.Request)
	allowlisttest.Must(t, err)
	answer := func(body string) (*allowlistv1.EncryptResponse, error) {
		return k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{
			Name: allowlisttest.NameOf("flow"), Kind: allowlisttest.Response, Body: []byte(body), Exchange: asked.GetExchange(),
		})
	}
	first, err := answer("pong")
	allowlisttest.Must(t, err)
	k.Restart(t)
	_, err = answer("other")
	allowlisttest.WantError(t, "Encrypt of another answer after a restart", err, codes.InvalidArgument, "INVALID_EXCHANGE")
	again, err := answer("pong")
	allowlisttest.Must(t, err)
	if !bytes.Equal(first.GetBody(), again.GetBody()) {
		t.Error("the same answer after a restart is another ciphertext")
	}

	// A crash between the record and the response: the store has it, and the sender does not.
	partner.iv = []byte("another iv......")
	asked, err = k.Open(t, "flow", partner.ask(t, "another ping"), allowlisttest.Request)
	allowlisttest.Must(t, err)
	k.Store.FailReplies(errors.New("the program dies"))
	if lost, err := answer("pong"); err == nil {
		t.Fatalf("Encrypt of an answer that may not be noted = %q", lost.GetBody())
	}
	k.Store.FailReplies(nil)
	k.Restart(t)
	_, err = answer("other")
	allowlisttest.WantError(t, "Encrypt of another answer after a crash", err, codes.InvalidArgument, "INVALID_EXCHANGE")
}

func TestAnAnswerThatNeedsItsQuestionIsRefusedWithoutIt(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	startFlow(t, k)
	_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("flow"), Kind: allowlisttest.Response, Body: []byte("pong")})
	allowlisttest.WantError(t, "Encrypt of an answer without an exchange", err, codes.InvalidArgument, "INVALID_EXCHANGE")
	_, err = k.Open(t, "flow", []byte("!"), allowlisttest.Response)
	allowlisttest.WantError(t, "Decrypt of an answer without an exchange", err, codes.InvalidArgument, "INVALID_EXCHANGE")
}

func TestASessionKeyIsNowhereButInItsMessages(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	partner := startFlow(t, k)
	const canary = "plaintext-canary"
	question := partner.ask(t, canary)
	asked, err := k.Open(t, "flow", question, allowlisttest.Request)
	allowlisttest.Must(t, err)
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("flow"), Kind: allowlisttest.Response, Body: []byte(canary), Exchange: asked.GetExchange()})
	question[len(question)/2] ^= 1 // in one of the three encoded parts
	_, failed := k.Open(t, "flow", question, allowlisttest.Request)
	allowlisttest.WantError(t, "Decrypt of a question that was changed", failed, codes.InvalidArgument, "DECRYPTION_FAILED")
	sealed, err := base64.RawURLEncoding.DecodeString(asked.GetExchange())
	allowlisttest.Must(t, err)
	families, err := k.Metrics.Gather()
	allowlisttest.Must(t, err)
	shown := map[string]string{
		"the exchange": string(sealed), "the error": fmt.Sprint(failed, servertest.Metadata(failed), servertest.Violations(failed)),
		"the endpoint": prototext.Format(k.Owner.Get(t, "flow")), "the metrics": fmt.Sprint(families),
	}
	k.Server.Stop()
	shown["the log"] = k.Env.Log.String()
	stored, err := os.ReadFile(k.Config.Store)
	allowlisttest.Must(t, err)
	shown["the store"] = string(stored)
	for what, text := range shown {
		servertest.MustNotHold(t, what, text, string(partner.key))
		servertest.MustNotHold(t, what, text, canary)
	}
}
