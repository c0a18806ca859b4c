package secret_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

const (
	notUsable    = vaultv1.ErrorReason_ERROR_REASON_KEY_FORM_NOT_USABLE
	filePassword = "password" // of the files that pkg/keyform/testdata/make.sh generates
)

// file returns a key in the form of another program.
func file(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "pkg", "keyform", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// locked returns a value that is a file with a password.
func locked(value []byte, password string) *vaultv1.SecretValue {
	v := vaulttest.Data(value)
	v.FilePassword = password
	return v
}

func TestStoringAValueReturnsItsFacts(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	const parameter, credential = vaultv1.Usage_USAGE_PARAMETER, vaultv1.Usage_USAGE_CREDENTIAL
	tests := []struct {
		id    string
		usage vaultv1.Usage
		value *vaultv1.SecretValue
		want  *vaultv1.ValueFacts
	}{
		{"hex", 0, vaulttest.Text(strings.Repeat("0123456789abcdef", 4) + "\n"), &vaultv1.ValueFacts{
			Kind: vaultv1.ValueFacts_KIND_TEXT, Format: "hexadecimal", Bytes: 65, Notes: []string{"The value ends with a line end."},
			Forms: []*vaultv1.ValueForm{{Decoding: "HEX", Bytes: 32}, {Decoding: "BASE64", Bytes: 48}, {Decoding: "BASE64URL", Bytes: 48}, {Decoding: "WHSEC", Bytes: 48}, {Decoding: "RAW", Bytes: 65}},
		}},
		{"passphrase", 0, vaulttest.Text("\ufeffcorrect horse battery staple"), &vaultv1.ValueFacts{
			Kind: vaultv1.ValueFacts_KIND_TEXT, Format: "text", Bytes: 31, Notes: []string{"The value begins with a byte order mark."},
			Forms: []*vaultv1.ValueForm{{Decoding: "RAW", Bytes: 31}},
		}},
		{"bytes", 0, vaulttest.Data([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff")), &vaultv1.ValueFacts{
			Kind: vaultv1.ValueFacts_KIND_BYTES, Format: "bytes", Bytes: 16, Forms: []*vaultv1.ValueForm{{Decoding: "RAW", Bytes: 16}},
		}},
		{"one-line", 0, vaulttest.Text(string(file(t, "rsa-one-line.txt"))), &vaultv1.ValueFacts{
			Kind: vaultv1.ValueFacts_KIND_PRIVATE_KEY, Algorithm: "RSA-2048", Format: "PKCS #8 in PEM", Bytes: uint32(len(file(t, "rsa-one-line.txt"))),
			Notes: []string{"The line ends of the PEM are missing."},
		}},
		{"certificate", 0, vaulttest.Data(file(t, "rsa-certificate.der")), &vaultv1.ValueFacts{
			Kind: vaultv1.ValueFacts_KIND_CERTIFICATE, Algorithm: "RSA-2048", Format: "certificate in DER", Bytes: uint32(len(file(t, "rsa-certificate.der"))),
		}},
		{"pgp", 0, vaulttest.Text(string(file(t, "pgp.asc"))), &vaultv1.ValueFacts{
			Kind: vaultv1.ValueFacts_KIND_PGP_PRIVATE_KEY, Format: "OpenPGP with armor", Bytes: uint32(len(file(t, "pgp.asc"))),
		}},
		{"curve", 0, vaulttest.Text(string(file(t, "p521.pem"))), &vaultv1.ValueFacts{
			Kind: vaultv1.ValueFacts_KIND_PRIVATE_KEY, Algorithm: "EC-P521", Format: "PKCS #8 in PEM", Bytes: uint32(len(file(t, "p521.pem"))),
		}},
		{"credential", credential, vaulttest.Text(string(file(t, "rsa-encrypted.pem"))), &vaultv1.ValueFacts{
			Kind: vaultv1.ValueFacts_KIND_PRIVATE_KEY, Format: "encrypted PKCS #8 in PEM", Bytes: uint32(len(file(t, "rsa-encrypted.pem"))),
			Notes: []string{"The private key is encrypted."},
		}},
		{"parameter", parameter, vaulttest.Text(string(file(t, "ec-jwk.json"))), &vaultv1.ValueFacts{
			Kind: vaultv1.ValueFacts_KIND_PRIVATE_KEY, Algorithm: "EC-P256", Format: "JWK", Bytes: uint32(len(file(t, "ec-jwk.json"))),
		}},
	}
	for _, tt := range tests {
		secret := &vaultv1.Secret{Usage: tt.usage, Value: tt.value}
		if tt.usage == credential {
			secret.AllowedHosts = []string{"a.example"}
		}
		got := k.Owner.Create(t, tt.id, secret).GetValueFacts()
		if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("the facts of %s differ (-want +got):\n%s", tt.id, diff)
		}
		updated := k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf(tt.id), Value: tt.value, AllowedHosts: secret.GetAllowedHosts()}).GetValueFacts()
		if diff := cmp.Diff(tt.want, updated, protocmp.Transform()); diff != "" {
			t.Errorf("the facts of %s as another version differ (-want +got):\n%s", tt.id, diff)
		}
		stored := tt.value.GetData()
		if stored == nil {
			stored = []byte(tt.value.GetText())
		}
		if tt.usage != 0 {
			continue
		}
		if got := opened(t, k, tt.id, 0); got != string(stored) {
			t.Errorf("%s is not stored as sent", tt.id)
		}
	}
	if got := k.Owner.Create(t, "generated", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_AES_256)}).GetValueFacts(); got != nil {
		t.Errorf("a generated value was recognized as %v", got)
	}
}

// The facts of a value are in the response to the request that stores it, and nowhere else.
func TestFactsOfAValueAreNotStored(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	req := vaulttest.CreateRequest("key", "correct horse battery staple\n", "r1")
	res, err := k.Owner.CreateSecret(t.Context(), proto.CloneOf(req))
	if err != nil || res.GetSecret().GetValueFacts() == nil {
		t.Fatalf("CreateSecret = %v, %v", res, err)
	}
	again, err := k.Owner.CreateSecret(t.Context(), proto.CloneOf(req))
	if err != nil {
		t.Fatal(err)
	}
	listed, err := k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace})
	if err != nil {
		t.Fatal(err)
	}
	described := k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "another"})
	for what, secret := range map[string]*vaultv1.Secret{
		"a retry": again.GetSecret(), "GetSecret": k.Owner.Get(t, "key"), "ListSecrets": listed.GetSecrets()[0], "a change of the description": described,
	} {
		if secret.GetValueFacts() != nil {
			t.Errorf("%s returns the facts %v", what, secret.GetValueFacts())
		}
	}
	k.Running.Stop()
	stored, err := os.ReadFile(k.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	for _, trace := range []string{"line end", "taken", "KIND_", "forms", "format\":"} {
		if bytes.Contains(stored, []byte(trace)) {
			t.Errorf("the database contains %q", trace)
		}
	}
	k.Start(t)
}

func TestFilesOfKeysAreConverted(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "pem", &vaultv1.Secret{Value: vaulttest.Text(string(file(t, "rsa.pem")))})
	want := k.Owner.Get(t, "pem").GetPublicKey()
	for id, tt := range map[string]struct {
		value  *vaultv1.SecretValue
		from   string
		blocks int
	}{
		"openssl": {locked(file(t, "rsa.p12"), filePassword), "PKCS #12", 2},
		"java":    {locked(file(t, "rsa-java.p12"), filePassword), "PKCS #12", 2},
		"base64":  {&vaultv1.SecretValue{Source: vaulttest.Text(string(file(t, "rsa-p12-base64.txt"))).GetSource(), FilePassword: filePassword}, "PKCS #12", 2},
		"jwk":     {vaulttest.Text(string(file(t, "rsa-jwk.json"))), "JWK", 1},
	} {
		created := k.Owner.Create(t, id, &vaultv1.Secret{Value: tt.value})
		facts := created.GetValueFacts()
		if facts.GetConvertedFrom() != tt.from || facts.GetKind() != vaultv1.ValueFacts_KIND_PRIVATE_KEY || facts.GetFormat() != "PKCS #8 in PEM" {
			t.Errorf("%s was recognized as %v", id, facts)
		}
		if diff := cmp.Diff(want, k.Owner.Get(t, id).GetPublicKey(), protocmp.Transform()); diff != "" {
			t.Errorf("the public key of %s differs (-want +got):\n%s", id, diff)
		}
		stored := opened(t, k, id, 0)
		if !strings.HasPrefix(stored, "-----BEGIN PRIVATE KEY-----\n") || strings.Count(stored, "-----BEGIN ") != tt.blocks {
			t.Errorf("%s is stored as %d blocks of PEM, want %d", id, strings.Count(stored, "-----BEGIN "), tt.blocks)
		}
	}
	symmetric := k.Owner.Create(t, "symmetric", &vaultv1.Secret{Value: vaulttest.Text(string(file(t, "aes-jwk.json")))})
	if got := hex.EncodeToString([]byte(opened(t, k, "symmetric", 0))); got != "000102030405060708090a0b0c0d0e0f" || symmetric.GetValueFacts().GetConvertedFrom() != "JWK" {
		t.Errorf("the symmetric JWK is stored as %d bytes, and was recognized as %v", len(got)/2, symmetric.GetValueFacts())
	}
	if got := k.Resolver.Facts(t, "symmetric", vaultv1.Usage_USAGE_KEY, "", 0).GetBytes(); got != 16 {
		t.Errorf("a binder gets the length %d of the symmetric JWK, want 16", got)
	}
	exposed, err := k.Admin.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: vaulttest.Workspace, SecretId: "exposed", Reason: "the partner sends it", Secret: &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_EXPOSED_KEY, Value: vaulttest.Text(string(file(t, "aes-jwk.json")))},
	})
	if err != nil || exposed.GetSecret().GetValueFacts().GetConvertedFrom() != "JWK" {
		t.Errorf("a JWK as an EXPOSED_KEY = %v, %v", exposed.GetSecret().GetValueFacts(), err)
	}
}

// The password of a sealed file is a separate field.
func TestSealedFilesAreConverted(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	to := vaulttest.Place("key", "r1")
	to.Text = false
	value := vaulttest.SealTo(t, k.Owner.NewestKey(t), string(file(t, "rsa.p12")), to)
	_, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r1", value))
	wantNotUsable(t, "a sealed file without its password", err, "secret.value.file_password", "PKCS12_PASSWORD")
	value.FilePassword = filePassword
	for retry := range 2 {
		res, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r1", value))
		if err != nil {
			t.Fatalf("CreateSecret = %v", err)
		}
		if got := res.GetSecret().GetValueFacts().GetConvertedFrom(); retry == 0 && got != "PKCS #12" {
			t.Errorf("the sealed file was converted from %q", got)
		}
	}
	value.FilePassword = "another"
	_, err = k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r1", value))
	vaulttest.WantError(t, "the same request with another password", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	to = vaulttest.Place("key", "r2")
	_, err = k.Owner.UpdateSecret(t.Context(), vaulttest.UpdateSealed("key", "r2", vaulttest.SealTo(t, k.Owner.NewestKey(t), string(file(t, "rsa-encrypted.pem")), to)))
	wantNotUsable(t, "a sealed key that is encrypted", err, vaulttest.SealedField, "ENCRYPTED_PRIVATE_KEY")
}

// wantNotUsable fails the test unless err refuses the form of a key and states a remedy.
func wantNotUsable(t testing.TB, what string, err error, field, form string) {
	t.Helper()
	vaulttest.WantError(t, what, err, codes.InvalidArgument, notUsable)
	violations := servertest.Violations(err)
	if len(violations) != 1 || violations[0].Field != field || !strings.Contains(violations[0].Description, ". ") {
		t.Errorf("%s complains about %v, want one violation of %s with a remedy", what, violations, field)
	}
	if got := servertest.Metadata(err)["form"]; got != form {
		t.Errorf("%s is of the form %q, want %q", what, got, form)
	}
}

func TestKeysThatNothingCanUseAreRefused(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "there", &vaultv1.Secret{})
	ask := &vaulttest.Answers{T: t}
	for name, form := range map[string]string{
		"rsa-encrypted.pem": "ENCRYPTED_PRIVATE_KEY", "rsa-encrypted-old.pem": "ENCRYPTED_PRIVATE_KEY", "rsa-openssh-encrypted.pem": "ENCRYPTED_PRIVATE_KEY",
		"rsa-request.pem": "CERTIFICATE_REQUEST", "rsa-cut.txt": "INCOMPLETE_PEM", "rsa-damaged.txt": "INCOMPLETE_PEM", "rsa.jks": "JAVA_KEYSTORE",
		"dsa.pem": "UNSUPPORTED_ALGORITHM", "brainpool.pem": "UNSUPPORTED_ALGORITHM", "ed448.pem": "UNSUPPORTED_ALGORITHM", "p224.pem": "UNSUPPORTED_ALGORITHM",
		"rsa1024.pem": "UNSUPPORTED_RSA_KEY", "several.pem": "SEVERAL_PRIVATE_KEYS", "rsa-jwks-two.json": "JWK", "rsa-jwk-no-primes.json": "JWK",
	} {
		_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "new", Secret: &vaultv1.Secret{Value: vaulttest.Data(file(t, name))}})
		wantNotUsable(t, name, err, "secret.value.data", form)
		ask.Add(&vaultv1.CreateSecretResponse{}, err)
		_, err = k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("there"), Value: vaulttest.Data(file(t, name))}})
		wantNotUsable(t, name+" as another version", err, "secret.value.data", form)
	}
	_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "new", Secret: &vaultv1.Secret{Value: vaulttest.Text(string(file(t, "rsa-encrypted.pem")))}})
	wantNotUsable(t, "an encrypted key as text", err, "secret.value.text", "ENCRYPTED_PRIVATE_KEY")
	for password, what := range map[string]string{"": "no password", "canary-4711-password": "another password"} {
		_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "new", Secret: &vaultv1.Secret{Value: locked(file(t, "rsa.p12"), password)}})
		wantNotUsable(t, what, err, "secret.value.file_password", "PKCS12_PASSWORD")
		ask.Add(&vaultv1.CreateSecretResponse{}, err)
	}
	if got := k.Owner.History(t, "-"); len(got) != 1 {
		t.Errorf("refused values left %d entries in the log, want only that of the existing secret", len(got))
	}
	k.MustHoldNoCanary(t, ask)
}

// The same key in another spelling is the same key.
func TestEqualKeysServeOnePurposeInAllSpellings(t *testing.T) {
	t.Parallel()
	const oaep, signing = "pem > RSA-OAEP(SHA256) > value", "pem > SIGN-RSA-PKCS1V15-SHA256"
	wide := func(s string) []byte {
		out := []byte("\xff\xfe")
		for _, c := range []byte(s) {
			out = append(out, c, 0)
		}
		return out
	}
	const digits = "000102030405060708090a0b0c0d0e0f"
	aes := []*vaultv1.SecretValue{
		vaulttest.Text(digits), vaulttest.Data([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")), vaulttest.Text("00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F"),
		vaulttest.Text("0x" + digits), vaulttest.Text("00010203 04050607\n08090a0b 0c0d0e0f\n"), vaulttest.Text("AAECAwQF\nBgcICQoL\nDA0ODw==\n"), vaulttest.Data(wide(digits)), vaulttest.Text(string(file(t, "aes-jwk.json"))),
	}
	pair := []*vaultv1.SecretValue{
		vaulttest.Text(string(file(t, "rsa.pem"))), vaulttest.Text(string(file(t, "rsa-one-line.txt"))), vaulttest.Text(string(file(t, "rsa-base64.txt"))), vaulttest.Data(file(t, "rsa-pkcs1.der")),
		locked(file(t, "rsa.p12"), filePassword), vaulttest.Text(string(file(t, "rsa-jwk.json"))), vaulttest.Data(file(t, "rsa-utf16le.txt")), vaulttest.Text(string(file(t, "rsa-openssh.pem"))),
	}
	for name, tt := range map[string]struct {
		values     []*vaultv1.SecretValue
		one, other string
	}{
		"a symmetric key": {aes, vaulttest.GCM, vaulttest.CBC},
		"a key pair":      {pair, oaep, signing},
	} {
		for first := range tt.values {
			// Use a separate vault, because it reveals only a few times an hour that values are equal.
			k := vaulttest.New(t)
			second := (first + 1) % len(tt.values)
			uid := k.Owner.Create(t, "first", &vaultv1.Secret{Value: tt.values[first]}).GetUid()
			if _, err := k.Resolver.BindFor(t, "first", "first", "first", "a.example", tt.one); err != nil {
				t.Fatal(err)
			}
			if _, err := k.Resolver.ResolveFor(t, "first", uid, true, tt.one); err != nil {
				t.Fatal(err)
			}
			k.Owner.Create(t, "second", &vaultv1.Secret{Value: tt.values[second]})
			_, err := k.Resolver.BindFor(t, "second", "second", "second", "a.example", tt.other)
			vaulttest.WantError(t, name+" in the spelling after spelling "+string(rune('0'+first)), err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
		}
	}
}

// learned returns the metadata that a binder learns, given the allowed lengths of the key.
func learned(t testing.TB, c vaulttest.Client, id string, lengths ...uint32) *vaultv1.KeyFacts {
	t.Helper()
	req := vaulttest.BindRequest(id, "e", "op")
	req.KeyBytes = lengths
	res, err := c.BindSecret(t.Context(), req)
	if err != nil {
		t.Fatalf("BindSecret(%s) = %v", id, err)
	}
	return res.GetFacts()
}

func TestBinderIsToldWhatAVersionHolds(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	digits := strings.Repeat("0123456789abcdef", 4)
	for id, tt := range map[string]struct {
		value   *vaultv1.SecretValue
		lengths []uint32
		want    *vaultv1.KeyFacts
	}{
		"digits": {vaulttest.Text(digits), []uint32{32}, &vaultv1.KeyFacts{
			Kind:  vaultv1.ValueFacts_KIND_TEXT,
			Forms: []*vaultv1.ValueForm{{Decoding: "HEX", Bytes: 32}, {Decoding: "BASE64", Bytes: 48}, {Decoding: "BASE64URL", Bytes: 48}, {Decoding: "WHSEC", Bytes: 48}, {Decoding: "RAW", Bytes: 64}},
		}},
		"not-asked":  {vaulttest.Text(digits), nil, &vaultv1.KeyFacts{Kind: vaultv1.ValueFacts_KIND_TEXT}},
		"passphrase": {vaulttest.Text("correct horse battery staple"), []uint32{16}, &vaultv1.KeyFacts{Kind: vaultv1.ValueFacts_KIND_TEXT}},
		"line-end":   {vaulttest.Text("sixteen letters!\n"), []uint32{16}, &vaultv1.KeyFacts{Kind: vaultv1.ValueFacts_KIND_TEXT, LineEnd: true}},
		"bytes": {vaulttest.Data([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff")), []uint32{16}, &vaultv1.KeyFacts{
			Kind: vaultv1.ValueFacts_KIND_BYTES, Bytes: 16, Forms: []*vaultv1.ValueForm{{Decoding: "RAW", Bytes: 16}},
		}},
		"curve": {vaulttest.Text(string(file(t, "p521.pem"))), []uint32{16}, &vaultv1.KeyFacts{
			Kind: vaultv1.ValueFacts_KIND_PRIVATE_KEY, PrivateKey: true, Algorithm: "EC-P521",
			Fingerprint: "9085ec42fa571d425b023c0467a51d6a48c5fbb7fb54a5572fc11f71f9bba6d8", // by openssl pkey -pubout -outform DER
		}},
		"pgp": {vaulttest.Text(string(file(t, "pgp-public.asc"))), []uint32{16}, &vaultv1.KeyFacts{Kind: vaultv1.ValueFacts_KIND_PGP_PUBLIC_KEY}},
	} {
		k.Owner.Create(t, id, &vaultv1.Secret{Value: tt.value})
		if diff := cmp.Diff(tt.want, learned(t, k.Resolver, id, tt.lengths...), protocmp.Transform()); diff != "" {
			t.Errorf("the facts of %s differ (-want +got):\n%s", id, diff)
		}
	}
	k.Owner.Create(t, "pair", &vaultv1.Secret{Value: vaulttest.Text(string(file(t, "rsa-one-line.txt")))})
	want := &vaultv1.KeyFacts{Kind: vaultv1.ValueFacts_KIND_PRIVATE_KEY, PrivateKey: true, Algorithm: "RSA-2048", Fingerprint: k.Owner.Get(t, "pair").GetPublicKey().GetFingerprint()}
	if diff := cmp.Diff(want, learned(t, k.Resolver, "pair", 16), protocmp.Transform()); diff != "" {
		t.Errorf("the facts of a key in one line differ (-want +got):\n%s", diff)
	}
	if _, err := k.Owner.Change(t.Context(), vaulttest.Disable, vaulttest.VersionCall{Name: vaulttest.VersionOf("digits", 1)}); err != nil {
		t.Fatal(err)
	}
	if got := learned(t, k.Resolver, "digits", 32); got != nil {
		t.Errorf("the facts of a disabled version are %v, want none", got)
	}
}

func TestABindingIsRehearsed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Data([]byte("0123456789abcdef"))})
	req := vaulttest.BindRequest("key", "e", "op")
	req.ValidateOnly, req.KeyBytes = true, []uint32{16}
	for range 2 {
		res, err := k.Resolver.BindSecret(t.Context(), proto.CloneOf(req))
		if err != nil || res.GetBinding() != nil || res.GetFacts().GetBytes() != 16 || len(res.GetFacts().GetForms()) == 0 {
			t.Fatalf("BindSecret = %v, %v, want the facts and no binding", res, err)
		}
	}
	if got := k.Owner.Get(t, "key"); got.GetReferenceCount() != 0 || got.GetPurpose().GetState() != vaultv1.PurposeState_PURPOSE_STATE_UNCLAIMED || len(k.Owner.History(t, "key")) != 1 {
		t.Errorf("a rehearsal left the binding %v", got)
	}
	// A rehearsal fails like the binding.
	k.Resolver.Bind(t, "key", "other", "other")
	for what, tt := range map[string]struct {
		change func(*vaultv1.BindSecretRequest)
		code   codes.Code
		reason commonv1.ErrorReason
	}{
		"another purpose": {func(r *vaultv1.BindSecretRequest) { r.Chains = []string{vaulttest.GCM} }, codes.FailedPrecondition, vaulttest.KeyPurposeFixed},
		"another usage":   {func(r *vaultv1.BindSecretRequest) { r.Usage, r.Chains, r.Host = vaultv1.Usage_USAGE_PARAMETER, nil, "" }, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_USAGE_NOT_ALLOWED},
		"another version": {func(r *vaultv1.BindSecretRequest) { r.Version = 7 }, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND},
	} {
		r := proto.CloneOf(req)
		tt.change(r)
		_, err := k.Resolver.BindSecret(t.Context(), r)
		vaulttest.WantError(t, "a rehearsal with "+what, err, tt.code, tt.reason)
	}
	k.Resolver.Unbind(t, "key", "other")
	if got := k.Owner.Get(t, "key").GetReferenceCount(); got != 0 {
		t.Errorf("after the rehearsals there are %d referrers", got)
	}
}

// A rehearsal that reveals that values are equal counts like a binding. Otherwise it would allow
// callers to compare values without limit.
func TestARehearsalCountsAgainstTheLimits(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	value := []byte("0123456789abcdef0123456789abcdef")
	uid := k.Owner.Create(t, "first", &vaultv1.Secret{Value: vaulttest.Data(value)}).GetUid()
	if _, err := k.Resolver.BindFor(t, "first", "first", "first", "a.example", vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Resolver.ResolveFor(t, "first", uid, true, vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	k.Owner.Create(t, "second", &vaultv1.Secret{Value: vaulttest.Data(value)})
	req := vaulttest.BindRequest("second", "e", "op")
	req.Chains, req.ValidateOnly = []string{vaulttest.CBC}, true
	for range 5 {
		_, err := k.Resolver.BindSecret(t.Context(), proto.CloneOf(req))
		vaulttest.WantError(t, "a rehearsal", err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	}
	_, err := k.Resolver.BindSecret(t.Context(), req)
	vaulttest.WantError(t, "the sixth rehearsal", err, codes.ResourceExhausted, commonv1.ErrorReason_ERROR_REASON_RATE_LIMITED)
	refused := slices.DeleteFunc(k.Owner.History(t, "second"), func(c *vaultv1.SecretChange) bool {
		return c.GetAction() != vaultv1.SecretChange_ACTION_EQUAL_VALUE_REFUSED
	})
	if len(refused) != 5 {
		t.Errorf("the log has %d refusals, want 5", len(refused))
	}
}
