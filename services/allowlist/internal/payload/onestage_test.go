package payload_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// blocks encrypts whole blocks under keyA and an IV of zeros, as only a holder of the key can, and
// returns them as they occur in a message.
func blocks(t testing.TB, plaintext string) string {
	t.Helper()
	block, err := aes.NewCipher(unhex(t, keyA))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, aes.BlockSize+len(plaintext))
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], []byte(plaintext))
	return base64.StdEncoding.EncodeToString(out)
}

// ciphertexts returns messages under CBC, keyed by their content.
func ciphertexts(t testing.TB) map[string]string {
	t.Helper()
	return map[string]string{
		"good":                blocks(t, `{"a":1}`+strings.Repeat("\x09", 9)),
		"bad padding":         blocks(t, `{"a":1}`+"\x01"+strings.Repeat("\x09", 8)),
		"no padding":          blocks(t, strings.Repeat("x", 16)),
		"padding of nothing":  blocks(t, strings.Repeat("\x00", 16)),
		"only padding":        blocks(t, strings.Repeat("\x10", 16)),
		"no JSON":             blocks(t, "no JSON"+strings.Repeat("\x09", 9)),
		"no text":             blocks(t, "\xff\xfe no"+strings.Repeat("\x0b", 11)),
		"half a block is not": base64.StdEncoding.EncodeToString(make([]byte, 16+8)),
	}
}

// tells decrypts messages that all fail, and fails the test unless they fail in the same way.
func tells(t *testing.T, s safe, p *payload.Pipeline, reason fault.Reason, messages map[string]payload.Output) {
	t.Helper()
	for name, sent := range messages {
		out, err := s.decrypt(t, p, sent)
		f, _ := fault.From(err)
		if !fault.Is(err, reason) || out.Body != nil || len(f.Metadata) > 0 {
			t.Errorf("%s: Decrypt = %q, %v, want %s", name, out.Body, err, reason)
			continue
		}
		if payload.Stage(err) != "decrypt" {
			t.Errorf("%s: the stage is %q, want the same as for all", name, payload.Stage(err))
		}
		for other, again := range messages {
			if _, second := s.decrypt(t, p, again); second == nil || second.Error() != err.Error() {
				t.Errorf("%q and %q differ: %v, %v", name, other, err, second)
			}
		}
	}
}

// bodies places ciphertexts where a profile expects them.
func bodies(format string, ciphertexts map[string]string, names ...string) map[string]payload.Output {
	all := make(map[string]payload.Output, len(names))
	for _, name := range names {
		all[name] = payload.Output{Body: []byte(strings.ReplaceAll(format, "%", ciphertexts[name]))}
	}
	return all
}

func TestAMessageThatNothingAuthenticatesStopsAtOneStage(t *testing.T) {
	t.Parallel()
	s, in := newSafe(t), ciphertexts(t)
	bad := []string{"bad padding", "no padding", "padding of nothing", "half a block is not"}
	wrong := append([]string{"only padding", "no JSON", "no text"}, bad...)
	jws := `nested_jws { jws { algorithm: ALGORITHM_HS256 } ` + named("b", "HEX") + ` } `
	for name, c := range map[string]struct {
		profile, format string
		of              []string
	}{
		"a whole body":           {cbc, "%", bad},
		"a value":                {cbc + fields("", "$.v"), `{"v":"%"}`, wrong},
		"the first of two":       {cbc + fields("", "$.v", "$.w"), `{"v":"%","w":"` + in["good"] + `"}`, wrong},
		"the second of two":      {cbc + fields("", "$.v", "$.w"), `{"v":"` + in["good"] + `","w":"%"}`, wrong},
		"an object":              {cbc + `selection { object { path: "$.v" } } `, `{"v":"%"}`, wrong},
		"a nested signature":     {cbc + jws, "%", append([]string{"good"}, wrong...)},
		"before a wrong layout":  {cbc + fields("", "$.v", "$.w"), `{"v":"%","w":"!"}`, append([]string{"good"}, wrong...)},
		"before no text at all":  {cbc + fields("", "$.v", "$.w"), `{"v":"%","w":4}`, append([]string{"good"}, wrong...)},
		"before a short message": {cbc + fields("", "$.v", "$.w"), `{"v":"%","w":"AAAA"}`, append([]string{"good"}, wrong...)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tells(t, s, legacyPipeline(t, c.profile), payload.DecryptionFailed, bodies(c.format, in, c.of...))
		})
	}
	if _, err := s.decrypt(t, legacyPipeline(t, cbc+fields("", "$.v")), payload.Output{Body: []byte(`{"v":"!"}`)}); payload.Stage(err) != "decode" {
		t.Errorf("a message that fails before a key is used: %v, want the stage decode", err)
	}
}

func TestASignatureOverAPlaintextStopsAtTheSameStage(t *testing.T) {
	t.Parallel()
	s, in := newSafe(t), ciphertexts(t)
	profile := cbc + `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } ` + refB + ` input: "${plaintext}" headers { key: "X-Sig" value: "${signature}" } } `
	messages := bodies("%", in, "good", "bad padding", "no padding", "no JSON", "half a block is not")
	for name, sent := range messages {
		sent.Headers = []payload.Header{{Name: "X-Sig", Value: strings.Repeat("00", 32)}}
		messages[name] = sent
	}
	tells(t, s, legacyPipeline(t, profile), payload.SignatureInvalid, messages)
}

func TestStreamsAndCodebooksStopAtOneStage(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for algorithm, iv := range map[string]string{"AES_256_CTR": "AAAAAAAAAAAAAAAAAAAAAA==", "AES_256_ECB": ""} {
		p := legacyPipeline(t, `cipher { algorithm: ALGORITHM_`+algorithm+` shared_key { `+ref+` } } `+fields("", "$.v", "$.w"))
		size := 32
		if iv != "" {
			size += aes.BlockSize
		}
		value := func(fill byte, n int) string {
			return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, n))
		}
		tells(t, s, p, payload.DecryptionFailed, map[string]payload.Output{
			"noise":            {Body: fmt.Appendf(nil, `{"v":"%s","w":"%s"}`, value(1, size), value(1, size))},
			"other noise":      {Body: fmt.Appendf(nil, `{"v":"%s","w":"%s"}`, value(2, size), value(1, size))},
			"and then nothing": {Body: fmt.Appendf(nil, `{"v":"%s","w":"!"}`, value(1, size))},
		})
	}
}

// number encrypts a block as it is for the RSA key, as anyone can.
func number(t testing.TB, s safe, block []byte) []byte {
	t.Helper()
	der, _ := pem.Decode([]byte(s["rsa-pub"][0]))
	public, err := x509.ParsePKIXPublicKey(der.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		t.Fatalf("the key is a %T", public)
	}
	c := new(big.Int).Exp(new(big.Int).SetBytes(block), big.NewInt(int64(key.E)), key.N)
	return c.FillBytes(make([]byte, key.Size()))
}

// padded returns a PKCS #1 v1.5 block around a message, with the given first byte.
func padded(first byte, message string) []byte {
	block := append([]byte{0, first}, bytes.Repeat([]byte{7}, 256-3-len(message))...)
	return append(append(block, 0), message...)
}

func TestRSAWithoutAuthenticationStopsAtOneStage(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	blocks := map[string][]byte{
		"bad padding": padded(1, `{"a":1}`), "no end of the padding": append([]byte{0, 2}, bytes.Repeat([]byte{7}, 254)...),
		"a short padding": append([]byte{0, 2, 7, 7, 0}, bytes.Repeat([]byte{7}, 251)...), "no JSON": padded(2, "no JSON"),
	}
	direct := legacyPipeline(t, `rsa_direct { pkcs1_v15 {} `+named("rsa", "PEM")+` } `+fields("", "$.v"))
	messages := make(map[string]payload.Output, len(blocks))
	for name, block := range blocks {
		messages[name] = payload.Output{Body: fmt.Appendf(nil, `{"v":"%s"}`, base64.StdEncoding.EncodeToString(number(t, s, block)))}
	}
	tells(t, s, direct, payload.DecryptionFailed, messages)

	hybrids := legacyPipeline(t, sessionKey("AES_128_CBC", pkcs1, named("rsa", "PEM"))+strings.Replace(hybridCBC, `json: '{"key":"${k}","data":"${d}"}'`, `text: "${k}.${d}"`, 1)+fields("", "$.v"))
	messages = make(map[string]payload.Output, len(blocks))
	for name, block := range blocks {
		messages[name] = payload.Output{Body: fmt.Appendf(nil, `{"v":"%s.%s"}`, base64.StdEncoding.EncodeToString(number(t, s, block)), strings.Repeat("A", 64))}
	}
	tells(t, s, hybrids, payload.DecryptionFailed, messages)
}

// Authenticated messages report the stage at which they fail, as before.
func TestAMessageUnderAMACReportsItsStage(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { `+ref+` } mac { algorithm: ALGORITHM_HMAC_SHA256 `+secretAt("key", "b", "HEX")+` input: "${data}" } }
		envelope { `+blobOf("data", "HEX", "IV", "CIPHERTEXT")+blobOf("mac", "HEX", "MAC")+` text: "${data}.${mac}" }`)
	body := hex.EncodeToString(make([]byte, 32)) + "." + hex.EncodeToString(make([]byte, 32))
	if _, err := s.decrypt(t, p, payload.Output{Body: []byte(body)}); payload.Stage(err) != "mac" {
		t.Errorf("Decrypt with a wrong MAC: %v, want the stage mac", err)
	}
}

// worked is a turn that adds up its work.
type worked int

func (w *worked) Begin(now, _ int) error {
	*w += worked(now)
	return nil
}

func (w *worked) End() {}

// Timing reveals nothing either: after a value fails to decrypt, the others still take the same
// work.
func TestAWrongPaddingLeavesNoWorkUndone(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { `+named("pass", "RAW")+` derivation { pbkdf2 { iterations: 101000 } `+sentSalt+`} } } `+
		fields("", "$.v", "$.w")+`envelope { `+blobOf("data", "HEX", "SALT", "IV", "CIPHERTEXT")+`}`)
	sent := s.encrypt(t, p, `{"v":"one value","w":"the other"}`).Body
	spoil := func(ends ...string) []byte {
		body := string(sent)
		for _, end := range ends { // the last byte of a block before the padding, or of the padding
			at := strings.Index(body, end)
			body = body[:at-2] + map[bool]string{true: "00", false: "ff"}[body[at-2:at] != "00"] + body[at:]
		}
		return []byte(body)
	}
	workOf := func(body []byte) (int, error) {
		var work worked
		_, err := p.Decrypt(payload.Input{Now: now, Keys: s.keys(t, p.DecryptReferences()), Body: body, Turn: &work})
		return int(work), err
	}
	whole, err := workOf(sent)
	if err != nil || whole == 0 {
		t.Fatalf("Decrypt = %v after work of %d", err, whole)
	}
	for name, body := range map[string][]byte{
		"the first": spoil(`","w"`), "the second": spoil(`"}`), "both": spoil(`","w"`, `"}`),
	} {
		work, err := workOf(body)
		if payload.Stage(err) != "decrypt" || work != whole {
			t.Errorf("%s is wrong: Decrypt = %v after work of %d, want all %d", name, err, work, whole)
		}
	}
}
