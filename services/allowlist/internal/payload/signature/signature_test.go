package signature_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/secp256k1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// A party has a scheme and its keys.
type party struct {
	name            string
	scheme          signature.Scheme
	private, public any
}

// parties returns all schemes, each with its own key.
func parties(t testing.TB) []party {
	t.Helper()
	rsaKey, rsaPublic := pair(t, "../testdata/keys/rsa2_priv.pem")
	p256, p384, p521 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521())
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	koblitz, err := secp256k1.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long := bytes.Repeat([]byte("k"), 64)
	all := []party{
		{"ECDSA P-256 DER", signature.ECDSA{Hash: crypto.SHA256}, p256, &p256.PublicKey},
		{"ECDSA P-256 P1363", signature.ECDSA{Hash: crypto.SHA256, P1363: true}, p256, &p256.PublicKey},
		{"ECDSA P-384 DER", signature.ECDSA{Hash: crypto.SHA384}, p384, &p384.PublicKey},
		{"ECDSA P-384 P1363", signature.ECDSA{Hash: crypto.SHA384, P1363: true}, p384, &p384.PublicKey},
		{"ECDSA P-521 P1363", signature.ECDSA{Hash: crypto.SHA512, P1363: true}, p521, &p521.PublicKey},
		{"Ed25519", signature.Ed25519{}, edKey, edPublic},
	}
	for _, hash := range []crypto.Hash{crypto.MD5, crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		all = append(all, party{"HMAC " + hash.String(), signature.NewHMAC(hash), long, long},
			party{"secret digest " + hash.String(), signature.SecretDigest{Hash: hash}, long, long})
		if hash != crypto.MD5 {
			all = append(all, party{"RSA PKCS1 " + hash.String(), signature.RSA{Hash: hash}, rsaKey, rsaPublic},
				party{"RSA PSS " + hash.String(), signature.RSA{Hash: hash, PSS: true}, rsaKey, rsaPublic})
		}
	}
	for alg, keys := range map[string][2]any{
		"RS256": {rsaKey, rsaPublic}, "RS384": {rsaKey, rsaPublic}, "RS512": {rsaKey, rsaPublic},
		"PS256": {rsaKey, rsaPublic}, "PS384": {rsaKey, rsaPublic}, "PS512": {rsaKey, rsaPublic},
		"ES256": {p256, &p256.PublicKey}, "ES384": {p384, &p384.PublicKey}, "ES512": {p521, &p521.PublicKey}, "EdDSA": {edKey, edPublic},
		"ES256K": {koblitz, koblitz.Public()},
		"HS256":  {long, long}, "HS384": {long, long}, "HS512": {long, long},
	} {
		all = append(all, party{"JWS " + alg, signature.JWS{JWS: jose.JWS{Alg: alg}}, keys[0], keys[1]})
	}
	return all
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// config returns a configuration whose headers carry every possible value, under the scheme.
func (p *party) config() signature.Config {
	input := "${id}.${timestamp}.${method}.${body}"
	if _, ok := p.scheme.(signature.SecretDigest); ok {
		input += "${secret}"
	}
	return signature.Config{
		Scheme: p.scheme, Input: input, Encoding: template.Base64URL, Tolerance: 5 * time.Minute,
		Headers: map[string]string{"X-Id": "${id}", "X-Signature": "t=${timestamp};s=${signature};v=${*}"},
	}
}

func TestEverySchemeVerifiesItsOwnSignaturesOnly(t *testing.T) {
	t.Parallel()
	for _, p := range parties(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s, public := compile(t, p.config()), []any{p.public}
			sent := sign(t, s, []any{p.private}, webhook())
			got, err := s.Verify(public, webhook(), received(sent))
			want := signature.Verified{ID: "msg_1", Time: now().Truncate(time.Second)}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Fatalf("Verify(Sign) = %v, (-want +got):\n%s", err, diff)
			}
			for what, change := range map[string]func(m *signature.Message, sent map[string]string){
				"a byte more":            func(m *signature.Message, _ map[string]string) { m.Body = append(m.Body, ' ') },
				"no body":                func(m *signature.Message, _ map[string]string) { m.Body = nil },
				"another id in the call": func(m *signature.Message, _ map[string]string) { m.ID = "msg_2" },
				"another method":         func(m *signature.Message, _ map[string]string) { m.Method = "PUT" },
				"another id":             func(_ *signature.Message, sent map[string]string) { sent["X-Id"] = "msg_2" },
				"another time":           replace("X-Signature", "t=1767366245", "t=1767366246"),
				"no id":                  func(_ *signature.Message, sent map[string]string) { delete(sent, "X-Id") },
				"an empty id":            func(_ *signature.Message, sent map[string]string) { sent["X-Id"] = "" },
				"a blank id":             func(_ *signature.Message, sent map[string]string) { sent["X-Id"] = " " },
				"no signature":           func(_ *signature.Message, sent map[string]string) { delete(sent, "X-Signature") },
				"an empty signature":     func(_ *signature.Message, sent map[string]string) { sent["X-Signature"] = "t=1767366245;s=;v=" },
				"a signature of 1 byte":  func(_ *signature.Message, sent map[string]string) { sent["X-Signature"] = "t=1767366245;s=AA;v=" },
				"another encoding":       replace("X-Signature", ";s=", ";s=+"),
				"another literal":        replace("X-Signature", ";s=", ";S="),
				"something behind":       func(_ *signature.Message, sent map[string]string) { sent["X-Id"] += " x" },
				"the header twice":       func(_ *signature.Message, sent map[string]string) { sent["X-Id"] += ", " + sent["X-Id"] },
				"the signature cut":      cutSignature,
				"the signature flipped":  flipSignature,
				"a line in the encoding": replace("X-Signature", ";v=", "\n;v="),
			} {
				m, headers := webhook(), maps.Clone(sent)
				change(&m, headers)
				if got, err := s.Verify(public, m, received(headers)); !errors.Is(err, signature.ErrInvalid) {
					t.Errorf("Verify with %s = %v, %v, want ErrInvalid", what, got, err)
				}
			}
			sent["X-Signature"] = "\t" + sent["X-Signature"] + "whatever; it is "
			if _, err := s.Verify(public, webhook(), received(sent)); err != nil {
				t.Errorf("Verify with white space at the ends and something where it does not matter = %v", err)
			}
		})
	}
}

func replace(name, old, with string) func(*signature.Message, map[string]string) {
	return func(_ *signature.Message, sent map[string]string) {
		sent[name] = strings.Replace(sent[name], old, with, 1)
	}
}

func cutSignature(_ *signature.Message, sent map[string]string) {
	before, _, _ := strings.Cut(sent["X-Signature"], ";v=")
	sent["X-Signature"] = before[:len(before)-4] + ";v="
}

// flipSignature changes the first character of the last third, in a JWS one of the signature.
func flipSignature(_ *signature.Message, sent map[string]string) {
	value := []byte(sent["X-Signature"])
	at := bytes.LastIndexAny(value, ".=") // of `v=`
	at = bytes.LastIndexAny(value[:at], ".=") + 1
	value[at] = map[bool]byte{true: 'B', false: 'A'}[value[at] == 'A']
	sent["X-Signature"] = string(value)
}

func TestKeysThatDoNotFitAreOurFault(t *testing.T) {
	t.Parallel()
	all := parties(t)
	for _, p := range all {
		s := compile(t, p.config())
		sent := sign(t, s, []any{p.private}, webhook())
		keys := []any{nil, []byte(nil), []byte{}, "text", ed25519.PrivateKey("short"), ed25519.PublicKey("short"), ecKey(t, elliptic.P224())}
		for _, other := range all {
			if fmt.Sprintf("%T", other.private) != fmt.Sprintf("%T", p.private) {
				keys = append(keys, other.private)
			}
		}
		for _, key := range keys {
			if _, err := s.Sign(rand.Reader, []any{key}, webhook()); !errors.Is(err, signature.ErrKey) {
				t.Errorf("%s: Sign with a %T = %v, want ErrKey", p.name, key, err)
			}
			// For any message, and even next to a valid key.
			for _, headers := range []map[string]string{sent, {}} {
				if _, err := s.Verify([]any{p.public, key}, webhook(), received(headers)); !errors.Is(err, signature.ErrKey) {
					t.Errorf("%s: Verify with a %T = %v, want ErrKey", p.name, key, err)
				}
			}
		}
		if _, err := s.Sign(rand.Reader, nil, webhook()); !errors.Is(err, signature.ErrKey) {
			t.Errorf("%s: Sign without a key = %v, want ErrKey", p.name, err)
		}
		if _, err := s.Verify(nil, webhook(), received(sent)); !errors.Is(err, signature.ErrKey) {
			t.Errorf("%s: Verify without a key = %v, want ErrKey", p.name, err)
		}
	}
}

func TestCurvesAndAlgorithmsAreNotMixed(t *testing.T) {
	t.Parallel()
	p256, p384 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	for _, tt := range []struct {
		name   string
		scheme signature.Scheme
		key    *ecdsa.PrivateKey
	}{
		{"a P-384 key for P-256", signature.ECDSA{Hash: crypto.SHA256}, p384},
		{"a P-256 key for P-384", signature.ECDSA{Hash: crypto.SHA384}, p256},
		{"a P-384 key for ES256", signature.JWS{JWS: jose.JWS{Alg: "ES256"}}, p384},
		{"a P-256 key for ES384", signature.JWS{JWS: jose.JWS{Alg: "ES384"}}, p256},
	} {
		c := over("")
		c.Scheme = tt.scheme
		s := compile(t, c)
		if _, err := s.Sign(rand.Reader, []any{tt.key}, webhook()); !errors.Is(err, signature.ErrKey) {
			t.Errorf("Sign with %s = %v, want ErrKey", tt.name, err)
		}
		if _, err := s.Verify([]any{&tt.key.PublicKey}, webhook(), received(nil)); !errors.Is(err, signature.ErrKey) {
			t.Errorf("Verify with %s = %v, want ErrKey", tt.name, err)
		}
	}
	c := over("")
	c.Scheme = signature.JWS{JWS: jose.JWS{Alg: "HS256"}}
	if _, err := compile(t, c).Verify([]any{make([]byte, 31)}, webhook(), received(nil)); !errors.Is(err, signature.ErrKey) {
		t.Errorf("Verify of HS256 with 31 bytes = %v, want ErrKey", err)
	}
}

func TestP1363HasOneLength(t *testing.T) {
	t.Parallel()
	c, key := over(""), ecKey(t, elliptic.P256())
	c.Scheme = signature.ECDSA{Hash: crypto.SHA256, P1363: true}
	s := compile(t, c)
	good := sign(t, s, []any{key}, webhook())["X-Signature"]
	for _, value := range []string{"00" + good, good[:64] + "00" + good[64:], good + "00", good[:126], "00" + good[:64] + "00" + good[64:]} {
		if _, err := s.Verify([]any{&key.PublicKey}, webhook(), received(map[string]string{"x-signature": value})); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("Verify of %d digits = %v, want ErrInvalid", len(value), err)
		}
	}
}

func TestASignatureOfRawBytesIsNotSent(t *testing.T) {
	t.Parallel()
	c := over("")
	c.Encoding = template.Raw
	if _, violations := signature.New(c); len(violations) != 1 || violations[0].Field != "encoding" {
		t.Errorf("New with RAW: %v, want one about the encoding", violations)
	}
	c.Scheme = signature.JWS{JWS: jose.JWS{Alg: "RS256"}}
	compile(t, c) // it has its own encoding
}

// TestSigningDoesNotCopyTheBody is not parallel, so that it measures itself only.
func TestSigningDoesNotCopyTheBody(t *testing.T) {
	m := webhook()
	m.Body = make([]byte, 1<<20)
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bare, filtered, ed := over("${timestamp}.${body}"), over("${body|base64|sha256|hex}"), over("${body}")
	ed.Scheme = signature.Ed25519{}
	for name, tt := range map[string]struct {
		config          signature.Config
		private, public any
	}{
		"a MAC":                        {bare, []byte("k"), []byte("k")},
		"a MAC over a digest":          {filtered, []byte("k"), []byte("k")},
		"Ed25519 over the body itself": {ed, edKey, edPublic},
	} {
		s := compile(t, tt.config)
		headers := received(sign(t, s, []any{tt.private}, m))
		got := allocated(func() {
			if _, err := s.Sign(nil, []any{tt.private}, m); err != nil {
				t.Errorf("%s: Sign = %v", name, err)
			}
			if _, err := s.Verify([]any{tt.public}, m, headers); err != nil {
				t.Errorf("%s: Verify = %v", name, err)
			}
		})
		if got > 32<<10 {
			t.Errorf("%s allocates %d bytes for a body of 1 MiB", name, got)
		}
	}
}

// allocated returns how many bytes f allocates. Nothing else may run at the same time.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
