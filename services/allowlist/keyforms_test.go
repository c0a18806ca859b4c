package allowlist_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// keyFiles is the directory of keys in the forms that tools and people create.
const keyFiles = "../../pkg/keyform/testdata"

// privateFiles contain the same RSA key with its private part, and publicFiles without it.
func privateFiles() []string {
	return []string{
		"rsa-bag.pem", "rsa-base64.txt", "rsa-base64url.txt", "rsa-blank-lines.txt", "rsa-bom.txt", "rsa-clear-certificate.p12",
		"rsa-cr.txt", "rsa-crlf.txt", "rsa-escaped.txt", "rsa-hex-colons.txt", "rsa-hex.txt", "rsa-indented.txt", "rsa-java.p12",
		"rsa-joined.txt", "rsa-jwk.json", "rsa-jwks.json", "rsa-legacy.p12", "rsa-no-end.txt", "rsa-one-line.txt", "rsa-openssh.pem",
		"rsa-p12-base64.txt", "rsa-pkcs1-as-pkcs8.txt", "rsa-pkcs1.der", "rsa-pkcs1.pem", "rsa-pkcs8-as-pkcs1.txt", "rsa-quoted.txt",
		"rsa-utf16-bom.txt", "rsa-utf16be.txt", "rsa-utf16le.txt", "rsa.der", "rsa.p12", "rsa.pem", "rsa-service-account.json",
	}
}

func publicFiles() []string {
	return []string{
		"rsa-certificate.der", "rsa-certificate.pem", "rsa-openssh.pub", "rsa-public-jwk.json", "rsa-public-pkcs1.pem", "rsa-public.pem", "rsa-trusted.pem",
	}
}

// The uses of keys. `secret:key` stands for the secret and %s for its decoding.
const (
	jweUse  = `request { jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM keys { name: "secret:key" decoding: DECODING_%s } } } response { plain {} }`
	signUse = `request { signing { jws { algorithm: ALGORITHM_RS256 } keys { name: "secret:key" decoding: DECODING_%s } headers { key: "X-Sig" value: "${signature}" } } }`
	gcmUse  = `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" decoding: DECODING_%s } } } }`
	hmacUse = `request { signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:key" decoding: DECODING_%s } headers { key: "X-Sig" value: "${signature}" } } }`
)

// An outcome is the stage that a key reaches.
type outcome string

const (
	works    outcome = "works"
	oneSided outcome = "works as a public key"
	refused  outcome = "is refused"
)

// take stores and uses a value, and returns the stage that it reached. An unusable value must be
// refused before activation, with an understandable cause.
func take(t *testing.T, k *allowlisttest.Kit, id, use, decoding string, value []byte) outcome {
	t.Helper()
	_, err := k.VaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: allowlisttest.Workspace, SecretId: id, Reason: "a test", Secret: &vaultv1.Secret{
			Usage: vaultv1.Usage_USAGE_KEY, Value: &vaultv1.SecretValue{
				Source: &vaultv1.SecretValue_Data{Data: value}, WeakReason: "to be read in a test", FilePassword: "password",
			},
		},
	})
	if err != nil {
		if v := servertest.Violations(err); servertest.Reason(err) != "KEY_FORM_NOT_USABLE" || len(v) != 1 || !strings.Contains(v[0].Description, ". ") {
			t.Errorf("%s: CreateSecret = %v, %v, want a cause and a remedy", id, err, v)
		}
		return refused
	}
	e := allowlisttest.Draft()
	text := fmt.Sprintf(use, decoding)
	e.Encryption = allowlisttest.EncryptionOf(t, strings.ReplaceAll(text, "secret:key", "secret:"+id))
	check, checkErr := k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("-"), Endpoint: e})
	allowlisttest.Must(t, checkErr)
	_, err = k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: id, Endpoint: e})
	if check.GetFits() != (err == nil) {
		t.Errorf("%s: CheckKeys = %v, and CreateEndpoint %v", id, check, err)
	}
	if err == nil {
		_, err = k.Admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: allowlisttest.NameOf(id)})
		allowlisttest.Must(t, err)
		err = k.Owner.Activate(t, id)
	}
	if err != nil {
		metadata := servertest.Metadata(err)
		if servertest.Reason(err) != "KEY_NOT_USABLE" || metadata["secret"] != allowlisttest.Workspace+"/secrets/"+id || !strings.HasSuffix(metadata["cause"], ".") {
			t.Errorf("%s: %v with %v, want the secret and a cause", id, err, metadata)
		}
		return refused
	}
	return message(t, k, id)
}

// message encrypts a message and decrypts or verifies it.
func message(t *testing.T, k *allowlisttest.Kit, id string) outcome {
	t.Helper()
	const body = `{"amount":100}`
	sent, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte(body)})
	if err != nil {
		if f := k.Owner.Get(t, id).GetRecentFailures()[0]; servertest.Reason(err) != "KEY_NOT_USABLE" || f.GetStage() != "key" || f.GetCause() == "" || len(f.GetVersions()) != 1 {
			t.Errorf("%s: Encrypt = %v, and the owner sees %v", id, err, f)
		}
		if m := servertest.Metadata(err); m["cause"] != "" || m["secret"] != "" {
			t.Errorf("%s: the sender learns %v", id, m)
		}
		return oneSided
	}
	opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf(id), Body: sent.GetBody(), Headers: allowlisttest.HeadersOf(sent.GetHeaders()), Kind: allowlisttest.Request})
	switch {
	case status.Code(err) == codes.FailedPrecondition:
		return oneSided
	case err != nil || string(opened.GetBody()) != body:
		t.Errorf("%s: Decrypt = %q, %v", id, opened.GetBody(), err)
	}
	return works
}

// idOf converts a name to an ID.
func idOf(name string) string {
	return "k-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
}

// Keys in files either work completely, or are refused before a message needs them.
func TestEachFormOfAKeyPairIsTakenOrRefused(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(keyFiles)
	allowlisttest.Must(t, err)
	if len(files) < 40 {
		t.Fatalf("there are only %d files", len(files))
	}
	for name, use := range map[string]string{"JWE": jweUse, "RS256": signUse, "AES-GCM": gcmUse, "HMAC": hmacUse} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := allowlisttest.New(t)
			for _, file := range files {
				value, err := os.ReadFile(filepath.Join(keyFiles, file.Name()))
				allowlisttest.Must(t, err)
				want := refused
				switch pair := name == "JWE" || name == "RS256"; {
				case pair && slices.Contains(privateFiles(), file.Name()):
					want = works
				case pair && slices.Contains(publicFiles(), file.Name()):
					want = oneSided
				}
				if strings.HasPrefix(file.Name(), "make") || file.Name() == "aes-jwk.json" && name == "HMAC" {
					continue // not a key, and a key that is bytes
				}
				if got := take(t, k, idOf(file.Name()), use, "PEM", value); got != want {
					t.Errorf("%s %s, want that it %s", file.Name(), got, want)
				}
			}
		})
	}
}

// A spelling formats a key as a string.
type spelling func(key []byte) string

func asHex(key []byte) string { return hex.EncodeToString(key) }

func asBase64(key []byte) string { return base64.StdEncoding.EncodeToString(key) }

func asColons(key []byte) string {
	return strings.ToUpper(strings.TrimSuffix(strings.Join(slices.Collect(chunks(asHex(key), 2)), ":"), ":"))
}

func asUTF16(key []byte) string {
	utf16 := []byte{0xff, 0xfe}
	for _, c := range []byte(asHex(key)) {
		utf16 = append(utf16, c, 0)
	}
	return string(utf16)
}

// asPassphrase returns a string of words that is neither hexadecimal nor base64.
func asPassphrase(key []byte) string {
	return fmt.Sprintf("correct horse %d battery %d staple", key[0], key[1])
}

// Symmetric keys are accepted in each spelling of their decoding, and otherwise refused with the
// correct decoding. Each use has its own key, because a value has one purpose.
func TestEachFormOfASharedKeyIsTakenOrRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for row, tt := range []struct {
		name, decoding string
		value          spelling
		gcm, hmac      outcome
		fitting        string // the decoding that CheckKeys suggests
	}{
		{"bytes", "RAW", func(key []byte) string { return string(key) }, works, works, ""},
		{"bytes and a line end", "RAW", func(key []byte) string { return string(key) + "\n" }, refused, works, ""},
		{"hexadecimal", "HEX", asHex, works, works, ""},
		{"hexadecimal in upper case", "HEX", func(key []byte) string { return strings.ToUpper(asHex(key)) }, works, works, ""},
		{"hexadecimal with colons", "HEX", asColons, works, works, ""},
		{"hexadecimal with 0x", "HEX", func(key []byte) string { return "0x" + asHex(key) }, works, works, ""},
		{"hexadecimal in lines", "HEX", func(key []byte) string { return asHex(key[:16]) + "\n" + asHex(key[16:]) + "\r\n" }, works, works, ""},
		{"hexadecimal after a byte order mark", "HEX", func(key []byte) string { return "\ufeff" + asHex(key) }, works, works, ""},
		{"hexadecimal in UTF-16", "HEX", asUTF16, works, works, ""},
		{"base64", "BASE64", asBase64, works, works, ""},
		{"base64 in lines", "BASE64", func(key []byte) string { return asBase64(key)[:20] + "\n" + asBase64(key)[20:] + "\n" }, works, works, ""},
		{"base64 without padding", "BASE64", base64.RawStdEncoding.EncodeToString, works, works, ""},
		{"base64url as base64", "BASE64", base64.URLEncoding.EncodeToString, works, works, ""},
		{"base64 as base64url", "BASE64URL", asBase64, works, works, ""},
		{"a webhook secret", "WHSEC", func(key []byte) string { return "whsec_" + asBase64(key) }, works, works, ""},
		{"hexadecimal under BASE64", "BASE64", asHex, refused, works, "HEX"},
		{"hexadecimal under RAW", "RAW", asHex, refused, works, "HEX"},
		{"base64 under HEX", "HEX", asBase64, refused, refused, "BASE64"},
		{"base64 under RAW", "RAW", asBase64, refused, works, "BASE64"},
		{"16 bytes", "RAW", func(key []byte) string { return string(key[:16]) }, refused, works, ""},
		{"a passphrase", "RAW", asPassphrase, refused, works, ""},
		{"no hexadecimal", "HEX", asPassphrase, refused, refused, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, use := range []struct {
				id, text string
				want     outcome
			}{{"jwe", jweUse, refused}, {"rs256", signUse, refused}, {"hmac", hmacUse, tt.hmac}, {"gcm", gcmUse, tt.gcm}} {
				key := allowlisttest.KeyOf(128 + 4*row + i) // bytes that are not text
				if got := take(t, k, idOf(use.id+" "+tt.name), use.text, tt.decoding, []byte(tt.value(key))); got != use.want {
					t.Errorf("for %s it %s, want that it %s", use.id, got, use.want)
				}
			}
			id := idOf("gcm " + tt.name)
			e := allowlisttest.Draft()
			e.Encryption = allowlisttest.EncryptionOf(t, strings.ReplaceAll(fmt.Sprintf(gcmUse, tt.decoding), "secret:key", "secret:"+id))
			check, err := k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("-"), Endpoint: e})
			allowlisttest.Must(t, err)
			if fit := check.GetKeys()[0]; fit.GetDecoding() != tt.fitting || fit.GetSecret() != allowlisttest.Workspace+"/secrets/"+id || fit.GetField() != "request.cipher.shared_key.keys[0]" {
				t.Errorf("CheckKeys = %v, want the decoding %q", check, tt.fitting)
			}
		})
	}
}

// chunks returns the pieces of a string.
func chunks(text string, n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i < len(text); i += n {
			if !yield(text[i:min(len(text), i+n)]) {
				return
			}
		}
	}
}
