package api_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestAKeyServesOnePurpose(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Owner.Create(t, "key", &vaultv1.Secret{}).GetUid()
	if got := k.Owner.Purpose(t, "key"); got.GetState() != vaultv1.PurposeState_PURPOSE_STATE_UNCLAIMED {
		t.Errorf("the purpose of a new key is %v", got)
	}
	bind := func(endpoint, operation string, chains ...string) error {
		_, err := k.Resolver.BindFor(t, "key", endpoint, operation, "a.example", chains...)
		return err
	}
	if err := bind("first", "op1", vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	err := bind("second", "op2", vaulttest.CBC)
	vaulttest.WantError(t, "another endpoint for another purpose", err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	if got := servertest.Metadata(err); got["chains"] != vaulttest.GCM || got["requested"] != vaulttest.CBC {
		t.Errorf("the error has %v", got)
	}
	vaulttest.WantError(t, "a part of its purpose", bind("second", "op2", vaulttest.GCM, vaulttest.CBC), codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	if err := bind("second", "op2", vaulttest.GCM); err != nil {
		t.Errorf("another endpoint for the same purpose = %v", err)
	}
	k.Resolver.Unbind(t, "key", "op2")

	// The referrer of a claim can correct it, and a resolve must match the claim.
	if err := bind("first", "op3", vaulttest.CBC); err != nil {
		t.Errorf("the same endpoint, corrected = %v", err)
	}
	k.Resolver.Unbind(t, "key", "op1")
	_, err = k.Resolver.ResolveFor(t, "key", uid, false, vaulttest.GCM)
	vaulttest.WantError(t, "ResolveSecret for the previous claim", err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	_, err = k.Resolver.ResolveFor(t, "key", uid, false)
	vaulttest.WantError(t, "ResolveSecret without a purpose", err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	got, err := k.Resolver.ResolveFor(t, "key", uid, false, vaulttest.CBC)
	if err != nil || got.GetSealed() {
		t.Fatalf("ResolveSecret for the claim = %v, sealed %v", err, got.GetSealed())
	}
	// A claim ends with its binding.
	k.Resolver.Unbind(t, "key", "op3")
	if err := bind("first", "op4", vaulttest.GCM); err != nil {
		t.Errorf("a claim after the previous one was removed = %v", err)
	}
}

func TestTheFirstMessageSealsThePurpose(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Owner.Create(t, "key", &vaultv1.Secret{}).GetUid()
	bind := func(endpoint, operation string, chains ...string) error {
		_, err := k.Resolver.BindFor(t, "key", endpoint, operation, "a.example", chains...)
		return err
	}
	if err := bind("e", "op", vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	if got := k.Owner.Purpose(t, "key"); got.GetState() != vaultv1.PurposeState_PURPOSE_STATE_CLAIMED || !slices.Equal(got.GetChains(), []string{vaulttest.GCM}) {
		t.Errorf("the purpose of a bound key is %v", got)
	}
	for range 2 {
		got, err := k.Resolver.ResolveFor(t, "key", uid, true, vaulttest.GCM)
		if err != nil || !got.GetSealed() || len(got.GetValue()) == 0 {
			t.Fatalf("ResolveSecret that seals = %v, sealed %v, %d bytes", err, got.GetSealed(), len(got.GetValue()))
		}
	}
	changes := k.Owner.History(t, "key")
	if changes[0].GetAction() != vaultv1.SecretChange_ACTION_PURPOSE_SEALED || !slices.Equal(changes[0].GetChains(), []string{vaulttest.GCM}) ||
		changes[1].GetAction() != vaultv1.SecretChange_ACTION_BOUND {
		t.Errorf("the log has %v, then %v: want one seal", changes[0], changes[1].GetAction())
	}
	refused := func(what string, err error) {
		t.Helper()
		vaulttest.WantError(t, what, err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	}
	refused("the same endpoint for another purpose", bind("e", "op2", vaulttest.CBC))
	k.Resolver.Unbind(t, "key", "op")
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("rotated, and long enough")})
	k.Running.Stop()
	k.Start(t)
	refused("after all bindings were removed, a rotation, and a restart", bind("e", "op3", vaulttest.CBC))
	if err := bind("e", "op4", vaulttest.GCM); err != nil {
		t.Errorf("the sealed purpose = %v", err)
	}
	if got := k.Owner.Purpose(t, "key"); got.GetState() != vaultv1.PurposeState_PURPOSE_STATE_SEALED || got.GetSealTime() == nil || got.GetHost() != "a.example" {
		t.Errorf("the purpose is %v", got)
	}
}

func TestADerivationKeepsItsCost(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	bind := func(endpoint string, cost uint64) error {
		req := vaulttest.BindRequest("key", endpoint, endpoint)
		req.Cost = cost
		_, err := k.Resolver.BindSecret(t.Context(), req)
		return err
	}
	if err := bind("a", 1000); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantError(t, "less work", bind("b", 999), codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	if err := bind("c", 600_000); err != nil {
		t.Errorf("more work = %v", err)
	}
}

func TestAKeyServesOneHostUnlessItIsShared(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for _, id := range []string{"claimed", "sealed"} {
		uid := k.Owner.Create(t, id, &vaultv1.Secret{}).GetUid()
		if _, err := k.Resolver.BindFor(t, id, "e", "op", "a.example", vaulttest.GCM); err != nil {
			t.Fatal(err)
		}
		if id == "sealed" {
			if _, err := k.Resolver.ResolveFor(t, id, uid, true, vaulttest.GCM); err != nil {
				t.Fatal(err)
			}
			_, err := k.Resolver.BindFor(t, id, "e", "op2", "b.example", vaulttest.GCM)
			vaulttest.WantError(t, "an endpoint in use that changes its host", err, codes.FailedPrecondition, vaulttest.KeyNotShared)
		}
		_, err := k.Resolver.BindFor(t, id, "f", "op3", "b.example", vaulttest.GCM)
		vaulttest.WantError(t, id+": another host", err, codes.FailedPrecondition, vaulttest.KeyNotShared)
		if got := servertest.Metadata(err)["host"]; got != "a.example" {
			t.Errorf("%s: the error has host %q", id, got)
		}
		share := &vaultv1.UpdateSecretRequest{
			Secret: &vaultv1.Secret{Name: vaulttest.NameOf(id), Shared: true}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"shared"}},
		}
		_, err = k.Owner.UpdateSecret(t.Context(), share)
		vaulttest.WantError(t, "an owner who shares an existing key", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
		if _, err := k.Admin.UpdateSecret(t.Context(), share); err != nil {
			t.Fatal(err)
		}
		if changes := k.Owner.History(t, id); !slices.Equal(changes[0].GetChangedFields(), []string{"shared"}) {
			t.Errorf("the log says %v", changes[0])
		}
		if _, err := k.Resolver.BindFor(t, id, "f", "op3", "b.example", vaulttest.GCM); err != nil {
			t.Errorf("%s: another host of a shared key = %v", id, err)
		}
		_, err = k.Resolver.BindFor(t, id, "f", "op4", "b.example", vaulttest.CBC)
		vaulttest.WantError(t, "another purpose of a shared key", err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
		share.Secret.Shared = false
		_, err = k.Admin.UpdateSecret(t.Context(), share)
		vaulttest.WantField(t, "to unshare a key", err, "secret.shared")
	}
	k.Owner.Create(t, "from-the-start", &vaultv1.Secret{Shared: true})
	for _, host := range []string{"a.example", "b.example"} {
		if _, err := k.Resolver.BindFor(t, "from-the-start", host, host, host, vaulttest.GCM); err != nil {
			t.Errorf("a key that its owner created as shared, at %s = %v", host, err)
		}
	}
}

func TestPublicKeysServeAnyPurposeAndStayPublic(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "pair", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_RSA_2048)})
	public := k.Owner.Get(t, "pair").GetPublicKey().GetPem()
	uid := k.Owner.Create(t, "partner", &vaultv1.Secret{Value: vaulttest.Text(public)}).GetUid()
	for i, chains := range [][]string{{"pem > RSA-OAEP(SHA256) > value"}, {"pem > SIGN-RSA-PSS-SHA256"}, nil} {
		host := string(rune('a'+i)) + ".example"
		if _, err := k.Resolver.BindFor(t, "partner", host, host, host, chains...); err != nil {
			t.Errorf("a public key for %v = %v", chains, err)
		}
		if _, err := k.Resolver.ResolveFor(t, "partner", uid, true, chains...); err != nil {
			t.Errorf("a public key resolved for %v = %v", chains, err)
		}
	}
	if got := k.Owner.Purpose(t, "partner"); got != nil {
		t.Errorf("the purpose of a public key is %v", got)
	}
	for what, value := range map[string]*vaultv1.SecretValue{
		"a private key": vaulttest.Generate(vaultv1.Generate_KIND_RSA_2048), "bytes": vaulttest.Generate(vaultv1.Generate_KIND_AES_256), "a text": vaulttest.Text("a value of the owner's choice"),
	} {
		_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("partner"), Value: value}})
		vaulttest.WantField(t, what+" in the place of a public key", err, "secret.value")
	}
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("partner"), Value: vaulttest.Text(public)})
	// The private part of a pair has one purpose.
	if _, err := k.Resolver.BindFor(t, "pair", "e", "op", "a.example", "pem > RSA-OAEP(SHA256) > value"); err != nil {
		t.Fatal(err)
	}
	_, err := k.Resolver.BindFor(t, "pair", "f", "op2", "a.example", "pem > SIGN-RSA-PSS-SHA256")
	vaulttest.WantError(t, "a pair for two purposes", err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
}

func TestOnlyASuperAdminStoresAnExposedKey(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	req := &vaultv1.CreateSecretRequest{
		Parent: vaulttest.Workspace, SecretId: "exposed", Secret: &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_EXPOSED_KEY, Value: vaulttest.Text("the first bytes are visible")}, Reason: "the partner has nothing else",
	}
	_, err := k.Owner.CreateSecret(t.Context(), req)
	vaulttest.WantError(t, "an owner", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	req.Reason = ""
	_, err = k.Admin.CreateSecret(t.Context(), req)
	vaulttest.WantField(t, "without a reason", err, "reason")
	req.Secret.Value, req.Reason = vaulttest.Text("the first bytes are visible"), "the partner has nothing else"
	if _, err := k.Admin.CreateSecret(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	_, err = k.Resolver.BindFor(t, "exposed", "e", "op", "a.example", vaulttest.GCM)
	vaulttest.WantError(t, "an exposed key as a KEY", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_USAGE_NOT_ALLOWED)
	if got := k.Owner.Get(t, "exposed"); got.GetUsage() != vaultv1.Usage_USAGE_EXPOSED_KEY || got.GetPurpose() != nil {
		t.Errorf("GetSecret = %v", got)
	}
}

func TestAMistakenPurposeIsReplacedByASuperAdminOnly(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Owner.Create(t, "key", &vaultv1.Secret{}).GetUid()
	replace := func(c vaulttest.Client, chains ...string) error {
		_, err := c.ReplaceSecretPurpose(t.Context(), &vaultv1.ReplaceSecretPurposeRequest{Name: vaulttest.NameOf("key"), Chains: chains, Reason: "the padding was wrong"})
		return err
	}
	if _, err := k.Resolver.BindFor(t, "key", "e", "op", "a.example", vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantError(t, "a key whose purpose is not sealed", replace(k.Admin, vaulttest.CBC), codes.FailedPrecondition, vaulttest.KeyPurposeUnknown)
	if _, err := k.Resolver.ResolveFor(t, "key", uid, true, vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantError(t, "an owner", replace(k.Owner, vaulttest.CBC), codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	vaulttest.WantError(t, "added chains", replace(k.Admin, vaulttest.GCM, vaulttest.CBC), codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	if err := replace(k.Admin, vaulttest.CBC); err != nil {
		t.Fatal(err)
	}
	changes := k.Owner.History(t, "key")
	if changes[0].GetAction() != vaultv1.SecretChange_ACTION_PURPOSE_REPLACED || changes[0].GetReason() == "" ||
		!slices.Equal(changes[0].GetChains(), []string{vaulttest.CBC}) || !slices.Equal(changes[0].GetOldChains(), []string{vaulttest.GCM}) {
		t.Errorf("the log says %v", changes[0])
	}
	_, err := k.Resolver.ResolveFor(t, "key", uid, true, vaulttest.GCM)
	vaulttest.WantError(t, "the previous purpose", err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	if _, err := k.Resolver.BindFor(t, "key", "e", "op2", "a.example", vaulttest.CBC); err != nil {
		t.Errorf("the endpoint saved again = %v", err)
	}
	// Decrypting a message proves that the configuration is right.
	report := &vaultv1.ReportSecretUsesRequest{Parent: vaulttest.Workspace, ReportId: "r1", Uses: []*vaultv1.SecretUse{{Secret: vaulttest.NameOf("key"), Uid: uid, Version: 1, Used: 1, Opened: 1}}}
	if _, err := k.Resolver.ReportSecretUses(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantError(t, "after a message was decrypted", replace(k.Admin, vaulttest.GCM), codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
}

// Storing a value again under another name does not circumvent its purpose, in any form.
func TestEqualBytesServeOnePurpose(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	raw := []byte("0123456789abcdef0123456789abcdef")
	use := func(id string, value *vaultv1.SecretValue, chains ...string) error {
		uid := k.Owner.Create(t, id, &vaultv1.Secret{Value: value}).GetUid()
		if _, err := k.Resolver.BindFor(t, id, id, id, "a.example", chains...); err != nil {
			return err
		}
		_, err := k.Resolver.ResolveFor(t, id, uid, true, chains...)
		return err
	}
	if err := use("first", vaulttest.Data(raw), vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	if err := use("same-purpose", vaulttest.Data(raw), vaulttest.GCM); err != nil {
		t.Errorf("equal bytes for the same purpose = %v", err)
	}
	for id, value := range map[string]*vaultv1.SecretValue{
		"bytes": vaulttest.Data(raw), "hex": vaulttest.Text(hex.EncodeToString(raw) + "\n"), "base64": vaulttest.Text(base64.StdEncoding.EncodeToString(raw)),
		"whsec": vaulttest.Text("whsec_" + base64.RawStdEncoding.EncodeToString(raw)),
	} {
		err := use(id, value, vaulttest.CBC)
		vaulttest.WantError(t, "the value as "+id, err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
		if got := k.Owner.History(t, id)[0].GetAction(); got != vaultv1.SecretChange_ACTION_EQUAL_VALUE_REFUSED {
			t.Errorf("the log of %s ends with %v", id, got)
		}
	}
	if err := use("other", vaulttest.Data([]byte("another key, of thirty-two bytes")), vaulttest.CBC); err != nil {
		t.Errorf("other bytes = %v", err)
	}
	_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("other"), Value: vaulttest.Data(raw)}})
	vaulttest.WantError(t, "the value as a version of another purpose", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VALUE_IN_USE)

	// The vault reveals five times an hour that bytes are equal.
	_, err = k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "held-back", Secret: &vaultv1.Secret{Value: vaulttest.Text("a guess at the value")}})
	vaulttest.WantError(t, "a store after five refusals", err, codes.ResourceExhausted, commonv1.ErrorReason_ERROR_REASON_RATE_LIMITED)
	mustStoreIn(t, k.As(t, k.Env.Owner(t, "other")), "workspaces/other", "not-held-back")
}

func mustStoreIn(t testing.TB, c vaulttest.Client, parent, id string) {
	t.Helper()
	if _, err := c.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: parent, SecretId: id, Secret: &vaultv1.Secret{Value: vaulttest.Text("a value of another tenant")}}); err != nil {
		t.Errorf("another workspace stores = %v", err)
	}
}

func TestAKeyPairIsTheSameInAllEncodings(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	forms := []string{
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	}
	for i, chains := range []string{"pem > RSA-OAEP(SHA256) > value", "pem > SIGN-RSA-PKCS1V15-SHA256"} {
		id := string(rune('a' + i))
		uid := k.Owner.Create(t, id, &vaultv1.Secret{Value: vaulttest.Text(forms[i])}).GetUid()
		_, err := k.Resolver.BindFor(t, id, id, id, "a.example", chains)
		if i == 1 {
			vaulttest.WantError(t, "the pair in another form", err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
			return
		}
		if _, err := k.Resolver.ResolveFor(t, id, uid, true, chains); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGeneratedKeysServeOnlyTheirKind(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	const mac, jws = "raw > HMAC-SHA256(of=message)", "raw > JWS-HS256"
	for i, tt := range []struct {
		kind  vaultv1.Generate_Kind
		chain string
		fits  bool
	}{
		{vaultv1.Generate_KIND_AES_256, "raw > AES-256-GCM(iv=random/12,tag=16)", true},
		{vaultv1.Generate_KIND_AES_256, "raw > HKDF-SHA256(bytes=32) > AES-256-GCM(iv=random/12,tag=16)", true},
		{vaultv1.Generate_KIND_AES_256, mac, false},
		{vaultv1.Generate_KIND_AES_128, "raw > SECRET-DIGEST-SHA256(*S)", false},
		{vaultv1.Generate_KIND_HMAC_SHA256, mac, true},
		{vaultv1.Generate_KIND_HMAC_SHA512, jws, true},
		{vaultv1.Generate_KIND_HMAC_SHA256, "raw > AES-256-GCM(iv=random/12,tag=16)", false},
		{vaultv1.Generate_KIND_PASSWORD, mac, true},
	} {
		id := string(rune('a' + i))
		k.Owner.Create(t, id, &vaultv1.Secret{Value: vaulttest.Generate(tt.kind)})
		_, err := k.Resolver.BindFor(t, id, "e", "op", "a.example", tt.chain)
		if tt.fits {
			if err != nil {
				t.Errorf("%v for %s = %v", tt.kind, tt.chain, err)
			}
			continue
		}
		vaulttest.WantError(t, tt.kind.String()+" for "+tt.chain, err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	}
}
