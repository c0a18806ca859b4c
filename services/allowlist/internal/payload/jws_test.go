package payload_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// trueLayer signs as TrueLayer asks: a detached JWS with ES512 over the method, the path, a header,
// and the body.
const trueLayer = `signing { jws { algorithm: ALGORITHM_ES512 header { key: "kid" value: "kid-1" } header { key: "tl_version" value: "2" } ` +
	`header { key: "tl_headers" value: "Idempotency-Key" } } keys { name: "workspaces/acme/secrets/KEY" decoding: DECODING_PEM } ` +
	`input: "${method} ${path}\nIdempotency-Key: ${id}\n${body}" ` +
	`headers { key: "Idempotency-Key" value: "${id}" } headers { key: "Tl-Signature" value: "${signature}" } }`

func TestSignaturesOfTrueLayerVerify(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	// Made with node:crypto, for the key p521_priv.pem.
	const body, id = `{"amount_in_minor":100,"currency":"GBP"}`, "idem-2410328410432"
	const signature = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImtpZC0xIiwidGxfdmVyc2lvbiI6IjIiLCJ0bF9oZWFkZXJzIjoiSWRlbXBvdGVuY3ktS2V5In0..AApRaBCWqbN3mxjF_S-jxTl8pMYvrSoeZ8Urs0-UZMBrsd23o9M_ejdeqiM3iKfyj98cgVn4FOecJEwD_zkLrs5AAJ1EHVlhXcjOXyaEm8Le_gryljjr97RrcBQwrENs8CbxbwBNTiEd4-8enSBC369WMUanDxw7Aaua9ffahS73YySZ"
	for _, key := range []string{"p521", "p521-pub"} {
		p := pipeline(t, strings.Replace(trueLayer, "KEY", key, 1))
		verify := func(body string) error {
			_, err := p.Verify(payload.Input{
				Now: now, Keys: s.keys(t, p.VerifyReferences()), Body: []byte(body), Context: payload.Context{Method: "POST", Path: "/v3/payments"},
				Headers: payload.Headers{"tl-signature": signature, "idempotency-key": id},
			})
			return err
		}
		if err := verify(body); err != nil {
			t.Errorf("%s: Verify: %v", key, err)
		}
		if err := verify(body + " "); !fault.Is(err, payload.SignatureInvalid) {
			t.Errorf("%s: Verify of another body: %v, want SIGNATURE_INVALID", key, err)
		}
	}
	p := pipeline(t, strings.Replace(trueLayer, "KEY", "p521", 1))
	sent, err := p.Encrypt(payload.Input{
		Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte(body),
		Context: payload.Context{Method: "POST", Path: "/v3/payments", ID: id},
	})
	if err != nil || len(sent.Headers) != 2 || len(sent.Headers[1].Value) != len(signature) {
		t.Errorf("Encrypt = %v, %v", sent.Headers, err)
	}
}
