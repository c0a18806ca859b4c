package jose_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	library "github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/services/allowlist/internal/payload/internal/wycheproof"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// A group is a key and what it is for.
type group struct {
	Comment string
	Private json.RawMessage
}

// keys returns the private and the public key, or the shared one twice.
func (g group) keys(t *testing.T) (private, public any) {
	t.Helper()
	var jwk library.JSONWebKey
	if err := jwk.UnmarshalJSON(g.Private); err != nil {
		t.Fatal(err)
	}
	if signer, ok := jwk.Key.(crypto.Signer); ok {
		return signer, signer.Public()
	}
	return jwk.Key, jwk.Key
}

// algorithms returns what the message is pinned to: what the key says it is for, or for
// the examples of RFC 7520, whose keys say other things, what their headers say.
func (g group) algorithms(t *testing.T, message string) (alg, enc string) {
	t.Helper()
	var jwk, header struct{ Alg, Enc string }
	if err := json.Unmarshal(g.Private, &jwk); err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(message, ".")
	if decoded, err := base64.RawURLEncoding.DecodeString(text); err == nil && json.Unmarshal(decoded, &header) == nil {
		enc = header.Enc
	}
	if strings.HasPrefix(g.Comment, "rfc") {
		return header.Alg, enc
	}
	return jwk.Alg, enc
}

func TestWycheproofEncryption(t *testing.T) {
	t.Parallel()
	type test struct {
		wycheproof.Case
		PT       wycheproof.Hex
		Enc, JWE string
	}
	opened := 0
	wycheproof.Each(t, "json_web_encryption_test.json", func(g group, tt test) {
		alg, enc := g.algorithms(t, tt.JWE)
		if tt.Enc != "" {
			enc = tt.Enc
		}
		j := jose.JWE{Alg: alg, Enc: enc}
		private, _ := g.keys(t)
		got, _, err := decrypt(j, tt.JWE, private)
		valid := tt.Valid()
		if strings.Contains(alg, "192") || tt.Comment == "Figure170" {
			valid = false // key wrap with 192 bits, and compression, are not ours
		}
		if valid != (err == nil) || valid && !bytes.Equal([]byte(got), tt.PT) {
			t.Errorf("%v: Decrypt as %s, %s = %q, %v", tt.Case, alg, enc, got, err)
		}
		if valid {
			opened++
		}
	})
	if opened < 50 {
		t.Errorf("%d messages opened", opened)
	}
}

func TestWycheproofSignatures(t *testing.T) {
	t.Parallel()
	type test struct {
		wycheproof.Case
		JWS any
	}
	verified := 0
	wycheproof.Each(t, "json_web_signature_test.json", func(g group, tt test) {
		compact, ok := tt.JWS.(string)
		if !ok || g.Private == nil {
			return // the JSON serialization; keys without a private part, to try their use
		}
		alg, _ := g.algorithms(t, compact)
		_, public := g.keys(t)
		_, _, err := jose.JWS{Alg: alg}.Verify([]any{public}, []byte(compact))
		valid := tt.Valid()
		switch {
		case alg == "ES512" || alg == "ES521":
			valid = false // not ours
		case strings.HasPrefix(tt.Comment, "InvalidCharacterInserted"):
			valid = false // they may be passed over, and are not
		case strings.HasPrefix(tt.Comment, "invalidBase64Padding"):
			valid = true // the padding was lost from the vectors: these are the first, ValidMac
		}
		if valid != (err == nil) {
			t.Errorf("%v: Verify as %s = %v", tt.Case, alg, err)
		}
		if valid {
			verified++
		}
	})
	if verified < 30 {
		t.Errorf("%d signatures verified", verified)
	}
}
