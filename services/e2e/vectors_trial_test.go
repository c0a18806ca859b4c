package e2e

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A trial is one vector on a bench.
type trial struct {
	*bench
	*testing.T

	v        vector
	p        *vectorProfile
	kind     allowlistv1.MessageKind
	endpoint string
	exchange string
	replyKey *rsa.PublicKey // the key that the request of a reply is wrapped with
}

func newTrial(t *testing.T, b *bench, v vector) *trial {
	t.Helper()
	p, err := readProfile(v.Profile)
	if err != nil {
		t.Fatalf("read profile: %v", err)
	}
	for name, secret := range v.Secrets {
		if secret.Decode == "pemfile" || secret.Decode == "pgpfile" {
			text, err := os.ReadFile(filepath.Join(b.folder, filepath.FromSlash(secret.Value)))
			if err != nil {
				t.Fatal(err)
			}
			secret.Value = string(text)
			v.Secrets[name] = secret
		}
	}
	return &trial{bench: b, T: t, v: v, p: p, kind: allowlistv1.MessageKind_MESSAGE_KIND_REQUEST}
}

func (v vector) text(t testing.TB, name string) string {
	t.Helper()
	return v.Secrets[name].Value
}

func (t *trial) run() {
	t.Helper()
	t.configure()
	switch {
	case t.p.Kind == "sign" && t.v.Expect == "reject":
		t.refusedSignature()
	case t.p.Kind == "sign":
		t.signs()
	case t.v.Expect == "reject":
		t.refused()
	case t.reply():
		t.replies()
	default:
		t.opens()
		t.encrypts()
	}
}

// reply reports whether the vector answers a message whose key and IV are inputs.
func (t *trial) reply() bool { return t.p.IV.Source == "peer_flipped" }

// partnerMakes reports whether the vector is of what comes from the partner, so that
// it may hold a key that opens or verifies only.
func (t *trial) partnerMakes() bool {
	return t.p.Kind != "sign" && (t.v.Direction == "response" || t.v.Direction == "decrypt")
}

// configure stores the secrets and an endpoint. Unsafe choices are refused first, if
// the vector says so, and accepted at once, if it says so.
func (t *trial) configure() {
	t.Helper()
	encryption := t.encryption()
	t.endpoint = t.workspace + "/endpoints/" + t.v.name("e")
	request := &allowlistv1.CreateEndpointRequest{
		Parent: t.workspace, EndpointId: t.v.name("e"),
		Endpoint: &allowlistv1.Endpoint{Url: "https://partner.example/v1/hook", Methods: []string{"POST"}, Encryption: encryption},
	}
	_, err := t.owner.CreateEndpoint(t.Context(), request)
	if t.v.Legacy && t.v.Verify != "skip" && errorReason(err) != "LEGACY_NOT_ACKNOWLEDGED" {
		t.Fatalf("CreateEndpoint of unsafe choices: %v, want LEGACY_NOT_ACKNOWLEDGED", describe(err))
	}
	if t.v.Legacy && err != nil {
		acknowledge(t, encryption, errorMetadata(err)["flags"])
		_, err = t.owner.CreateEndpoint(t.Context(), request)
	}
	if err != nil {
		t.Fatalf("CreateEndpoint: %v", describe(err))
	}
	if _, err := t.admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: t.endpoint}); err != nil {
		t.Fatal(err)
	}
	if _, err := t.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: t.endpoint}); err != nil {
		t.Fatal(err)
	}
}

func (t *trial) encryption() *allowlistv1.Encryption {
	t.Helper()
	if t.reply() {
		t.kind = allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE
		return t.replyEncryption()
	}
	m := &mapper{t: t, v: t.v, p: t.p, store: t.storeSecret, named: make(map[string]string)}
	profile := m.profile()
	if !t.partnerMakes() {
		return &allowlistv1.Encryption{Request: profile}
	}
	t.kind = allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE
	return &allowlistv1.Encryption{Request: t.plainRequest(), Response: profile}
}

// plainRequest is any profile for the direction that the vector says nothing of.
func (t *trial) plainRequest() *allowlistv1.Profile {
	name := t.storeSecret("unused", vaultv1.Usage_USAGE_KEY, strings.Repeat("00", 32))
	return &allowlistv1.Profile{Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
		Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM,
		Key: &allowlistv1.Cipher_SharedKey{SharedKey: &allowlistv1.SharedKey{
			Keys: []*allowlistv1.SecretRef{{Name: name, Decoding: allowlistv1.Decoding_DECODING_HEX}},
		}},
	}}}
}

func (t *trial) storeSecret(name string, usage vaultv1.Usage, value string) string {
	t.Helper()
	secret, err := t.vault.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: t.workspace, SecretId: t.v.name(name),
		Secret: &vaultv1.Secret{Usage: usage, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: value}}},
	})
	if err != nil {
		t.Fatalf("CreateSecret: %v", describe(err))
	}
	return secret.GetSecret().GetName()
}

// acknowledge adds what a refusal asked for, to the profiles that make the choices.
func acknowledge(t testing.TB, encryption *allowlistv1.Encryption, flags string) {
	t.Helper()
	target := encryption.GetRequest()
	if encryption.GetResponse() != nil {
		target = encryption.GetResponse()
	}
	for name := range strings.SplitSeq(flags, ", ") {
		flag, known := allowlistv1.LegacyAcknowledgement_Flag_value["FLAG_"+name]
		if !known {
			t.Fatalf("the refusal names %q, which is no flag", name)
		}
		target.AllowLegacy = append(target.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
			Flag: allowlistv1.LegacyAcknowledgement_Flag(flag), Reason: "the partner's specification",
			ExpireTime: timestamppb.New(time.Now().AddDate(1, 0, 0)),
		})
	}
}

func (t *trial) context() *allowlistv1.MessageContext {
	c := t.v.Context
	context := &allowlistv1.MessageContext{Id: c.ID, Method: c.Method, Path: c.Path, Query: c.Query, Host: c.Host}
	if c.Timestamp != 0 {
		context.Time = timestamppb.New(time.Unix(c.Timestamp, 0))
	}
	return context
}

func (t *trial) encrypt(body string) *allowlistv1.EncryptResponse {
	t.Helper()
	sent, err := t.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{
		Name: t.endpoint, Kind: t.kind, Body: []byte(body), Exchange: t.exchange, Context: t.context(),
	})
	if err != nil {
		t.Fatalf("Encrypt: %v", describe(err))
	}
	return sent
}

func (t *trial) decrypt(body []byte, headers map[string]string) (string, error) {
	t.Helper()
	opened, err := t.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: t.endpoint, Kind: t.kind, Body: body, Headers: headers, Context: t.context(),
	})
	return string(opened.GetBody()), err
}

// input is the body in the clear. Of an object the vector has the object only.
func (t *trial) input() string {
	if t.p.Select == nil || t.p.Select.Mode != "object" {
		return t.v.Plaintext
	}
	path := strings.TrimPrefix(t.p.Select.Path, "$.")
	whole, err := sjson.SetRaw(t.v.Output.Body, path, t.v.Plaintext)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

func (t *trial) opens() {
	t.Helper()
	got, err := t.decrypt([]byte(t.v.Output.Body), t.v.Output.Headers)
	if err != nil {
		t.Fatalf("Decrypt what the tool made: %v", describe(err))
	}
	t.same("Decrypt what the tool made", got, t.input())
}

func (t *trial) encrypts() {
	t.Helper()
	if t.partnerMakes() && !t.v.Deterministic {
		return // often only a key that opens or verifies is there
	}
	sent := t.encrypt(t.input())
	if t.v.Deterministic && string(sent.GetBody()) != t.v.Output.Body {
		t.Errorf("Encrypt = %s, want %s", sent.GetBody(), t.v.Output.Body)
	}
	got, err := t.decrypt(sent.GetBody(), headersOf(sent))
	if err != nil {
		t.Fatalf("Decrypt what we made: %v", describe(err))
	}
	t.same("Decrypt what we made", got, t.input())
}

func headersOf(sent *allowlistv1.EncryptResponse) map[string]string {
	headers := make(map[string]string)
	for _, h := range sent.GetHeaders() {
		headers[h.GetName()] = h.GetValue()
	}
	return headers
}

// same compares bodies: byte for byte, except where values travelled as text and come
// back as strings.
func (t *trial) same(what, got, want string) {
	t.Helper()
	if t.p.Select == nil || t.p.Select.ValueForm != "string" {
		if got != want {
			t.Errorf("%s = %s, want %s", what, got, want)
		}
		return
	}
	for _, path := range t.p.Select.Paths {
		want = withStrings(t, want, path)
	}
	var a, b any
	if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal([]byte(want), &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%s = %s, want %s", what, got, want)
	}
}

// withStrings turns the values at a path into strings.
func withStrings(t testing.TB, body, path string) string {
	t.Helper()
	for _, at := range concrete(body, gjsonPath(path)) {
		value := gjson.Get(body, at)
		text := value.Raw
		if value.Type == gjson.String {
			text = value.String()
		}
		changed, err := sjson.Set(body, at, text)
		if err != nil {
			t.Fatal(err)
		}
		body = changed
	}
	return body
}

// gjsonPath writes a path as gjson does.
func gjsonPath(path string) string {
	var steps []string
	for rest := strings.TrimPrefix(path, "$"); rest != ""; {
		var step string
		switch {
		case strings.HasPrefix(rest, "['"):
			step, rest, _ = strings.Cut(rest[2:], "']")
		case strings.HasPrefix(rest, "["):
			step, rest, _ = strings.Cut(rest[1:], "]")
			if step == "*" {
				step = "#"
			}
			steps = append(steps, step)
			continue
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			step, rest = rest[:end], rest[end:]
		}
		steps = append(steps, strings.ReplaceAll(step, ".", `\.`))
	}
	return strings.Join(steps, "\x00")
}

// concrete returns the paths that a path with wildcards stands for.
func concrete(body, path string) []string {
	before, after, wild := strings.Cut(path, "\x00#")
	if !wild {
		return []string{strings.ReplaceAll(path, "\x00", ".")}
	}
	var all []string
	for i := range gjson.Get(body, strings.ReplaceAll(before, "\x00", ".")+".#").Int() {
		all = append(all, concrete(body, before+"\x00"+fmt.Sprint(i)+after)...)
	}
	return all
}

// refused checks that a message is refused with one answer that gives nothing away.
func (t *trial) refused() {
	t.Helper()
	got, err := t.decrypt([]byte(t.v.Output.Body), t.v.Output.Headers)
	if errorReason(err) != "DECRYPTION_FAILED" || got != "" {
		t.Errorf("Decrypt = %q, %v, want DECRYPTION_FAILED", got, describe(err))
	}
	t.silent(err)
}

// silent checks that an error holds nothing of the plaintext or a secret.
func (t *trial) silent(err error) {
	t.Helper()
	text := describe(err)
	words := []string{t.v.Plaintext}
	for _, secret := range t.v.Secrets {
		words = append(words, secret.Value)
	}
	for _, w := range words {
		raw := []byte(w)
		for _, shape := range []string{w, hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw)} {
			if len(w) >= 6 && strings.Contains(text, shape) {
				t.Error("the error gives away plaintext or a secret")
			}
		}
	}
}

func describe(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprint(err, " ", status.Convert(err).Details())
}

func errorReason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

func errorMetadata(err error) map[string]string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetMetadata()
		}
	}
	return nil
}

// bytesOf decodes a secret of the vector.
func (v vector) bytesOf(name string) ([]byte, error) {
	secret := v.Secrets[name]
	switch secret.Decode {
	case "hex":
		return hex.DecodeString(secret.Value)
	case "base64":
		return base64.StdEncoding.DecodeString(secret.Value)
	case "base64url":
		return base64.RawURLEncoding.DecodeString(strings.TrimRight(secret.Value, "="))
	case "utf8", "raw":
		return bytes.Clone([]byte(secret.Value)), nil
	}
	return nil, errors.New("a secret of another form")
}
