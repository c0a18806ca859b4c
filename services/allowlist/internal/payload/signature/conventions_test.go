package signature_test

import (
	"crypto"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// now is a moment with a fraction of a second.
func now() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 678e6, time.UTC) }

// webhook is a message with everything that a template may ask for.
func webhook() signature.Message {
	return signature.Message{
		Body: []byte(`{"sealed":"AAEC"}`), Plaintext: []byte(`{"amount":12.50,"note":"a\nb","list":[true]}`), PlaintextKnown: true,
		Time: now(), ID: "msg_1", Method: "POST", Host: "api.example.test", Path: "/v1/hook", Query: "a=1&b=", ContentType: "application/json",
	}
}

// standardWebhooks is the configuration of Standard Webhooks.
func standardWebhooks() signature.Config {
	return signature.Config{
		Scheme:    signature.NewHMAC(crypto.SHA256),
		Input:     "${id}.${timestamp}.${body}",
		Headers:   map[string]string{"webhook-id": "${id}", "webhook-timestamp": "${timestamp}", "webhook-signature": "${signatures}"},
		Encoding:  template.Base64,
		List:      &signature.List{Item: "v1,${signature}", Separator: " "},
		Tolerance: 5 * time.Minute,
	}
}

// stripe is the configuration of Stripe's webhooks.
func stripe() signature.Config {
	return signature.Config{
		Scheme:    signature.NewHMAC(crypto.SHA256),
		Input:     "${timestamp}.${body}",
		Headers:   map[string]string{"Stripe-Signature": "t=${timestamp},${signatures}"},
		Encoding:  template.Hex,
		List:      &signature.List{Item: "v1=${signature}", Separator: ","},
		Tolerance: 5 * time.Minute,
	}
}

// over is a configuration that signs an input into the header X-Signature.
func over(input string) signature.Config {
	return signature.Config{
		Scheme: signature.NewHMAC(crypto.SHA256), Input: input,
		Headers: map[string]string{"X-Signature": "${signature}"}, Encoding: template.Hex, Tolerance: 5 * time.Minute,
	}
}

func TestKnownAnswersOfPartnersDocuments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		config  signature.Config
		key     string
		message signature.Message
		want    map[string]string
	}{
		{
			"Slack signs the version, the time and the body",
			signature.Config{
				Scheme: signature.NewHMAC(crypto.SHA256), Input: "v0:${timestamp}:${body}", Encoding: template.Hex,
				Headers: map[string]string{"X-Slack-Request-Timestamp": "${timestamp}", "X-Slack-Signature": "v0=${signature}"},
			},
			"8f742231b10e8888abcd99yyyzzz85a5",
			signature.Message{Time: time.Unix(1531420618, 0), Body: []byte("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c")},
			map[string]string{
				"X-Slack-Request-Timestamp": "1531420618",
				"X-Slack-Signature":         "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
			},
		},
		{
			"Shopify signs the body in base64",
			signature.Config{
				Scheme: signature.NewHMAC(crypto.SHA256), Encoding: template.Base64,
				Headers: map[string]string{"X-Shopify-Hmac-Sha256": "${signature}"},
			},
			"hush",
			signature.Message{Body: []byte(`{"id":820982911946154508}`)},
			// The output of openssl dgst -sha256 -hmac hush -binary for the body.
			map[string]string{"X-Shopify-Hmac-Sha256": "qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I="},
		},
		{
			"iServeU signs a digest of the body among other values",
			signature.Config{
				Scheme: signature.NewHMAC(crypto.SHA256), Encoding: template.Base64,
				Input:   "${method}|${path}|${content_type}|${id}|${timestamp_ms}|${body|sha256|hex}",
				Headers: map[string]string{"X-Request": "${id};${timestamp_ms};${signature}"},
			},
			"hush", webhook(),
			// The output of openssl for the assembled input.
			map[string]string{"X-Request": "msg_1;1767366245678;AKLGb3NSIVlKRf57vT9cTlZC2goFw9c9G76LU8A5T68="},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := compile(t, tt.config)
			key := []any{[]byte(tt.key)}
			if diff := cmp.Diff(tt.want, sign(t, s, key, tt.message)); diff != "" {
				t.Errorf("Sign: headers (-want +got):\n%s", diff)
			}
			if _, err := s.Verify(key, tt.message, received(tt.want)); err != nil {
				t.Errorf("Verify: %v", err)
			}
		})
	}
}

func TestWeChatPayAndAlipayAreExpressible(t *testing.T) {
	t.Parallel()
	private, public := pair(t, "../testdata/keys/rsa2_priv.pem")
	for name, config := range map[string]signature.Config{
		"WeChat Pay, a request": {
			Scheme: signature.RSA{Hash: crypto.SHA256}, Encoding: template.Base64, Tolerance: 5 * time.Minute,
			Input:   "${method}\n${path}\n${timestamp}\n${id}\n${body}\n",
			Headers: map[string]string{"Authorization": `WECHATPAY2-SHA256-RSA2048 mchid="1",nonce_str="${id}",timestamp="${timestamp}",serial_no="5A",signature="${signature}"`},
		},
		"WeChat Pay, a notification": {
			Scheme: signature.RSA{Hash: crypto.SHA256}, Encoding: template.Base64, Tolerance: 5 * time.Minute,
			Input:   "${timestamp}\n${id}\n${body}\n",
			Headers: map[string]string{"Wechatpay-Timestamp": "${timestamp}", "Wechatpay-Nonce": "${id}", "Wechatpay-Signature": "${signature}", "Wechatpay-Serial": "5A"},
		},
		"Alipay's RSA2": {
			Scheme: signature.RSA{Hash: crypto.SHA256}, Encoding: template.Base64,
			Headers: map[string]string{"alipay-signature": "algorithm=RSA256,keyVersion=1,signature=${signature}"},
		},
	} {
		s := compile(t, config)
		sent := sign(t, s, []any{private}, webhook())
		if _, err := s.Verify([]any{public}, webhook(), received(sent)); err != nil {
			t.Errorf("%s: Verify(Sign) = %v", name, err)
		}
		changed := webhook()
		changed.Body = append(changed.Body, ' ')
		if _, err := s.Verify([]any{public}, changed, received(sent)); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("%s: Verify of another body = %v, want ErrInvalid", name, err)
		}
	}
}
