package vault_test

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
)

// Chains that are one another's oracles, as far as the vault knows: it compares them.
const (
	gcm = "hex > AES-256-GCM(iv=random/12,tag=16)"
	cbc = "hex > AES-256-CBC(padding=none,iv=zero/16)"
)

const (
	keyPurposeFixed   = commonv1.ErrorReason_ERROR_REASON_KEY_PURPOSE_FIXED
	keyPurposeUnknown = commonv1.ErrorReason_ERROR_REASON_KEY_PURPOSE_UNKNOWN
	keyNotShared      = commonv1.ErrorReason_ERROR_REASON_KEY_NOT_SHARED
)

// bindFor binds a KEY for chains, at a host.
func (c client) bindFor(t testing.TB, id, endpoint, operation, host string, chains ...string) (*vaultv1.Binding, error) {
	t.Helper()
	req := bindRequest(id, endpoint, operation)
	req.Host, req.Chains = host, chains
	res, err := c.BindSecret(t.Context(), req)
	return res.GetBinding(), err
}

// resolveFor resolves a KEY for chains.
func (c client) resolveFor(t testing.TB, id, uid string, seal bool, chains ...string) (*vaultv1.ResolveSecretResponse, error) {
	t.Helper()
	return c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{
		Name: nameOf(id), Uid: uid, Purpose: purposeOf(chains...), Seal: seal,
	})
}

func (c client) purpose(t testing.TB, id string) *vaultv1.KeyPurpose {
	t.Helper()
	return c.get(t, id).GetPurpose()
}

func TestAKeyServesOnePurpose(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.owner.create(t, "key", &vaultv1.Secret{}).GetUid()
	if got := k.owner.purpose(t, "key"); got.GetState() != vaultv1.PurposeState_PURPOSE_STATE_UNCLAIMED {
		t.Errorf("the purpose of a new key is %v", got)
	}
	bind := func(endpoint, operation string, chains ...string) error {
		_, err := k.resolver.bindFor(t, "key", endpoint, operation, "a.example", chains...)
		return err
	}
	if err := bind("first", "op1", gcm); err != nil {
		t.Fatal(err)
	}
	err := bind("second", "op2", cbc)
	wantError(t, "another endpoint for another purpose", err, codes.FailedPrecondition, keyPurposeFixed)
	if got := servertest.Metadata(err); got["chains"] != gcm || got["requested"] != cbc {
		t.Errorf("the refusal says %v", got)
	}
	wantError(t, "a part of what it is used for", bind("second", "op2", gcm, cbc), codes.FailedPrecondition, keyPurposeFixed)
	if err := bind("second", "op2", gcm); err != nil {
		t.Errorf("another endpoint for the same purpose = %v", err)
	}
	k.resolver.unbind(t, "key", "op2")

	// A claim can be corrected by who made it, and only what is claimed is resolved.
	if err := bind("first", "op3", cbc); err != nil {
		t.Errorf("the same endpoint, corrected = %v", err)
	}
	k.resolver.unbind(t, "key", "op1")
	_, err = k.resolver.resolveFor(t, "key", uid, false, gcm)
	wantError(t, "ResolveSecret for the claim before", err, codes.FailedPrecondition, keyPurposeFixed)
	_, err = k.resolver.resolveFor(t, "key", uid, false)
	wantError(t, "ResolveSecret for nothing", err, codes.FailedPrecondition, keyPurposeFixed)
	got, err := k.resolver.resolveFor(t, "key", uid, false, cbc)
	if err != nil || got.GetSealed() {
		t.Fatalf("ResolveSecret for the claim = %v, sealed %v", err, got.GetSealed())
	}
	// What was tried and given up binds nobody.
	k.resolver.unbind(t, "key", "op3")
	if err := bind("first", "op4", gcm); err != nil {
		t.Errorf("a claim after the one before was given up = %v", err)
	}
}

func TestTheFirstMessageSealsThePurpose(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.owner.create(t, "key", &vaultv1.Secret{}).GetUid()
	bind := func(endpoint, operation string, chains ...string) error {
		_, err := k.resolver.bindFor(t, "key", endpoint, operation, "a.example", chains...)
		return err
	}
	if err := bind("e", "op", gcm); err != nil {
		t.Fatal(err)
	}
	if got := k.owner.purpose(t, "key"); got.GetState() != vaultv1.PurposeState_PURPOSE_STATE_CLAIMED || !slices.Equal(got.GetChains(), []string{gcm}) {
		t.Errorf("the purpose of a bound key is %v", got)
	}
	for range 2 {
		got, err := k.resolver.resolveFor(t, "key", uid, true, gcm)
		if err != nil || !got.GetSealed() || len(got.GetValue()) == 0 {
			t.Fatalf("ResolveSecret that seals = %v, sealed %v, %d bytes", err, got.GetSealed(), len(got.GetValue()))
		}
	}
	changes := k.owner.history(t, "key")
	if changes[0].GetAction() != vaultv1.SecretChange_ACTION_PURPOSE_SEALED || !slices.Equal(changes[0].GetChains(), []string{gcm}) ||
		changes[1].GetAction() != vaultv1.SecretChange_ACTION_BOUND {
		t.Errorf("the log says %v, then %v: want one seal", changes[0], changes[1].GetAction())
	}
	refused := func(what string, err error) {
		t.Helper()
		wantError(t, what, err, codes.FailedPrecondition, keyPurposeFixed)
	}
	refused("the same endpoint for another purpose", bind("e", "op2", cbc))
	k.resolver.unbind(t, "key", "op")
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("rotated, and long enough")})
	k.running.Stop()
	k.start(t)
	refused("after all bindings were given up, a rotation and a restart", bind("e", "op3", cbc))
	if err := bind("e", "op4", gcm); err != nil {
		t.Errorf("the sealed purpose = %v", err)
	}
	if got := k.owner.purpose(t, "key"); got.GetState() != vaultv1.PurposeState_PURPOSE_STATE_SEALED || got.GetSealTime() == nil || got.GetHost() != "a.example" {
		t.Errorf("the purpose is %v", got)
	}
}

func TestADerivationKeepsItsCost(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	bind := func(endpoint string, cost uint64) error {
		req := bindRequest("key", endpoint, endpoint)
		req.Cost = cost
		_, err := k.resolver.BindSecret(t.Context(), req)
		return err
	}
	if err := bind("a", 1000); err != nil {
		t.Fatal(err)
	}
	wantError(t, "less work", bind("b", 999), codes.FailedPrecondition, keyPurposeFixed)
	if err := bind("c", 600_000); err != nil {
		t.Errorf("more work = %v", err)
	}
}

func TestAKeyServesOneHostUnlessItIsShared(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, id := range []string{"claimed", "sealed"} {
		uid := k.owner.create(t, id, &vaultv1.Secret{}).GetUid()
		if _, err := k.resolver.bindFor(t, id, "e", "op", "a.example", gcm); err != nil {
			t.Fatal(err)
		}
		if id == "sealed" {
			if _, err := k.resolver.resolveFor(t, id, uid, true, gcm); err != nil {
				t.Fatal(err)
			}
			_, err := k.resolver.bindFor(t, id, "e", "op2", "b.example", gcm)
			wantError(t, "an endpoint in use that moves", err, codes.FailedPrecondition, keyNotShared)
		}
		_, err := k.resolver.bindFor(t, id, "f", "op3", "b.example", gcm)
		wantError(t, id+": another host", err, codes.FailedPrecondition, keyNotShared)
		if got := servertest.Metadata(err)["host"]; got != "a.example" {
			t.Errorf("%s: the refusal names host %q", id, got)
		}
		share := &vaultv1.UpdateSecretRequest{
			Secret: &vaultv1.Secret{Name: nameOf(id), Shared: true}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"shared"}},
		}
		_, err = k.owner.UpdateSecret(t.Context(), share)
		wantError(t, "an owner who shares what there is", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
		if _, err := k.admin.UpdateSecret(t.Context(), share); err != nil {
			t.Fatal(err)
		}
		if changes := k.owner.history(t, id); !slices.Equal(changes[0].GetChangedFields(), []string{"shared"}) {
			t.Errorf("the log says %v", changes[0])
		}
		if _, err := k.resolver.bindFor(t, id, "f", "op3", "b.example", gcm); err != nil {
			t.Errorf("%s: another host of a shared key = %v", id, err)
		}
		_, err = k.resolver.bindFor(t, id, "f", "op4", "b.example", cbc)
		wantError(t, "another purpose of a shared key", err, codes.FailedPrecondition, keyPurposeFixed)
		share.Secret.Shared = false
		_, err = k.admin.UpdateSecret(t.Context(), share)
		wantField(t, "to take it back", err, "secret.shared")
	}
	k.owner.create(t, "from-the-start", &vaultv1.Secret{Shared: true})
	for _, host := range []string{"a.example", "b.example"} {
		if _, err := k.resolver.bindFor(t, "from-the-start", host, host, host, gcm); err != nil {
			t.Errorf("a key that its owner created as shared, at %s = %v", host, err)
		}
	}
}

func TestPublicKeysServeAnyPurposeAndStayPublic(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "pair", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_RSA_2048)})
	public := k.owner.get(t, "pair").GetPublicKey().GetPem()
	uid := k.owner.create(t, "partner", &vaultv1.Secret{Value: text(public)}).GetUid()
	for i, chains := range [][]string{{"pem > RSA-OAEP(SHA256) > value"}, {"pem > SIGN-RSA-PSS-SHA256"}, nil} {
		host := string(rune('a'+i)) + ".example"
		if _, err := k.resolver.bindFor(t, "partner", host, host, host, chains...); err != nil {
			t.Errorf("a public key for %v = %v", chains, err)
		}
		if _, err := k.resolver.resolveFor(t, "partner", uid, true, chains...); err != nil {
			t.Errorf("a public key resolved for %v = %v", chains, err)
		}
	}
	if got := k.owner.purpose(t, "partner"); got != nil {
		t.Errorf("the purpose of a public key is %v", got)
	}
	for what, value := range map[string]*vaultv1.SecretValue{
		"a private key": generate(vaultv1.Generate_KIND_RSA_2048), "bytes": generate(vaultv1.Generate_KIND_AES_256), "a text": text("a text of the owner's choice"),
	} {
		_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: nameOf("partner"), Value: value}})
		wantField(t, what+" in the place of a public key", err, "secret.value")
	}
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("partner"), Value: text(public)})
	// The private part of a pair has one purpose.
	if _, err := k.resolver.bindFor(t, "pair", "e", "op", "a.example", "pem > RSA-OAEP(SHA256) > value"); err != nil {
		t.Fatal(err)
	}
	_, err := k.resolver.bindFor(t, "pair", "f", "op2", "a.example", "pem > SIGN-RSA-PSS-SHA256")
	wantError(t, "a pair for two purposes", err, codes.FailedPrecondition, keyPurposeFixed)
}

func TestOnlyASuperAdminStoresAnExposedKey(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	req := &vaultv1.CreateSecretRequest{
		Parent: workspace, SecretId: "exposed", Secret: &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_EXPOSED_KEY, Value: text("the beginning shows")}, Reason: "the partner has nothing else",
	}
	_, err := k.owner.CreateSecret(t.Context(), req)
	wantError(t, "an owner", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	req.Reason = ""
	_, err = k.admin.CreateSecret(t.Context(), req)
	wantField(t, "without a reason", err, "reason")
	req.Secret.Value, req.Reason = text("the beginning shows"), "the partner has nothing else"
	if _, err := k.admin.CreateSecret(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	_, err = k.resolver.bindFor(t, "exposed", "e", "op", "a.example", gcm)
	wantError(t, "an exposed key as a KEY", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_USAGE_NOT_ALLOWED)
	if got := k.owner.get(t, "exposed"); got.GetUsage() != vaultv1.Usage_USAGE_EXPOSED_KEY || got.GetPurpose() != nil {
		t.Errorf("GetSecret = %v", got)
	}
}

func TestAMistakenPurposeIsReplacedByASuperAdminOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.owner.create(t, "key", &vaultv1.Secret{}).GetUid()
	replace := func(c client, chains ...string) error {
		_, err := c.ReplaceSecretPurpose(t.Context(), &vaultv1.ReplaceSecretPurposeRequest{Name: nameOf("key"), Chains: chains, Reason: "the padding was wrong"})
		return err
	}
	if _, err := k.resolver.bindFor(t, "key", "e", "op", "a.example", gcm); err != nil {
		t.Fatal(err)
	}
	wantError(t, "what is not sealed", replace(k.admin, cbc), codes.FailedPrecondition, keyPurposeUnknown)
	if _, err := k.resolver.resolveFor(t, "key", uid, true, gcm); err != nil {
		t.Fatal(err)
	}
	wantError(t, "an owner", replace(k.owner, cbc), codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	wantError(t, "chains that are added", replace(k.admin, gcm, cbc), codes.FailedPrecondition, keyPurposeFixed)
	if err := replace(k.admin, cbc); err != nil {
		t.Fatal(err)
	}
	changes := k.owner.history(t, "key")
	if changes[0].GetAction() != vaultv1.SecretChange_ACTION_PURPOSE_REPLACED || changes[0].GetReason() == "" ||
		!slices.Equal(changes[0].GetChains(), []string{cbc}) || !slices.Equal(changes[0].GetOldChains(), []string{gcm}) {
		t.Errorf("the log says %v", changes[0])
	}
	_, err := k.resolver.resolveFor(t, "key", uid, true, gcm)
	wantError(t, "the purpose before", err, codes.FailedPrecondition, keyPurposeFixed)
	if _, err := k.resolver.bindFor(t, "key", "e", "op2", "a.example", cbc); err != nil {
		t.Errorf("the endpoint saved again = %v", err)
	}
	// Once a message was opened, the configuration was right.
	report := &vaultv1.ReportSecretUsesRequest{Parent: workspace, ReportId: "r1", Uses: []*vaultv1.SecretUse{{Secret: nameOf("key"), Uid: uid, Version: 1, Used: 1, Opened: 1}}}
	if _, err := k.resolver.ReportSecretUses(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	wantError(t, "after a message was opened", replace(k.admin, gcm), codes.FailedPrecondition, keyPurposeFixed)
}

// To store a value again under another name is no way around its purpose, in whatever form it
// is stored.
func TestEqualBytesServeOnePurpose(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	raw := []byte("0123456789abcdef0123456789abcdef")
	use := func(id string, value *vaultv1.SecretValue, chains ...string) error {
		uid := k.owner.create(t, id, &vaultv1.Secret{Value: value}).GetUid()
		if _, err := k.resolver.bindFor(t, id, id, id, "a.example", chains...); err != nil {
			return err
		}
		_, err := k.resolver.resolveFor(t, id, uid, true, chains...)
		return err
	}
	if err := use("first", data(raw), gcm); err != nil {
		t.Fatal(err)
	}
	if err := use("same-purpose", data(raw), gcm); err != nil {
		t.Errorf("equal bytes for the same purpose = %v", err)
	}
	for id, value := range map[string]*vaultv1.SecretValue{
		"bytes": data(raw), "hex": text(hex.EncodeToString(raw) + "\n"), "base64": text(base64.StdEncoding.EncodeToString(raw)),
		"whsec": text("whsec_" + base64.RawStdEncoding.EncodeToString(raw)),
	} {
		err := use(id, value, cbc)
		wantError(t, "the value as "+id, err, codes.FailedPrecondition, keyPurposeFixed)
		if got := k.owner.history(t, id)[0].GetAction(); got != vaultv1.SecretChange_ACTION_EQUAL_VALUE_REFUSED {
			t.Errorf("the log of %s ends with %v", id, got)
		}
	}
	if err := use("other", data([]byte("another key, of thirty-two bytes")), cbc); err != nil {
		t.Errorf("other bytes = %v", err)
	}
	_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: nameOf("other"), Value: data(raw)}})
	wantError(t, "the value as a version of another purpose", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VALUE_IN_USE)

	// Whether bytes are equal is told five times an hour.
	_, err = k.owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: workspace, SecretId: "held-back", Secret: &vaultv1.Secret{Value: text("a guess at the value")}})
	wantError(t, "a store after five refusals", err, codes.ResourceExhausted, commonv1.ErrorReason_ERROR_REASON_RATE_LIMITED)
	k.as(t, k.env.Owner(t, "other")).mustStoreIn(t, "workspaces/other", "not-held-back")
}

func (c client) mustStoreIn(t testing.TB, parent, id string) {
	t.Helper()
	if _, err := c.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: parent, SecretId: id, Secret: &vaultv1.Secret{Value: text("a value of another tenant")}}); err != nil {
		t.Errorf("another workspace stores = %v", err)
	}
}

func TestAKeyPairIsTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	k := newKit(t)
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
		uid := k.owner.create(t, id, &vaultv1.Secret{Value: text(forms[i])}).GetUid()
		_, err := k.resolver.bindFor(t, id, id, id, "a.example", chains)
		if i == 1 {
			wantError(t, "the pair in another form", err, codes.FailedPrecondition, keyPurposeFixed)
			return
		}
		if _, err := k.resolver.resolveFor(t, id, uid, true, chains); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGeneratedKeysServeWhatTheirKindSays(t *testing.T) {
	t.Parallel()
	k := newKit(t)
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
		k.owner.create(t, id, &vaultv1.Secret{Value: generate(tt.kind)})
		_, err := k.resolver.bindFor(t, id, "e", "op", "a.example", tt.chain)
		if tt.fits {
			if err != nil {
				t.Errorf("%v for %s = %v", tt.kind, tt.chain, err)
			}
			continue
		}
		wantError(t, tt.kind.String()+" for "+tt.chain, err, codes.FailedPrecondition, keyPurposeFixed)
	}
}
