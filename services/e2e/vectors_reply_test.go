package e2e

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// replyEncryption configures the exchange of a reply: a request with a session key, as in WhatsApp
// Flows, and the reply with that key.
func (t *trial) replyEncryption() *allowlistv1.Encryption {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	t.replyKey = &private.PublicKey
	name := t.storeSecret("rsa", vaultv1.Usage_USAGE_KEY, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	m := &mapper{t: t, v: t.v, p: t.p, named: make(map[string]string)}
	part := func(parts ...string) *allowlistv1.Blob {
		b := &allowlistv1.Blob{Encoding: allowlistv1.Encoding_ENCODING_BASE64}
		for _, p := range parts {
			b.Parts = append(b.Parts, m.part(p))
		}
		return b
	}
	// Regardless of the reply, the request uses GCM with a key and an IV of the same lengths.
	algorithm := strings.NewReplacer("_CBC", "_GCM", "_CTR", "_GCM", "CHACHA20_POLY1305", "AES_256_GCM").Replace(m.algorithm().String())
	request := &allowlistv1.Profile{
		Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
			Algorithm: allowlistv1.Cipher_Algorithm(allowlistv1.Cipher_Algorithm_value[algorithm]), Iv: &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_RANDOM, Bytes: t.p.IV.Len},
			Key: &allowlistv1.Cipher_SessionKey{SessionKey: &allowlistv1.SessionKey{
				Wrap: &allowlistv1.SessionKey_RsaOaep{RsaOaep: &allowlistv1.RsaOaep{}},
				Keys: []*allowlistv1.SecretRef{{Name: name, Decoding: allowlistv1.Decoding_DECODING_PEM}},
			}},
		}},
		Envelope: &allowlistv1.Envelope{
			Blobs: map[string]*allowlistv1.Blob{"data": part("ct", "tag"), "key": part("wrapped_key"), "iv": part("iv")},
			Body:  &allowlistv1.Envelope_Json{Json: `{"data":"${data}","key":"${key}","iv":"${iv}"}`},
		},
	}
	response := &allowlistv1.Profile{
		Selection: m.selection(), Envelope: m.envelope(),
		Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
			Algorithm: m.algorithm(), Aad: m.aad(),
			Key: &allowlistv1.Cipher_ExchangeKey{ExchangeKey: &allowlistv1.ExchangeKey{}},
			Iv:  &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_PEER_FLIPPED, Bytes: t.p.IV.Len},
		}},
	}
	return &allowlistv1.Encryption{Request: request, Response: response}
}

// replies decrypts a partner's request with the vector's key and IV, and answers it.
func (t *trial) replies() {
	t.Helper()
	key, err := t.v.Secrets[t.p.Key.Ref].bytes()
	if err != nil {
		t.Fatal(err)
	}
	iv, err := t.v.Secrets[t.p.IV.Ref].bytes()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := t.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: t.endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, Body: t.partnerRequest(key, iv),
	})
	if err != nil {
		t.Fatalf("Decrypt the request: %v", describe(err))
	}
	t.exchange = opened.GetExchange()
	sent := t.encrypt(t.v.Plaintext)
	if got := string(sent.GetBody()); got != t.v.Output.Body {
		t.Errorf("Encrypt = %s, want %s", got, t.v.Output.Body)
	}
}

// partnerRequest is the partner's request, created without Keyward's code.
func (t *trial) partnerRequest(key, iv []byte) []byte {
	t.Helper()
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, t.replyKey, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{
		"data": base64.StdEncoding.EncodeToString(aead.Seal(nil, iv, []byte("{}"), nil)),
		"key":  base64.StdEncoding.EncodeToString(wrapped), "iv": base64.StdEncoding.EncodeToString(iv),
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
