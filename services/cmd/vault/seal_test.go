package main

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const secretName = "workspaces/demo/secrets/key"

func newKey(t *testing.T) (private *ecdh.PrivateKey, public string) {
	t.Helper()
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private, base64.StdEncoding.EncodeToString(private.PublicKey().Bytes())
}

// sealed runs the command.
func sealed(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	cmd := sealCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetIn(iotest.OneByteReader(strings.NewReader(in)))
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// opened returns the plaintext of a sealed value.
func opened(t *testing.T, private *ecdh.PrivateKey, value *vaultv1.SealedValue, requestID string) string {
	t.Helper()
	key, err := hpke.NewDHKEMPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	kind := "data"
	if value.GetText() {
		kind = "text"
	}
	info := fmt.Sprintf("keyward sealed value v1\n%s\n%s\n%d\n%s", secretName, requestID, value.GetSealTime().GetSeconds(), kind)
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), value.GetCiphertext())
	if err != nil {
		t.Errorf("opening the sealed value: %v", err)
	}
	return kind + " " + string(plain)
}

func TestSealPrintsTheRequestThatStoresAValue(t *testing.T) {
	t.Parallel()
	private, public := newKey(t)
	for _, tt := range []struct {
		name, in string
		flags    []string
		want     string
	}{
		{"text loses the line break that ends it", "value\n", nil, "text value"},
		{"only one of two line breaks is removed", "value\n\n", nil, "text value\n"},
		{"a line break of Windows counts as one", "value\r\n", nil, "text value"},
		{"text without a line break is unchanged", " value ", nil, "text  value "},
		{"--keep-newline keeps the line break", "value\n", []string{"--keep-newline"}, "text value\n"},
		{"bytes are unchanged", "\xff\x00\n", []string{"--data"}, "data \xff\x00\n"},
		{"the longest", strings.Repeat("x", maxValue) + "\r\n", nil, "text " + strings.Repeat("x", maxValue)},
	} {
		text, err := sealed(t, tt.in, append(tt.flags, "--key", public, "--secret", secretName)...)
		if err != nil {
			t.Errorf("%s: seal = %v", tt.name, err)
			continue
		}
		var req vaultv1.CreateSecretRequest
		if err := protojson.Unmarshal([]byte(text), &req); err != nil {
			t.Fatal(err)
		}
		value := req.GetSecret().GetValue().GetSealed()
		if got := opened(t, private, value, req.GetRequestId()); got != tt.want {
			t.Errorf("%s: the value is %.40q, want %.40q", tt.name, got, tt.want)
		}
		if req.GetParent() != "workspaces/demo" || req.GetSecretId() != "key" || time.Since(value.GetSealTime().AsTime()).Abs() > time.Minute {
			t.Errorf("%s: seal prints %s", tt.name, text)
		}
	}
	text, err := sealed(t, "value", "--key", public, "--secret", secretName, "--request-id", "mine", "--update")
	var req vaultv1.UpdateSecretRequest
	if err != nil || protojson.Unmarshal([]byte(text), &req) != nil || req.GetRequestId() != "mine" || req.GetSecret().GetName() != secretName {
		t.Fatalf("seal --update = %s, %v", text, err)
	}
	if got := opened(t, private, req.GetSecret().GetValue().GetSealed(), "mine"); got != "text value" {
		t.Errorf("seal --update: the value is %q", got)
	}
}

func TestSealSendsThePasswordOfAFileBesideIt(t *testing.T) {
	t.Parallel()
	private, public := newKey(t)
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("of the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := sealed(t, "\x30\x82", "--key", public, "--secret", secretName, "--data", "--file-password", path)
	var req vaultv1.CreateSecretRequest
	if err != nil || protojson.Unmarshal([]byte(text), &req) != nil || req.GetSecret().GetValue().GetFilePassword() != "of the file" {
		t.Fatalf("seal --file-password = %s, %v", text, err)
	}
	if got := opened(t, private, req.GetSecret().GetValue().GetSealed(), req.GetRequestId()); got != "data \x30\x82" {
		t.Errorf("the value is %q", got)
	}
	for what, args := range map[string][]string{"text": {"--file-password", path}, "no file": {"--data", "--file-password", path + "x"}} {
		if _, err := sealed(t, "value", append(args, "--key", public, "--secret", secretName)...); err == nil || !strings.HasPrefix(err.Error(), "file-password: ") {
			t.Errorf("seal --file-password of %s = %v", what, err)
		}
	}
}

func TestSealTakesTheKeyInEachForm(t *testing.T) {
	t.Parallel()
	private, public := newKey(t)
	other, _ := newKey(t)
	sealing := &vaultv1.Sealing{Name: "workspaces/demo/sealing", Keys: []*vaultv1.SealingKey{
		{KeyId: "newest", PublicKey: private.PublicKey().Bytes()}, {PublicKey: other.PublicKey().Bytes()},
	}}
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := func(m proto.Message) string {
		text, err := protojson.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for what, key := range map[string]string{
		"text": public, "a file": file(public + "\n"), "JSON of HTTP": file(text(sealing)),
		"JSON of gRPC":          file(text(&vaultv1.GetSealingResponse{Sealing: sealing})),
		"JSON of a newer vault": file(`{"later": 1, ` + text(sealing)[1:]),
	} {
		out, err := sealed(t, "value", "--key", key, "--secret", secretName)
		var req vaultv1.CreateSecretRequest
		if err != nil || protojson.Unmarshal([]byte(out), &req) != nil {
			t.Errorf("%s: seal = %v", what, err)
			continue
		}
		if got := opened(t, private, req.GetSecret().GetValue().GetSealed(), req.GetRequestId()); got != "text value" {
			t.Errorf("%s: the value is %q", what, got)
		}
	}
	for what, key := range map[string]string{
		"nothing": "", "no key": "?", "no file": filepath.Join(t.TempDir(), "none"), "an empty file": file(""),
		"another file": file("?"), "other JSON": file(`{"keys": []}`), "broken JSON": file(`{`), "a folder": t.TempDir(),
		"a key that is too short": file(`{"keys": [{"publicKey": "AAAA"}]}`),
	} {
		if out, err := sealed(t, "value", "--key", key, "--secret", secretName); err == nil || !strings.HasPrefix(err.Error(), "key: ") || out != "" {
			t.Errorf("%s: seal = %q, %v, want an error about the key", what, out, err)
		}
	}
}

func TestSealRefusesWhatTheVaultWould(t *testing.T) {
	t.Parallel()
	_, public := newKey(t)
	for what, tt := range map[string]struct {
		in   string
		args []string
		want string
	}{
		"no value":                      {"", nil, "read value: must be 1 byte"},
		"a line break alone":            {"\n", nil, "read value: must be 1 byte"},
		"too long":                      {strings.Repeat("x", maxValue+1), nil, "read value: must be 1 byte"},
		"much too long":                 {strings.Repeat("x", 2*maxValue), []string{"--data"}, "read value: must be 1 byte"},
		"no text":                       {"\xff", nil, "read value: must be UTF-8"},
		"a malformed name":              {"v", []string{"--secret", "key"}, "secret: "},
		"a wildcard name":               {"v", []string{"--secret", "workspaces/demo/secrets/-"}, "secret: "},
		"a malformed request ID":        {"v", []string{"--request-id", "a b"}, "request-id: "},
		"a request ID over the limit":   {"v", []string{"--request-id", strings.Repeat("r", 65)}, "request-id: "},
		"flags that exclude each other": {"v", []string{"--data", "--keep-newline"}, "if any flags in the group"},
	} {
		out, err := sealed(t, tt.in, append([]string{"--key", public, "--secret", secretName}, tt.args...)...)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || out != "" {
			t.Errorf("%s: seal = %q, %v, want an error that begins with %q", what, out, err, tt.want)
		}
	}
}
