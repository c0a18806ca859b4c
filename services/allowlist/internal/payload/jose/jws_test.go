package jose_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// hs256 signs any header and payload.
func hs256(header, payload string) string {
	input := b64(header) + "." + payload
	mac := hmac.New(sha256.New, secret[:32])
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestUnencodedPayloadsAreSignedAsTheyAre(t *testing.T) {
	t.Parallel()
	for alg, p := range signings() {
		j := jose.JWS{Alg: alg, Unencoded: true, Header: map[string]string{"kid": "k"}}
		for _, payload := range []string{"", ".", sample, "a.b\x00\xff"} {
			text, err := j.SignDetached(now, rand.Reader, p.write, []byte(payload))
			if err != nil {
				t.Fatalf("%s: SignDetached: %v", alg, err)
			}
			if _, err := j.VerifyDetached([]any{p.read}, text, []byte(payload)); err != nil {
				t.Errorf("%s: VerifyDetached of %q = %v", alg, payload, err)
			}
			if _, err := j.VerifyDetached([]any{p.read}, text, []byte(payload+"x")); !errors.Is(err, jose.ErrSignature) {
				t.Errorf("%s: VerifyDetached of another payload = %v, want ErrSignature", alg, err)
			}
		}
	}
}

func TestSignedHeadersSayWhatTheOptionsSay(t *testing.T) {
	t.Parallel()
	j := jose.JWS{Alg: "HS256", Header: map[string]string{"typ": "JWT", "kid": "k"}, IssuedAt: jose.Seconds, Unencoded: true}
	text, err := j.SignDetached(now, rand.Reader, secret[:32], nil)
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(text), ".")
	if got, want := string(unb64(t, header)), `{"alg":"HS256","kid":"k","typ":"JWT","iat":1772600767,"b64":false,"crit":["b64"]}`; got != want {
		t.Errorf("the header is %s, want %s", got, want)
	}
}

func TestASignatureOfNodeOnSecp256k1Verifies(t *testing.T) {
	t.Parallel()
	// Made with node:crypto.
	const jwk = `{"kty":"EC","x":"iFCCgjHN7rf8Xjsr1ZcTGVnyyaYal9mUzlXYtMNX0oM","y":"8Md-g3DrN5Hl6fVxZo6Ex8zgWca2C1CUQQ4pvmrnwT4","crv":"secp256k1"}`
	const compact = "eyJhbGciOiJFUzI1NksifQ.YSBtZXNzYWdl.4Slb0K826ImroZ0eQFJbhjMlX9ULzAgFbWD_rI0z3eBXYLZVqxRjuKO9mEqSyaG0xg8MPjrXmUZVvgyaLpxtkg"
	key, _, err := keyform.ParsePublic([]byte(jwk))
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := (jose.JWS{Alg: "ES256K"}).Verify([]any{key}, []byte(compact)); err != nil || string(got) != "a message" {
		t.Errorf("Verify = %q, %v", got, err)
	}
	for _, alg := range []string{"ES256", "ES384", "EdDSA", "RS256"} {
		if got, _, err := (jose.JWS{Alg: alg}).Verify([]any{key}, []byte(compact)); err == nil {
			t.Errorf("Verify as %s = %q, want an error", alg, got)
		}
	}
}

func TestTheKeyThatSignedIsNamed(t *testing.T) {
	t.Parallel()
	ring := keyRing()
	wrong := map[string]any{
		"H": bytes.Repeat([]byte{9}, 64), "R": public(storedKey(t, "keys/rsa_priv.pem")), "P": public(storedKey(t, "keys/rsa2_priv.pem")),
		"E": public(storedKey(t, "keys/ec_priv.pem")),
	}
	for alg, p := range signings() {
		other, ok := wrong[alg[:1]]
		if alg == "ES384" || alg == "ES512" || alg == "ES256K" || alg == "EdDSA" {
			other, ok = p.read, false // no other key of this kind
		}
		j := jose.JWS{Alg: alg}
		compact, err := j.Sign(now, rand.Reader, p.write, []byte(sample))
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if ok {
			want = 2
		}
		got, which, err := j.Verify([]any{other, other, p.read}, compact)
		if err != nil || which != want || string(got) != sample {
			t.Errorf("%s: Verify = %q by key %d, %v, want key %d", alg, got, which, err, want)
		}
		if _, _, err := j.Verify([]any{other, other}, compact); ok && !errors.Is(err, jose.ErrSignature) {
			t.Errorf("%s: Verify with other keys = %v, want ErrSignature", alg, err)
		}
		if _, _, err := j.Verify(nil, compact); !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s: Verify without keys = %v, want ErrKey", alg, err)
		}
		_, _, err = j.Verify([]any{ring["X25519"].write}, compact)
		if !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s: Verify with a key for agreements = %v, want ErrKey", alg, err)
		}
	}
}

func public(key crypto.PrivateKey) any { return key.(crypto.Signer).Public() }

func TestKeysThatDoNotFitSignNothing(t *testing.T) {
	t.Parallel()
	ring := keyRing()
	der := must(x509.MarshalPKIXPublicKey(ring["RSA"].write))
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	tests := []struct {
		name, alg    string
		sign, verify any
	}{
		{"a public key's PEM under RS256", "RS256", text, text},
		{"a public key under HS256", "HS256", ring["RSA"].write, ring["RSA"].write},
		{"a shared key that is too short", "HS256", secret[:31], secret[:31]},
		{"a shared key that is too short for SHA-512", "HS512", secret[:63], secret[:63]},
		{"another curve", "ES256", ring["P-384"].read, ring["P-384"].write},
		{"an elliptic curve key for RSA", "PS256", ring["P-256"].read, ring["P-256"].write},
		{"an RSA key for an elliptic curve", "ES384", ring["RSA"].read, ring["RSA"].write},
		{"an elliptic curve key for Ed25519", "EdDSA", ring["P-256"].read, ring["P-256"].write},
		{"the halves of a pair exchanged", "RS256", ring["RSA"].write, ring["RSA"].read},
		{"no key", "HS256", nil, nil},
	}
	for _, tt := range tests {
		j := jose.JWS{Alg: tt.alg}
		if _, err := j.Sign(now, rand.Reader, tt.sign, nil); !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s: Sign = %v, want ErrKey", tt.name, err)
		}
		compact, err := j.Sign(now, rand.Reader, signings()[tt.alg].write, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := j.Verify([]any{tt.verify}, compact); !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s: Verify = %v, want ErrKey", tt.name, err)
		}
	}
}

func TestSignaturesThatAreNotAsTheOptionsSayAreRefused(t *testing.T) {
	t.Parallel()
	key := secret[:32]
	j := jose.JWS{Alg: "HS256"}
	payload := b64(sample)
	good := hs256(`{"alg":"HS256"}`, payload)
	tests := []struct {
		name, compact string
		want          error
	}{
		{"a valid message", good, nil},
		{"members that mean nothing", hs256(`{ "typ":"JWT", "jwk":{"kty":"oct"}, "alg":"HS256" }`, payload), nil},
		{"no signature", b64(`{"alg":"none"}`) + "." + payload + ".", jose.ErrMessage},
		{"another alg", hs256(`{"alg":"HS512"}`, payload), jose.ErrMessage},
		{"alg in another case", hs256(`{"alg":"hs256"}`, payload), jose.ErrMessage},
		{"alg under another name", hs256(`{"Alg":"HS256"}`, payload), jose.ErrMessage},
		{"alg twice", hs256(`{"alg":"HS256","alg":"HS256"}`, payload), jose.ErrMessage},
		{"crit", hs256(`{"alg":"HS256","crit":["exp"],"exp":1}`, payload), jose.ErrMessage},
		{"an unencoded payload", hs256(`{"alg":"HS256","b64":false,"crit":["b64"]}`, payload), jose.ErrMessage},
		{"an encoded payload that says so", hs256(`{"alg":"HS256","b64":true,"crit":["b64"]}`, payload), jose.ErrMessage},
		{"b64 that is not critical", hs256(`{"alg":"HS256","b64":false}`, payload), jose.ErrMessage},
		{"a payload that is not base64url", hs256(`{"alg":"HS256"}`, "a+/="), jose.ErrMessage},
		{"a payload with a line end", hs256(`{"alg":"HS256"}`, payload+"\n"), jose.ErrMessage},
		{"a signature that is not base64url", good + "=", jose.ErrMessage},
		{"a signature of a book", good + strings.Repeat("A", 1<<20), jose.ErrMessage},
		{"a signature cut short", good[:len(good)-3], jose.ErrSignature},
		{"four parts", good + ".", jose.ErrMessage},
		{"two parts", b64(`{"alg":"HS256"}`) + "." + payload, jose.ErrMessage},
		{"nothing", "", jose.ErrMessage},
		{"dots", "..", jose.ErrMessage},
	}
	for _, tt := range tests {
		got, _, err := j.Verify([]any{key}, []byte(tt.compact))
		if !errors.Is(err, tt.want) || err == nil && string(got) != sample {
			t.Errorf("%s: Verify = %q, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	for i := range good {
		changed := []byte(good)
		changed[i] ^= 1
		if got, _, err := j.Verify([]any{key}, changed); err == nil {
			t.Errorf("with character %d changed Verify = %q", i, got)
		}
		if got, _, err := j.Verify([]any{key}, []byte(good[:i])); err == nil {
			t.Errorf("cut to %d characters Verify = %q", i, got)
		}
	}
}

func TestDetachedSignaturesAreAsTheOptionsSay(t *testing.T) {
	t.Parallel()
	key := secret[:32]
	detach := func(header, encoded string) string {
		part := strings.Split(hs256(header, encoded), ".")
		return part[0] + ".." + part[len(part)-1]
	}
	encoded, unencoded := jose.JWS{Alg: "HS256"}, jose.JWS{Alg: "HS256", Unencoded: true}
	tests := []struct {
		name string
		j    jose.JWS
		text string
		want error
	}{
		{"encoded", encoded, detach(`{"alg":"HS256"}`, b64(sample)), nil},
		{"encoded where it should not be", unencoded, detach(`{"alg":"HS256"}`, b64(sample)), jose.ErrMessage},
		{"encoded as declared", unencoded, detach(`{"alg":"HS256","b64":true,"crit":["b64"]}`, b64(sample)), jose.ErrMessage},
		{"b64 is null", unencoded, detach(`{"alg":"HS256","b64":null,"crit":["b64"]}`, b64(sample)), jose.ErrMessage},
		{"b64 is a text", unencoded, detach(`{"alg":"HS256","b64":"false","crit":["b64"]}`, b64(sample)), jose.ErrMessage},
		{"b64 is not critical", unencoded, detach(`{"alg":"HS256","b64":false}`, b64(sample)), jose.ErrMessage},
		{"something else is critical too", unencoded, detach(`{"alg":"HS256","b64":false,"crit":["b64","exp"]}`, b64(sample)), jose.ErrMessage},
		{"a payload that is not detached", encoded, hs256(`{"alg":"HS256"}`, b64(sample)), jose.ErrMessage},
		{"of another payload", encoded, detach(`{"alg":"HS256"}`, b64("other")), jose.ErrSignature},
	}
	for _, tt := range tests {
		if _, err := tt.j.VerifyDetached([]any{key}, []byte(tt.text), []byte(sample)); !errors.Is(err, tt.want) {
			t.Errorf("%s: VerifyDetached = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestImpossibleOptionsSignNothing(t *testing.T) {
	t.Parallel()
	for name, j := range map[string]jose.JWS{
		"none":                       {Alg: "none"},
		"an unknown alg":             {Alg: "ES1024"},
		"no alg":                     {},
		"crit among the members":     {Alg: "HS256", Header: map[string]string{"crit": "x"}},
		"alg among the members":      {Alg: "HS256", Header: map[string]string{"alg": "none"}},
		"a member that is not UTF-8": {Alg: "HS256", Header: map[string]string{"kid": "\xff"}},
	} {
		if j.Check() == "" {
			t.Errorf("%s: Check reports no violation", name)
		}
		if _, err := j.Sign(now, rand.Reader, secret[:32], nil); !errors.Is(err, jose.ErrOptions) {
			t.Errorf("%s: Sign = %v, want ErrOptions", name, err)
		}
		if _, err := j.SignDetached(now, rand.Reader, secret[:32], nil); !errors.Is(err, jose.ErrOptions) {
			t.Errorf("%s: SignDetached = %v, want ErrOptions", name, err)
		}
		if _, _, err := j.Verify([]any{secret[:32]}, []byte(hs256(`{"alg":"none"}`, ""))); !errors.Is(err, jose.ErrOptions) {
			t.Errorf("%s: Verify = %v, want ErrOptions", name, err)
		}
	}
	attached := jose.JWS{Alg: "HS256", Unencoded: true}
	if _, err := attached.Sign(now, rand.Reader, secret[:32], nil); !errors.Is(err, jose.ErrOptions) {
		t.Errorf("Sign of an unencoded payload = %v, want ErrOptions", err)
	}
	if _, _, err := attached.Verify([]any{secret[:32]}, []byte(hs256(`{"alg":"HS256","b64":false,"crit":["b64"]}`, "x"))); !errors.Is(err, jose.ErrOptions) {
		t.Errorf("Verify of an unencoded payload = %v, want ErrOptions", err)
	}
}
