package jose_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

func TestX25519MessagesOpen(t *testing.T) {
	t.Parallel() // go-jose, which tries the others, has no X25519
	p := keyRing()["X25519"]
	for _, alg := range []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"} {
		for _, enc := range contents {
			j := jose.JWE{Alg: alg, Enc: enc, Header: map[string]string{"apu": b64("Alice"), "apv": b64("Bob")}}
			message := encrypt(t, j, p.write, sample)
			if got, _, err := decrypt(j, message, p.read); err != nil || got != sample {
				t.Errorf("%s, %s: Decrypt = %q, %v", alg, enc, got, err)
			}
		}
	}
}

func TestTheHeaderSaysWhatTheOptionsSay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		j    jose.JWE
		want string
	}{
		{"nothing more", jose.JWE{}, `{"alg":"dir","enc":"A256GCM"}`},
		{
			"members in the order of their names",
			jose.JWE{Header: map[string]string{"typ": "JOSE", "kid": "a&<b>\"\\é"}},
			`{"alg":"dir","enc":"A256GCM","kid":"a&<b>\"\\é","typ":"JOSE"}`,
		},
		{"the time in seconds", jose.JWE{IssuedAt: jose.Seconds}, `{"alg":"dir","enc":"A256GCM","iat":1772600767}`},
		{
			"the time in milliseconds",
			jose.JWE{IssuedAt: jose.Milliseconds, Header: map[string]string{"kid": "k"}},
			`{"alg":"dir","enc":"A256GCM","kid":"k","iat":1772600767089}`,
		},
	}
	for _, tt := range tests {
		tt.j.Alg, tt.j.Enc = "dir", "A256GCM"
		message := encrypt(t, tt.j, secret[:32], sample)
		header, _, _ := strings.Cut(message, ".")
		if got := string(unb64(t, header)); got != tt.want {
			t.Errorf("%s: the header is %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestImpossibleOptionsAreFound(t *testing.T) {
	t.Parallel()
	header := func(name, value string) map[string]string { return map[string]string{name: value} }
	tests := []struct {
		name string
		j    jose.JWE
	}{
		{"an unknown alg", jose.JWE{Alg: "PBES2-HS256+A128KW", Enc: "A256GCM"}},
		{"an unknown enc", jose.JWE{Alg: "dir", Enc: "none"}},
		{"a length of IV", jose.JWE{Alg: "dir", Enc: "A256GCM", GCMIVBytes: 8}},
		{"the length of CBC's IV", jose.JWE{Alg: "dir", Enc: "A128CBC-HS256", GCMIVBytes: 16}},
		{"a member that the package writes", jose.JWE{Alg: "dir", Enc: "A256GCM", Header: header("alg", "dir")}},
		{"a member that asks for decompression", jose.JWE{Alg: "dir", Enc: "A256GCM", Header: header("zip", "DEF")}},
		{"apu without agreement", jose.JWE{Alg: "dir", Enc: "A256GCM", Header: header("apu", "QQ")}},
		{"apv that is not base64url", jose.JWE{Alg: "ECDH-ES", Enc: "A256GCM", Header: header("apv", "A+==")}},
		{"iat twice", jose.JWE{Alg: "dir", Enc: "A256GCM", Header: header("iat", "1"), IssuedAt: jose.Seconds}},
	}
	for _, tt := range tests {
		if tt.j.Check() == "" {
			t.Errorf("%s: Check reports no violation", tt.name)
		}
		if _, err := tt.j.Encrypt(now, rand.Reader, secret[:32], nil); !errors.Is(err, jose.ErrOptions) {
			t.Errorf("%s: Encrypt = %v, want ErrOptions", tt.name, err)
		}
		if _, _, err := decrypt(tt.j, "a.b.c.d.e", secret[:32]); !errors.Is(err, jose.ErrOptions) {
			t.Errorf("%s: Decrypt = %v, want ErrOptions", tt.name, err)
		}
	}
}

func TestKeysThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	ring := keyRing()
	tests := []struct {
		name, alg   string
		write, read any
	}{
		{"a shared key that is too short", "dir", secret[:31], secret[:31]},
		{"a shared key that is too long", "A128KW", secret[:32], secret[:32]},
		{"a public key as shared key", "dir", ring["RSA"].write, ring["RSA"].read},
		{"a shared key as public key", "RSA-OAEP", secret[:32], secret[:32]},
		{"an elliptic curve key for RSA", "RSA-OAEP-256", ring["P-256"].write, ring["P-256"].read},
		{"an RSA key for an agreement", "ECDH-ES", ring["RSA"].write, ring["RSA"].read},
		{"a signing key for an agreement", "ECDH-ES+A256KW", ring["Ed"].write, ring["Ed"].read},
		{"the halves of a pair exchanged", "RSA1_5", ring["RSA"].read, ring["RSA"].write},
		{"no key", "A256GCMKW", nil, nil},
	}
	for _, tt := range tests {
		j := jose.JWE{Alg: tt.alg, Enc: "A256GCM"}
		if _, err := j.Encrypt(now, rand.Reader, tt.write, nil); !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s: Encrypt = %v, want ErrKey", tt.name, err)
		}
		good := managements("A256GCM")[tt.alg][0]
		message := encrypt(t, j, good.write, sample)
		if _, _, err := decrypt(j, message, tt.read); !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s: Decrypt = %v, want ErrKey", tt.name, err)
		}
		if _, _, err := decrypt(j, message); !errors.Is(err, jose.ErrKey) {
			t.Errorf("%s: Decrypt without keys = %v, want ErrKey", tt.name, err)
		}
	}
}

func TestTheFirstKeyThatOpensIsNamed(t *testing.T) {
	t.Parallel()
	other := managementsOfAnother(t)
	for alg, pairs := range managements("A128CBC-HS256") {
		for _, p := range pairs {
			j := jose.JWE{Alg: alg, Enc: "A128CBC-HS256"}
			message := encrypt(t, j, p.write, sample)
			wrong := other[alg]
			if got, which, err := decrypt(j, message, wrong, wrong, p.read, p.read); err != nil || which != 2 || got != sample {
				t.Errorf("%s %s: Decrypt = %q by key %d, %v", alg, p.name, got, which, err)
			}
			_, _, err := decrypt(j, message, wrong, wrong)
			want := jose.ErrUnwrap
			if alg == "dir" || alg == "RSA1_5" || alg == "ECDH-ES" && p.name == "P-256" {
				want = jose.ErrDecrypt
			}
			// Anyone can see that a number is greater than a modulus.
			tooLarge := alg == "RSA1_5" && errors.Is(err, jose.ErrUnwrap)
			if !errors.Is(err, want) && !tooLarge {
				t.Errorf("%s %s: Decrypt with wrong keys = %v, want %v", alg, p.name, err, want)
			}
		}
	}
}

// managementsOfAnother returns a wrong private key of the right kind for each algorithm. For
// agreements, it is a P-256 key.
func managementsOfAnother(t *testing.T) map[string]any {
	t.Helper()
	rsaKey, ecKey := storedKey(t, "keys/rsa_priv.pem"), storedKey(t, "keys/ec_priv.pem")
	wrong := bytes.Repeat([]byte{9}, 64)
	return map[string]any{
		"dir": wrong[:32], "A128KW": wrong[:16], "A256KW": wrong[:32], "A128GCMKW": wrong[:16], "A256GCMKW": wrong[:32],
		"RSA-OAEP": rsaKey, "RSA-OAEP-256": rsaKey, "RSA1_5": rsaKey,
		"ECDH-ES": ecKey, "ECDH-ES+A128KW": ecKey, "ECDH-ES+A256KW": ecKey,
	}
}

func TestAWrappedKeyThatDoesNotOpenEndsLikeOneThatDoes(t *testing.T) {
	t.Parallel()
	p := keyRing()["RSA"]
	j := jose.JWE{Alg: "RSA1_5", Enc: "A128CBC-HS256"}
	public := p.write.(*rsa.PublicKey)
	part := strings.Split(encrypt(t, j, public, sample), ".")
	for name, content := range map[string][]byte{
		"a key of another length": make([]byte, 16),
		"a wrong key":             make([]byte, 32),
		"no padding":              nil,
	} {
		wrapped := make([]byte, public.Size()) // zero, whose root is zero: no padding at all
		if content != nil {
			wrapped = must(keys.PKCS1v15{}.Wrap(rand.Reader, public, content))
		}
		part[1] = base64.RawURLEncoding.EncodeToString(wrapped)
		if _, _, err := decrypt(j, strings.Join(part, "."), p.read); !errors.Is(err, jose.ErrDecrypt) {
			t.Errorf("%s: Decrypt = %v, want ErrDecrypt", name, err)
		}
	}
}

func TestAContentKeyOfAnotherLengthIsRefused(t *testing.T) {
	t.Parallel()
	// A sender with the wrapping key could choose another cipher than the pinned one.
	for _, tt := range []struct{ pinned, used string }{{"A128GCM", "A256GCM"}, {"A256GCM", "A128GCM"}, {"A192GCM", "A128CBC-HS256"}} {
		header := `{"alg":"A128KW","enc":"` + tt.pinned + `"}`
		contentKey := secret[:jose.JWE{Alg: "dir", Enc: tt.used}.KeyBytes()]
		iv := make([]byte, 12)
		aead := must(cipher.NewGCM(must(aes.NewCipher(contentKey))))
		sealed := string(aead.Seal(nil, iv, []byte(sample), []byte(b64(header))))
		wrapped := string(must(keys.WrapAES(secret[:16], contentKey)))
		message := strings.Join([]string{b64(header), b64(wrapped), b64(string(iv)), b64(sealed[:len(sample)]), b64(sealed[len(sample):])}, ".")
		if got, _, err := decrypt(jose.JWE{Alg: "A128KW", Enc: tt.pinned}, message, secret[:16]); !errors.Is(err, jose.ErrUnwrap) {
			t.Errorf("%s with a key for %s: Decrypt = %q, %v, want ErrUnwrap", tt.pinned, tt.used, got, err)
		}
	}
}

func TestNothingOfAChangedMessageOpens(t *testing.T) {
	t.Parallel()
	for _, enc := range []string{"A128GCM", "A256CBC-HS512"} {
		for alg, pairs := range managements(enc) {
			j := jose.JWE{Alg: alg, Enc: enc}
			message := encrypt(t, j, pairs[0].write, sample)
			step := 1
			switch { // the cost of one attempt
			case strings.HasPrefix(alg, "RSA"):
				step = 29
			case strings.HasPrefix(alg, "ECDH"):
				step = 5
			}
			for i := 0; i < len(message); i += step {
				if got, _, err := decrypt(j, message[:i], pairs[0].read); err == nil {
					t.Errorf("%s, %s: cut to %d characters Decrypt = %q", alg, enc, i, got)
				}
				if message[i] == '.' {
					continue
				}
				changed := []byte(message)
				changed[i] = 'A'
				if message[i] == 'A' {
					changed[i] = 'Q'
				}
				if got, _, err := decrypt(j, string(changed), pairs[0].read); err == nil {
					t.Errorf("%s, %s: with character %d changed Decrypt = %q", alg, enc, i, got)
				}
			}
		}
	}
}

func TestMessagesThatAreNotAsTheOptionsSayAreRefused(t *testing.T) {
	t.Parallel()
	key := secret[:32]
	j := jose.JWE{Alg: "dir", Enc: "A256GCM"}
	good := encrypt(t, j, key, sample)
	part := strings.Split(good, ".")
	with := func(i int, text string) string {
		changed := slices.Clone(part)
		changed[i] = text
		return strings.Join(changed, ".")
	}
	headers := map[string]string{
		"another alg":           `{"alg":"A256KW","enc":"A256GCM"}`,
		"another enc":           `{"alg":"dir","enc":"A256CBC-HS512"}`,
		"no alg":                `{"enc":"A256GCM"}`,
		"alg twice":             `{"alg":"dir","alg":"dir","enc":"A256GCM"}`,
		"alg twice, escaped":    `{"alg":"dir","\u0061lg":"dir","enc":"A256GCM"}`,
		"another member twice":  `{"alg":"dir","enc":"A256GCM","kid":"a","kid":"b"}`,
		"alg in capitals":       `{"ALG":"dir","enc":"A256GCM"}`,
		"alg of another case":   `{"alg":"DIR","enc":"A256GCM"}`,
		"alg that is no string": `{"alg":["dir"],"enc":"A256GCM"}`,
		"alg that is null":      `{"alg":null,"enc":"A256GCM"}`,
		"zip":                   `{"alg":"dir","enc":"A256GCM","zip":"DEF"}`,
		"zip that is null":      `{"alg":"dir","enc":"A256GCM","zip":null}`,
		"crit":                  `{"alg":"dir","enc":"A256GCM","crit":["exp"],"exp":1}`,
		"crit that is empty":    `{"alg":"dir","enc":"A256GCM","crit":[]}`,
		"an array":              `["alg","dir","enc","A256GCM"]`,
		"trailing data":         `{"alg":"dir","enc":"A256GCM"}{}`,
		"half an object":        `{"alg":"dir","enc":"A256GCM"`,
		"bytes not UTF-8":       "{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"kid\":\"\xff\"}",
		"nothing":               ``,
		"far too much":          `{"alg":"dir","enc":"A256GCM","kid":"` + strings.Repeat("a", 16<<10) + `"}`,
	}
	messages := map[string]string{
		"empty":                       "",
		"one part":                    "a",
		"four parts":                  strings.Join(part[:4], "."),
		"six parts":                   good + ".",
		"an encrypted key":            with(1, b64("0123456789abcdef01234567")),
		"an IV of 16 bytes":           with(2, b64("0123456789abcdef")),
		"no IV":                       with(2, ""),
		"a tag of 12 bytes":           with(4, b64("0123456789ab")),
		"a tag of 17 bytes":           with(4, b64("0123456789abcdefg")),
		"no tag":                      with(4, ""),
		"padding":                     with(2, part[2]+"=") + "=",
		"base64":                      with(3, strings.Repeat("+/", 40)),
		"a line end":                  with(3, part[3]+"\n"),
		"a blank":                     with(3, " "+part[3]),
		"bits after the last byte":    with(4, part[4][:21]+"B"),
		"an encrypted key of a book":  with(1, strings.Repeat("A", 1<<20)),
		"a header with a line end":    with(0, part[0]+"\r\n"),
		"the JSON serialization":      `{"protected":"` + part[0] + `","iv":"` + part[2] + `","ciphertext":"` + part[3] + `","tag":"` + part[4] + `"}`,
		"a signature":                 "eyJhbGciOiJIUzI1NiJ9.JC4wMg.5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ",
		"a password's million rounds": protected(good, `{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2s":"c2FsdHNhbHQ","p2c":2147483647}`),
	}
	for name, header := range headers {
		messages["a header with "+name] = protected(good, header)
	}
	for name, message := range messages {
		began := time.Now()
		if got, _, err := decrypt(j, message, key); !errors.Is(err, jose.ErrMessage) {
			t.Errorf("%s: Decrypt = %q, %v, want ErrMessage", name, got, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: Decrypt took %v", name, took)
		}
	}
}

func TestHostileEphemeralKeysAreRefused(t *testing.T) {
	t.Parallel()
	ring := keyRing()
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	x, y := elliptic.P384().Params().Gx, elliptic.P384().Params().Gy
	p384 := fmt.Sprintf(`{"kty":"EC","crv":"P-384","x":%q,"y":%q}`,
		base64.RawURLEncoding.EncodeToString(x.Bytes()), base64.RawURLEncoding.EncodeToString(y.Bytes()))
	tests := []struct{ name, key, epk string }{
		{"none", "P-256", ``},
		{"null", "P-256", `null`},
		{"a text", "P-256", `"point"`},
		{"a point off the curve", "P-256", `{"kty":"EC","crv":"P-256","x":"` + zero + `","y":"` + zero + `"}`},
		{"a point with half of it", "P-256", `{"kty":"EC","crv":"P-256","x":"` + zero + `"}`},
		{"short coordinates", "P-256", `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`},
		{"a coordinate moved to the other", "P-256", `{"kty":"EC","crv":"P-256","x":"` + zero + `AA","y":"AA"}`},
		{"a member twice", "P-256", `{"kty":"EC","crv":"P-256","x":"` + zero + `","x":"` + zero + `","y":"` + zero + `"}`},
		{"another curve", "P-256", p384},
		{"another curve under the name of ours", "P-256", strings.Replace(p384, "P-384", "P-256", 1)},
		{"another type", "P-256", `{"kty":"OKP","crv":"X25519","x":"` + zero + `"}`},
		{"a point of order one", "X25519", `{"kty":"OKP","crv":"X25519","x":"` + zero + `"}`},
		{"a short point", "X25519", `{"kty":"OKP","crv":"X25519","x":"AAAA"}`},
	}
	for _, tt := range tests {
		for _, alg := range []string{"ECDH-ES", "ECDH-ES+A256KW"} {
			j := jose.JWE{Alg: alg, Enc: "A256GCM"}
			header := map[string]json.RawMessage{"alg": json.RawMessage(`"` + alg + `"`), "enc": json.RawMessage(`"A256GCM"`)}
			if tt.epk != "" {
				header["epk"] = json.RawMessage(tt.epk)
			}
			text, err := json.Marshal(header)
			if err != nil {
				t.Fatal(err)
			}
			message := protected(encrypt(t, j, ring[tt.key].write, sample), string(text))
			got, _, err := decrypt(j, message, ring[tt.key].read)
			if !errors.Is(err, jose.ErrMessage) && !errors.Is(err, jose.ErrUnwrap) {
				t.Errorf("%s, %s: Decrypt = %q, %v", tt.name, alg, got, err)
			}
		}
	}
}

func TestAPeersMistakesAreReadWhereTheyAreExpected(t *testing.T) {
	t.Parallel()
	key := secret[:32]
	strict := jose.JWE{Alg: "dir", Enc: "A256GCM"}
	long := jose.JWE{Alg: "dir", Enc: "A256GCM", GCMIVBytes: 16}
	lenient := jose.JWE{Alg: "dir", Enc: "A256GCM", Lenient: true}
	good, longIV := encrypt(t, strict, key, strings.Repeat(sample, 300)), encrypt(t, long, key, sample)
	if iv := strings.Split(longIV, ".")[2]; len(unb64(t, iv)) != 16 {
		t.Errorf("the IV has %d bytes, want 16", len(unb64(t, iv)))
	}
	sloppy := strings.Split(strings.NewReplacer("-", "+", "_", "/").Replace(good), ".")
	sloppy[0] = good[:strings.IndexByte(good, '.')] // associated data are used verbatim
	for i := 1; i < len(sloppy); i++ {
		sloppy[i] += strings.Repeat("=", (4-len(sloppy[i])%4)%4)
	}
	tests := []struct {
		name    string
		j       jose.JWE
		message string
		want    error
	}{
		{"12 bytes are read where 16 are written", long, good, nil},
		{"16 bytes are read where 16 are written", long, longIV, nil},
		{"16 bytes are refused otherwise", strict, longIV, jose.ErrMessage},
		{"base64 is read where it is expected", lenient, strings.Join(sloppy, "."), nil},
		{"base64url is read where base64 is expected", lenient, good, nil},
		{"base64 is refused otherwise", strict, strings.Join(sloppy, "."), jose.ErrMessage},
	}
	for _, tt := range tests {
		if got, _, err := decrypt(tt.j, tt.message, key); !errors.Is(err, tt.want) || err == nil && !strings.HasPrefix(got, sample) {
			t.Errorf("%s: Decrypt = %.20q, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}
