package jose_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/pkg/secp256k1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/internal/wycheproof"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// wycheproofKey returns a JSON Web Key and its algorithm.
func wycheproofKey(t *testing.T, jwk json.RawMessage) (key any, alg string) {
	t.Helper()
	var named struct{ Alg string }
	if err := json.Unmarshal(jwk, &named); err != nil {
		t.Fatal(err)
	}
	var parsed gojose.JSONWebKey
	if err := json.Unmarshal(jwk, &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed.Key, named.Alg
}

// wycheproofText returns a message that is a string. This package does not read messages in the
// JSON serialization.
func wycheproofText(raw json.RawMessage) (string, bool) {
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err == nil
}

func TestWycheproofJWE(t *testing.T) {
	t.Parallel()
	type group struct{ Private json.RawMessage }
	type test struct {
		wycheproof.Case
		JWE json.RawMessage
		Enc string
		Pt  wycheproof.Hex
	}
	opened := 0
	wycheproof.Each(t, "json_web_encryption_test.json", func(g group, tt test) {
		key, alg := wycheproofKey(t, g.Private)
		if alg == "A128GCM" { // of RFC 7520 section 5.6, whose key names the cipher it is for
			alg = "dir"
		}
		options := jose.JWE{Alg: alg, Enc: tt.Enc}
		wanted := tt.Valid()
		switch {
		case strings.Contains(alg, "192"): // we have AES Key Wrap with 128 and 256 bits
			if options.Check() == "" {
				t.Errorf("%v: %s is accepted", tt, alg)
			}
			return
		case tt.Comment == "Figure170": // compressed
			options.Compress = true
		}
		text, ok := wycheproofText(tt.JWE)
		if !ok {
			return
		}
		var plaintext []byte
		parts, err := jose.Split([]byte(text))
		if err == nil {
			plaintext, _, err = options.Decrypt([]any{key}, parts)
		}
		switch {
		case wanted && (err != nil || !bytes.Equal(plaintext, tt.Pt)):
			t.Errorf("%v: Decrypt = %q, %v, want %q", tt, plaintext, err, tt.Pt)
		case !wanted && (err == nil || plaintext != nil):
			t.Errorf("%v: Decrypt = %q, %v, want an error", tt, plaintext, err)
		case wanted:
			opened++
		}
	})
	if opened < 50 {
		t.Errorf("only %d messages decrypt", opened)
	}
}

func TestWycheproofJWS(t *testing.T) {
	t.Parallel()
	type group struct{ Private, Public json.RawMessage }
	type test struct {
		wycheproof.Case
		JWS json.RawMessage
	}
	verified := 0
	wycheproof.Each(t, "json_web_signature_test.json", func(g group, tt test) {
		jwk := g.Public
		if jwk == nil {
			jwk = g.Private // a shared key
		}
		key, alg := wycheproofKey(t, jwk)
		wanted := tt.Valid()
		switch tt.Comment {
		case "rejectWrongUse", "rejectWrongKeyOps":
			return // the configuration determines the use of a key, not the key
		case "Figure20":
			alg = "PS384" // the key says PS256, the message of RFC 7520 section 4.2 has PS384
		case "Figure27":
			alg = "ES512" // the key names no algorithm
		case "InvalidCharacterInsertedInHeader", "InvalidCharacterInsertedInPayload":
			wanted = false // the vectors want a `?` passed over; RFC 7515 section 2 does not
		case "invalidBase64Padding", "invalidBase64PaddingInPayload":
			wanted = true // the file lacks the padding: the text is that of ValidMac
		}
		text, ok := wycheproofText(tt.JWS)
		if !ok {
			return
		}
		payload, _, err := jose.JWS{Alg: alg}.Verify([]any{key}, []byte(text))
		switch {
		case wanted && (err != nil || !payloadOf(text, payload)):
			t.Errorf("%v: Verify = %q, %v", tt, payload, err)
		case !wanted && (err == nil || payload != nil):
			t.Errorf("%v: Verify = %q, %v, want an error", tt, payload, err)
		case wanted:
			verified++
		}
	})
	if verified < 30 {
		t.Errorf("only %d signatures verify", verified)
	}
}

// payloadOf reports whether the payload is that of a compact serialization.
func payloadOf(text string, payload []byte) bool {
	pieces := strings.Split(text, ".")
	return len(pieces) == 3 && pieces[1] == base64.RawURLEncoding.EncodeToString(payload)
}

func TestWycheproofSecp256k1(t *testing.T) {
	t.Parallel()
	type group struct{ PublicKey struct{ Uncompressed string } }
	type test struct {
		wycheproof.Case
		Msg, Sig string
	}
	verified := 0
	wycheproof.Each(t, "ecdsa_secp256k1_sha256_p1363_test.json", func(g group, tt test) {
		point, err := hex.DecodeString(g.PublicKey.Uncompressed)
		if err != nil {
			t.Fatal(err)
		}
		key, err := secp256k1.NewPublicKey(point)
		if err != nil {
			t.Fatalf("%v: %v", tt, err)
		}
		message, _ := hex.DecodeString(tt.Msg)
		signature, _ := hex.DecodeString(tt.Sig)
		if got := secp256k1.Verify(key, sha256.Sum256(message), signature); got != tt.Valid() {
			t.Errorf("%v: Verify = %t", tt, got)
		} else if got {
			verified++
		}
	})
	if verified < 100 {
		t.Errorf("only %d signatures verify", verified)
	}
}
