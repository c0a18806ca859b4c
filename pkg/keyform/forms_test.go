package keyform_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
)

// password is that of the files in testdata, which testdata/make.sh makes.
const password = "password"

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestOneKeyIsReadInEachForm reads the same RSA key in all forms that tools and people make.
func TestOneKeyIsReadInEachForm(t *testing.T) {
	t.Parallel()
	_, want, err := keyform.ParsePublic(fixture(t, "rsa-public.pem"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		kind   keyform.Kind
		format string
		note   string // one of them, if not empty
	}{
		{"rsa.pem", keyform.KindPrivateKey, "PKCS #8 in PEM", ""},
		{"rsa-pkcs1.pem", keyform.KindPrivateKey, "PKCS #1 in PEM", ""},
		{"rsa-public.pem", keyform.KindPublicKey, "SubjectPublicKeyInfo in PEM", ""},
		{"rsa-public-pkcs1.pem", keyform.KindPublicKey, "PKCS #1 in PEM", ""},
		{"rsa-certificate.pem", keyform.KindCertificate, "certificate in PEM", ""},
		{"rsa-trusted.pem", keyform.KindCertificate, "certificate in PEM", ""},
		{"rsa.der", keyform.KindPrivateKey, "PKCS #8 in DER", ""},
		{"rsa-pkcs1.der", keyform.KindPrivateKey, "PKCS #1 in DER", ""},
		{"rsa-certificate.der", keyform.KindCertificate, "certificate in DER", ""},
		{"rsa-bag.pem", keyform.KindPrivateKey, "PKCS #8 in PEM", "There is other text before the key."},
		{"rsa-openssh.pem", keyform.KindPrivateKey, "OpenSSH private key in PEM", ""},
		{"rsa-openssh.pub", keyform.KindPublicKey, "OpenSSH public key", ""},
		{"rsa-base64.txt", keyform.KindPrivateKey, "PKCS #8 in base64", ""},
		{"rsa-base64url.txt", keyform.KindPrivateKey, "PKCS #8 in base64", ""},
		{"rsa-hex.txt", keyform.KindPrivateKey, "PKCS #8 in hexadecimal", ""},
		{"rsa-hex-colons.txt", keyform.KindPrivateKey, "PKCS #8 in hexadecimal", ""},
		{"rsa-one-line.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", "The line ends of the PEM are missing."},
		{"rsa-joined.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", "The line ends of the PEM are missing."},
		{"rsa-escaped.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", `Line ends are written as \n.`},
		{"rsa-quoted.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", "The value is in quotation marks."},
		{"rsa-indented.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", ""},
		{"rsa-crlf.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", ""},
		{"rsa-cr.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", ""},
		{"rsa-no-end.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", "The END line is missing."},
		{"rsa-bom.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", "The value begins with a byte order mark."},
		{"rsa-utf16le.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", "The value is UTF-16."},
		{"rsa-utf16be.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", "The value is UTF-16."},
		{"rsa-utf16-bom.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", "The value begins with a byte order mark."},
		{"rsa-blank-lines.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", ""},
		{"rsa-pkcs8-as-pkcs1.txt", keyform.KindPrivateKey, "PKCS #8 in PEM", ""},
		{"rsa-pkcs1-as-pkcs8.txt", keyform.KindPrivateKey, "PKCS #1 in PEM", ""},
		{"rsa-jwk.json", keyform.KindPrivateKey, "JWK", ""},
		{"rsa-jwks.json", keyform.KindPrivateKey, "JWK", ""},
		{"rsa-public-jwk.json", keyform.KindPublicKey, "JWK", ""},
		{"rsa-service-account.json", keyform.KindPrivateKey, "PKCS #8 in PEM", "There is other text before the key."},
		{"several.pem", keyform.KindPrivateKey, "PKCS #8 in PEM", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			value := fixture(t, tt.name)
			facts := keyform.Look(value)
			if facts.Kind != tt.kind || facts.Algorithm != "RSA-2048" || facts.Format != tt.format || facts.Bytes != len(value) || len(facts.Forms) != 0 {
				t.Errorf("Look = %+v, want kind %d, RSA-2048, %s", facts, tt.kind, tt.format)
			}
			if tt.note != "" && !slices.Contains(facts.Notes, tt.note) {
				t.Errorf("notes = %q, want %q", facts.Notes, tt.note)
			}
			if _, info, err := keyform.ParsePublic(value); err != nil || info.PublicSHA256 != want.PublicSHA256 {
				t.Errorf("ParsePublic = %v", err)
			}
			key, info, err := keyform.ParsePrivate(value)
			if tt.kind != keyform.KindPrivateKey {
				if problem, ok := errors.AsType[*keyform.Problem](err); !ok || problem.Form != keyform.FormPublicOnly {
					t.Errorf("ParsePrivate = %v, want %s", err, keyform.FormPublicOnly)
				}
				return
			}
			if _, private := key.(*rsa.PrivateKey); !private || err != nil || info.PublicSHA256 != want.PublicSHA256 {
				t.Errorf("ParsePrivate = %T, %v", key, err)
			}
		})
	}
}

func TestOtherKindsAreRead(t *testing.T) {
	t.Parallel()
	for name, algorithm := range map[string]string{
		"ec.pem": "EC-P256", "ec-sec1.pem": "EC-P256", "ec-sec1-one-line.txt": "EC-P256", "ec-sec1-as-pkcs8.txt": "EC-P256", "ec-jwk.json": "EC-P256",
		"p384.pem": "EC-P384", "p384-jwk.json": "EC-P384", "p521.pem": "EC-P521", "p521-public.pem": "EC-P521", "p521-jwk.json": "EC-P521", "ed25519.pem": "Ed25519", "ed25519-jwk.json": "Ed25519",
		"secp256k1.pem": "EC-secp256k1", "secp256k1-sec1.pem": "EC-secp256k1", "secp256k1-jwk.json": "EC-secp256k1", "secp256k1-public-jwk.json": "EC-secp256k1",
		"x25519.pem": "X25519", "x25519-jwk.json": "X25519", "ssh-ed25519.pem": "Ed25519", "ssh-ecdsa.pem": "EC-P256",
		"ssh-ed25519.pub": "Ed25519", "ssh-ecdsa.pub": "EC-P256", "ec-public-jwk.json": "EC-P256", "ed25519-public-jwk.json": "Ed25519", "x25519-public-jwk.json": "X25519",
	} {
		value := fixture(t, name)
		facts := keyform.Look(value)
		if facts.Algorithm != algorithm || facts.Problem != nil || len(facts.Public) == 0 {
			t.Errorf("Look(%s) = %+v, want %s", name, facts, algorithm)
		}
		public := strings.Contains(name, "pub")
		if (facts.Kind == keyform.KindPublicKey) != public {
			t.Errorf("%s is of kind %d", name, facts.Kind)
		}
		if _, _, err := keyform.ParsePrivate(value); (err == nil) == public {
			t.Errorf("ParsePrivate(%s) = %v", name, err)
		}
	}
}

func TestWhatCannotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, form, algorithm string
		kind                  keyform.Kind
	}{
		{"rsa-encrypted.pem", keyform.FormEncrypted, "", keyform.KindPrivateKey},
		{"rsa-encrypted.der", keyform.FormEncrypted, "", keyform.KindPrivateKey},
		{"rsa-encrypted-old.pem", keyform.FormEncrypted, "", keyform.KindPrivateKey},
		{"rsa-encrypted-old-one-line.txt", keyform.FormEncrypted, "", keyform.KindPrivateKey},
		{"rsa-openssh-encrypted.pem", keyform.FormEncrypted, "", keyform.KindPrivateKey},
		{"rsa-request.pem", keyform.FormRequest, "", keyform.KindPublicKey},
		{"rsa-certificates.p7b", keyform.FormPKCS7, "", keyform.KindPublicKey},
		{"rsa-cut.txt", keyform.FormIncomplete, "", keyform.KindPrivateKey},
		{"rsa-damaged.txt", keyform.FormIncomplete, "", keyform.KindPrivateKey},
		{"rsa.p12", keyform.FormPKCS12, "", keyform.KindPrivateKey},
		{"rsa-java.p12", keyform.FormPKCS12, "", keyform.KindPrivateKey},
		{"rsa-p12-base64.txt", keyform.FormPKCS12, "", keyform.KindPrivateKey},
		{"rsa.jks", keyform.FormJavaKeystore, "", keyform.KindPrivateKey},
		{"rsa-jce.jks", keyform.FormJavaKeystore, "", keyform.KindPrivateKey},
		{"rsa-ssh2.pub", keyform.FormSSH, "", keyform.KindPublicKey},
		{"rsa-jwks-two.json", keyform.FormJWK, "", keyform.KindPublicKey},
		{"rsa-jwk-no-primes.json", keyform.FormJWK, "", keyform.KindPrivateKey},
		{"rsa1024.pem", keyform.FormSize, "RSA-1024", keyform.KindPrivateKey},
		{"rsa512.pem", keyform.FormSize, "RSA-512", keyform.KindPrivateKey},
		{"rsa-pss.pem", keyform.FormKind, "RSASSA-PSS", keyform.KindPrivateKey},
		{"dsa.pem", keyform.FormKind, "DSA", keyform.KindPrivateKey},
		{"dsa-pkcs8.pem", keyform.FormKind, "DSA", keyform.KindPrivateKey},
		{"secp256k1-certificate.pem", keyform.FormKind, "EC-secp256k1", keyform.KindCertificate},
		{"brainpool.pem", keyform.FormKind, "EC-brainpool", keyform.KindPrivateKey},
		{"p224.pem", keyform.FormKind, "EC-P224", keyform.KindPrivateKey},
		{"ed448.pem", keyform.FormKind, "Ed448", keyform.KindPrivateKey},
		{"ed448-certificate.pem", keyform.FormKind, "Ed448", keyform.KindCertificate},
		{"ed448-jwk.json", keyform.FormKind, "Ed448", keyform.KindPrivateKey},
		{"x448.pem", keyform.FormKind, "X448", keyform.KindPrivateKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			value := fixture(t, tt.name)
			facts := keyform.Look(value)
			if facts.Kind != tt.kind || facts.Algorithm != tt.algorithm || facts.Public != nil || len(facts.Forms) != 0 {
				t.Errorf("Look = %+v, want kind %d, %q", facts, tt.kind, tt.algorithm)
			}
			problem := facts.Problem
			if problem == nil || problem.Form != tt.form {
				t.Fatalf("problem = %+v, want %s", problem, tt.form)
			}
			if !strings.HasSuffix(problem.Cause, ".") || problem.Remedy == "" {
				t.Errorf("problem = %q", problem)
			}
			if _, _, err := keyform.ParsePublic(value); !errors.Is(err, keyform.ErrKey) {
				t.Errorf("ParsePublic = %v, want a problem", err)
			}
			if _, _, err := keyform.ParsePrivate(value); !errors.Is(err, keyform.ErrKey) {
				t.Errorf("ParsePrivate = %v, want a problem", err)
			}
		})
	}
}

func TestSeveralPrivateKeysAreAProblem(t *testing.T) {
	t.Parallel()
	one, other := fixture(t, "rsa.pem"), fixture(t, "ec.pem")
	for name, tt := range map[string]struct {
		value []byte
		want  bool
	}{
		"two keys":              {join(one, other), true},
		"many keys":             {bytes.Repeat(join(one, other), 6), true},
		"the same key twice":    {join(one, fixture(t, "rsa-pkcs1.pem")), false},
		"a key and others' own": {join(one, fixture(t, "rsa-certificate.pem"), fixture(t, "secp256k1-certificate.pem")), false},
	} {
		problem := keyform.Look(tt.value).Problem
		if got := problem != nil && problem.Form == keyform.FormSeveral; got != tt.want {
			t.Errorf("%s: problem = %v", name, problem)
		}
		// Releases before took the first.
		if _, info, err := keyform.ParsePrivate(tt.value); err != nil || info.PublicSHA256 != public(t, one) {
			t.Errorf("%s: ParsePrivate = %v, want the first key", name, err)
		}
	}
}

func public(t testing.TB, value []byte) [32]byte {
	t.Helper()
	_, info, err := keyform.ParsePublic(value)
	if err != nil {
		t.Fatal(err)
	}
	return info.PublicSHA256
}

func TestOpenPGPIsRecognized(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]keyform.Kind{
		"pgp.asc": keyform.KindPGPPrivateKey, "pgp.gpg": keyform.KindPGPPrivateKey,
		"pgp-public.asc": keyform.KindPGPPublicKey, "pgp-public.gpg": keyform.KindPGPPublicKey,
	} {
		value := fixture(t, name)
		if facts := keyform.Look(value); facts.Kind != want || facts.Problem != nil || len(facts.Forms) > 0 {
			t.Errorf("Look(%s) = %+v, want kind %d", name, facts, want)
		}
		_, _, err := keyform.ParsePublic(value)
		if problem, ok := errors.AsType[*keyform.Problem](err); !ok || problem.Form != keyform.FormPGP {
			t.Errorf("ParsePublic(%s) = %v, want %s", name, err, keyform.FormPGP)
		}
	}
	cut := fixture(t, "pgp.gpg")
	if facts := keyform.Look(cut[:len(cut)-1]); facts.Kind != keyform.KindBytes {
		t.Errorf("a part of an OpenPGP key is of kind %d", facts.Kind)
	}
}

func TestFilesThatAreKnownByTheirBeginning(t *testing.T) {
	t.Parallel()
	for value, form := range map[string]string{
		"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n": keyform.FormPuTTY,
		"\x30\x80\x02\x01\x03\x30\x80\x06\x09":                   keyform.FormPKCS12,
	} {
		if problem := keyform.Look([]byte(value)).Problem; problem == nil || problem.Form != form {
			t.Errorf("the problem of %q is %v, want %s", value, problem, form)
		}
	}
}

func TestFilesAreConverted(t *testing.T) {
	t.Parallel()
	want := public(t, fixture(t, "rsa.pem"))
	for _, tt := range []struct {
		name, password, from, format string
		certificate                  bool
	}{
		{"rsa.p12", password, "PKCS #12", "PKCS #8 in PEM", true},
		{"rsa-legacy.p12", password, "PKCS #12", "PKCS #8 in PEM", true},
		{"rsa-java.p12", password, "PKCS #12", "PKCS #8 in PEM", true},
		{"rsa-clear-certificate.p12", password, "PKCS #12", "PKCS #8 in PEM", true},
		{"rsa-no-password.p12", "", "PKCS #12", "PKCS #8 in PEM", true},
		{"rsa-p12-base64.txt", password, "PKCS #12", "PKCS #8 in PEM", true},
		{"rsa-jwk.json", "ignored", "JWK", "PKCS #8 in PEM", false},
		{"rsa-jwks.json", "", "JWK", "PKCS #8 in PEM", false},
		{"rsa-public-jwk.json", "", "JWK", "SubjectPublicKeyInfo in PEM", false},
	} {
		converted, from, err := keyform.Convert(fixture(t, tt.name), tt.password)
		if err != nil || from != tt.from {
			t.Errorf("Convert(%s) = %q, %v, want %q", tt.name, from, err, tt.from)
			continue
		}
		facts := keyform.Look(converted)
		_, info, err := keyform.ParsePublic(converted)
		if err != nil || info.PublicSHA256 != want || facts.Format != tt.format || (info.CertificateSHA256 != nil) != tt.certificate {
			t.Errorf("%s became %+v, %v", tt.name, facts, err)
		}
	}
	symmetric, from, err := keyform.Convert(fixture(t, "aes-jwk.json"), "")
	if want := unhex(t, "000102030405060708090a0b0c0d0e0f"); !bytes.Equal(symmetric, want) || from != "JWK" || err != nil {
		t.Errorf("Convert of a symmetric JWK = %q, %v", from, err)
	}
	if _, from, err := keyform.Convert(fixture(t, "p521-jwk.json"), ""); from != "JWK" || err != nil {
		t.Errorf("Convert of P-521 = %q, %v", from, err)
	}
}

func TestOtherValuesAreNotConverted(t *testing.T) {
	t.Parallel()
	for _, value := range [][]byte{
		nil, []byte("correct horse battery staple"), []byte(`{"user":"partner"}`), []byte(`{"kty":"other"}`), []byte("{"), []byte(`{"kty":`),
		fixture(t, "rsa.pem"), fixture(t, "rsa.der"), fixture(t, "rsa-base64.txt"), fixture(t, "rsa.jks"), fixture(t, "pgp.gpg"),
	} {
		if converted, from, err := keyform.Convert(value, password); converted != nil || from != "" || err != nil {
			t.Errorf("Convert = %q, %v, want nothing", from, err)
		}
	}
}

func TestFilesThatDoNotOpenAreAProblem(t *testing.T) {
	t.Parallel()
	whole := fixture(t, "rsa.p12")
	for _, tt := range []struct {
		name     string
		value    []byte
		password string
		form     string
	}{
		{"no password", whole, "", keyform.FormPKCS12Password},
		{"another password", whole, "passwort", keyform.FormPKCS12Password},
		{"a password that PKCS #12 cannot have", whole, "\U0001f511", keyform.FormPKCS12Password},
		{"a damaged key", bytes.Replace(whole, whole[300:310], make([]byte, 10), 1), password, keyform.FormPKCS12Password},
		{"two keys", fixture(t, "rsa-jwks-two.json"), "", keyform.FormJWK},
		{"no primes", fixture(t, "rsa-jwk-no-primes.json"), "", keyform.FormJWK},
		{"a curve that is not supported", fixture(t, "ed448-jwk.json"), "", keyform.FormKind},
		{"an empty symmetric key", []byte(`{"kty":"oct","k":""}`), "", keyform.FormJWK},
		{"a symmetric key without value", []byte(`{"kty":"oct"}`), "", keyform.FormJWK},
	} {
		converted, from, err := keyform.Convert(tt.value, tt.password)
		problem, ok := errors.AsType[*keyform.Problem](err)
		if !ok || problem.Form != tt.form || converted != nil || from != "" {
			t.Errorf("%s: Convert = %q, %v, want %s", tt.name, from, err, tt.form)
		}
		if ok && tt.password != "" && tt.password != password && strings.Contains(problem.Error(), tt.password) {
			t.Errorf("%s: the problem quotes the password", tt.name)
		}
	}
}

func TestFormsOfSymmetricKeysAreListed(t *testing.T) {
	t.Parallel()
	hex32 := strings.Repeat("0123456789abcdef", 4)
	tests := []struct {
		name, value, format string
		kind                keyform.Kind
		first               keyform.Form
		notes               []string
	}{
		{"hexadecimal", hex32, "hexadecimal", keyform.KindText, keyform.Form{Decoding: keyform.Hex, Bytes: 32}, nil},
		{"hexadecimal with a line end", hex32 + "\n", "hexadecimal", keyform.KindText, keyform.Form{Decoding: keyform.Hex, Bytes: 32}, []string{"The value ends with a line end."}},
		{"a digit too few", hex32[1:], "text", keyform.KindText, keyform.Form{Decoding: keyform.Raw, Bytes: 63}, []string{"The value has 63 hexadecimal digits, which is an odd number: one may be missing."}},
		{"colons", "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff", "hexadecimal", keyform.KindText, keyform.Form{Decoding: keyform.Hex, Bytes: 16}, nil},
		{"padded base64", "AAECAwQFBgcICQoLDA0ODw==", "base64", keyform.KindText, keyform.Form{Decoding: keyform.Base64, Bytes: 16}, nil},
		{"base64 without padding", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "base64", keyform.KindText, keyform.Form{Decoding: keyform.Base64, Bytes: 32}, nil},
		{"base64url", "-_ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "base64url", keyform.KindText, keyform.Form{Decoding: keyform.Base64URL, Bytes: 32}, nil},
		{"a webhook secret", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "base64", keyform.KindText, keyform.Form{Decoding: keyform.Whsec, Bytes: 24}, nil},
		{"32 characters", "kvJDrQ8SPWv7cTX2nYzBmL4hGfE9uNaR", "text", keyform.KindText, keyform.Form{Decoding: keyform.Raw, Bytes: 32}, nil},
		{"a passphrase", "correct horse battery staple", "text", keyform.KindText, keyform.Form{Decoding: keyform.Raw, Bytes: 28}, nil},
		{"a passphrase with a mark", "\xef\xbb\xbfcorrect horse battery staple ", "text", keyform.KindText, keyform.Form{Decoding: keyform.Raw, Bytes: 32}, []string{"The value begins with a byte order mark.", "The value ends with white space."}},
		{"bytes", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff", "bytes", keyform.KindBytes, keyform.Form{Decoding: keyform.Raw, Bytes: 16}, nil},
		{"bytes that begin like a mark", "\xff\xfe\x02\x93\x04\x85\x96\x07\x08\x09\xba\x0b\x0c\xdd\x0e\xff", "bytes", keyform.KindBytes, keyform.Form{Decoding: keyform.Raw, Bytes: 16}, nil},
		{"UTF-16", "0\x000\x00f\x00f\x00", "text in UTF-16", keyform.KindText, keyform.Form{Decoding: keyform.Raw, Bytes: 8}, []string{"The value is UTF-16."}},
	}
	for _, tt := range tests {
		facts := keyform.Look([]byte(tt.value))
		if facts.Kind != tt.kind || facts.Format != tt.format || facts.Bytes != len(tt.value) || len(facts.Forms) == 0 || facts.Forms[0] != tt.first {
			t.Errorf("%s: Look = %+v, want %s, %+v", tt.name, facts, tt.format, tt.first)
		}
		if !slices.Equal(facts.Notes, tt.notes) {
			t.Errorf("%s: notes = %q, want %q", tt.name, facts.Notes, tt.notes)
		}
		for _, form := range facts.Forms {
			key, err := keyform.Decode(form.Decoding, []byte(tt.value))
			if err != nil || len(key) != form.Bytes {
				t.Errorf("%s: %s has %d bytes (%v), and the form says %d", tt.name, form.Decoding, len(key), err, form.Bytes)
			}
		}
	}
}

func TestLineEndIsTold(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"0123456789abcdef\n": true, "0123456789abcdef\r\n": true, "0123456789abcdef": false, "0123456789abcde\n": false, "0123456789abcdef\n\n": false,
	} {
		if got := keyform.LineEnd([]byte(value), 16, 32); got != want {
			t.Errorf("LineEnd(%q) = %v", value, got)
		}
	}
}

// TestEffortIsBounded gives the largest allowed values to the parser.
func TestEffortIsBounded(t *testing.T) { //nolint:paralleltest // AllocsPerRun
	const size = 64 << 10
	fill := func(piece string) []byte { return bytes.Repeat([]byte(piece), size/len(piece)) }
	for name, value := range map[string][]byte{
		"BEGIN lines":     fill("-----BEGIN PRIVATE KEY-----"),
		"END lines":       append([]byte("-----BEGIN PRIVATE KEY-----"), fill("-----END ")...),
		"dashes":          fill("-"),
		"private keys":    fill(string(fixture(t, "ec.pem"))),
		"certificates":    fill(string(fixture(t, "rsa-certificate.pem"))),
		"base64":          fill("M"),
		"digits":          fill("30"),
		"colons":          fill("30:"),
		"a list":          fill("0x30,"),
		"backslashes":     fill(`\n`),
		"braces":          fill("{"),
		"brackets":        append([]byte(`{"kty":`), fill("[")...),
		"sequences":       fill("\x30\x80"),
		"nested":          fill("\x30\x82\xff\xff"),
		"UTF-16":          fill("M\x00"),
		"packets":         fill("\xc6\x0a\x04aaaaaaaaa"),
		"an SSH line":     append([]byte("ssh-rsa "), fill("A")...),
		"a JWK":           append([]byte(`{"kty":"RSA","n":"`), append(fill("A"), `"}`...)...),
		"a JWK set":       append([]byte(`{"keys":[`), append(fill("{},"), `{}]}`...)...),
		"an RSA modulus":  join([]byte("\x30\x82\xff\xf0\x02\x82\xff\xe0"), fill("\x7f")),
		"a long DER":      append([]byte("\x30\x82\xff\xfc\x02\x01\x00\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x04\x82\xff\xe0"), fill("\x30")...),
		"headers and PEM": append([]byte("-----BEGIN PRIVATE KEY-----\n"), fill("a: b\n")...),
	} {
		// A hundred of these take a fraction of a second; what is quadratic takes minutes.
		allocated := testing.AllocsPerRun(1, func() {
			keyform.Look(value)
			_, _, _ = keyform.Convert(value, password)
			for d := keyform.Raw; d <= keyform.PEM; d++ {
				_, _ = keyform.Decode(d, value)
			}
		})
		if allocated > 200_000 {
			t.Errorf("%s: %v allocations", name, allocated)
		}
	}
}

func FuzzLook(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 80 {
		f.Fatalf("there are %d seeds: %v", len(files), err)
	}
	for _, name := range files {
		f.Add(fixture(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		before := bytes.Clone(value)
		facts := keyform.Look(value)
		converted, from, err := keyform.Convert(value, password)
		if !bytes.Equal(value, before) {
			t.Fatal("Look or Convert changes the value")
		}
		if err != nil && (!errors.Is(err, keyform.ErrKey) || converted != nil || from != "") {
			t.Fatalf("Convert = %q, %v", from, err)
		}
		if facts.Kind == keyform.KindUnknown || facts.Format == "" || facts.Bytes != len(value) {
			t.Fatalf("Look = %+v", facts)
		}
		key, _, publicErr := keyform.ParsePublic(value)
		if (key == nil) != (publicErr != nil) {
			t.Fatalf("ParsePublic = %T, %v", key, publicErr)
		}
		private, _, privateErr := keyform.ParsePrivate(value)
		if (private == nil) != (privateErr != nil) {
			t.Fatalf("ParsePrivate = %T, %v", private, privateErr)
		}
		// A key that the vault shows works, and a key that works is shown.
		usable := facts.Problem == nil || facts.Problem.Form == keyform.FormSeveral
		if facts.Kind == keyform.KindPrivateKey && usable != (privateErr == nil) {
			t.Fatalf("Look = %+v, and ParsePrivate = %v", facts, privateErr)
		}
		if (facts.Kind == keyform.KindPublicKey || facts.Kind == keyform.KindCertificate) && (facts.Problem == nil) != (publicErr == nil) {
			t.Fatalf("Look = %+v, and ParsePublic = %v", facts, publicErr)
		}
		if facts.Public != nil {
			again, _, err := keyform.ParsePublic(facts.Public)
			if err != nil {
				t.Fatalf("ParsePublic of the public part = %v", err)
			}
			if signer, ok := private.(interface{ Public() crypto.PublicKey }); ok && !equalPublic(signer.Public(), again) {
				t.Fatal("the public part is not that of the private key")
			}
		}
		for _, form := range facts.Forms {
			decoded, err := keyform.Decode(form.Decoding, value)
			if err != nil || len(decoded) != form.Bytes {
				t.Fatalf("Decode(%s) = %d bytes, %v, and the form has %d", form.Decoding, len(decoded), err, form.Bytes)
			}
		}
	})
}
