package secret_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

const (
	pbkdf2 = "raw > PBKDF2-SHA256(salt=sent/16,bytes=32) > AES-256-GCM(iv=random/12,tag=16)"
	scrypt = "raw > SCRYPT(r=8,p=1,salt=sent/16,bytes=32) > AES-256-GCM(iv=random/12,tag=16)"
)

// stating is a purpose as a request that creates a secret has it. What is not an input is
// filled, and must not count.
func stating(chains ...string) *vaultv1.KeyPurpose {
	return &vaultv1.KeyPurpose{Chains: chains, State: vaultv1.PurposeState_PURPOSE_STATE_SEALED, Host: "evil.example", Conflicting: true}
}

func TestAStatedPurposeHoldsFromTheStart(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Owner.Create(t, "key", &vaultv1.Secret{Purpose: stating(vaulttest.GCM)}).GetUid()
	wantStated := func(what string, state vaultv1.PurposeState) {
		t.Helper()
		got := k.Owner.Purpose(t, "key")
		if got.GetState() != state || !got.GetStated() || got.GetConflicting() || !slices.Equal(got.GetChains(), []string{vaulttest.GCM}) {
			t.Errorf("%s the purpose is %v", what, got)
		}
	}
	wantStated("at first", vaultv1.PurposeState_PURPOSE_STATE_CLAIMED)
	if got := k.Owner.Purpose(t, "key").GetHost(); got != "" {
		t.Errorf("nothing is bound, and the host is %q", got)
	}
	if created := k.Owner.History(t, "key")[0]; !slices.Equal(created.GetChains(), []string{vaulttest.GCM}) {
		t.Errorf("the log says %v", created)
	}
	bind := func(operation string, chains ...string) error {
		_, err := k.Resolver.BindFor(t, "key", "e", operation, "a.example", chains...)
		return err
	}
	for operation, chains := range map[string][]string{"another": {vaulttest.CBC}, "more": {vaulttest.GCM, vaulttest.CBC}} {
		vaulttest.WantError(t, operation+" than was stated", bind(operation, chains...), codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	}
	if err := bind("op", vaulttest.GCM); err != nil {
		t.Fatalf("what was stated = %v", err)
	}
	wantStated("once it is bound", vaultv1.PurposeState_PURPOSE_STATE_CLAIMED)
	k.Resolver.Unbind(t, "key", "op")
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("rotated, and long enough"), Purpose: stating(vaulttest.CBC)})
	k.Running.Stop()
	k.Start(t)
	wantStated("after its binding ended, a new version and a restart", vaultv1.PurposeState_PURPOSE_STATE_CLAIMED)
	vaulttest.WantError(t, "another then", bind("op2", vaulttest.CBC), codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	if err := bind("op3", vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Resolver.ResolveFor(t, "key", uid, true, vaulttest.GCM); err != nil || !got.GetSealed() {
		t.Fatalf("the first message = %v, sealed %v", err, got.GetSealed())
	}
	wantStated("after the first message", vaultv1.PurposeState_PURPOSE_STATE_SEALED)
}

func TestAPurposeIsStatedForAKeyThatHasOne(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "pair", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_EC_P256)})
	public := k.Owner.Get(t, "pair").GetPublicKey().GetPem()
	const mac = "raw > HMAC-SHA256(of=message)"
	for _, tt := range []struct {
		name   string
		secret *vaultv1.Secret
		field  string
	}{
		{"a parameter", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_PARAMETER, Value: vaulttest.Text("a parameter"), Purpose: stating(vaulttest.GCM)}, "secret.purpose.chains"},
		{"an exposed key", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_EXPOSED_KEY, Value: vaulttest.Text("the beginning shows"), Purpose: stating(vaulttest.GCM)}, "secret.purpose.chains"},
		{"a public key", &vaultv1.Secret{Value: vaulttest.Text(public), Purpose: stating("pem > ECDH-P256 > HKDF-SHA256(bytes=32)")}, "secret.purpose.chains"},
		{"an AES key that authenticates", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_AES_256), Purpose: stating(mac)}, "secret.purpose.chains"},
		{"an HMAC key that encrypts, too", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_HMAC_SHA256), Purpose: stating(mac, "raw > AES-256-GCM(iv=random/12,tag=16)")}, "secret.purpose.chains"},
		{"bytes that are generated, as text", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_AES_256), Purpose: stating(vaulttest.GCM)}, "secret.purpose.chains"},
		{"a pair that is generated, as bytes", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_EC_P256), Purpose: stating("raw > ECDH-P256 > HKDF-SHA256(bytes=32)")}, "secret.purpose.chains"},
		{"a chain that is not ASCII", &vaultv1.Secret{Value: vaulttest.Text("0123456789abcdef!"), Purpose: stating("raw → AES")}, "secret.purpose.chains[0]"},
		{"a chain that holds the value", &vaultv1.Secret{Value: vaulttest.Text("0123456789abcdef!"), Purpose: stating(vaulttest.GCM, "raw > 0123456789abcdef!")}, "secret.purpose.chains"},
	} {
		_, err := k.Admin.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "refused", Secret: tt.secret, Reason: "a test"})
		vaulttest.WantField(t, tt.name, err, tt.field)
	}
	for id, secret := range map[string]*vaultv1.Secret{
		"aes":  {Value: vaulttest.Generate(vaultv1.Generate_KIND_AES_256), Purpose: stating("raw > AES-256-GCM(iv=random/12,tag=16)")},
		"ec":   {Value: vaulttest.Generate(vaultv1.Generate_KIND_EC_P256), Purpose: stating("pem > JWS-ES256")},
		"hmac": {Value: vaulttest.Generate(vaultv1.Generate_KIND_HMAC_SHA256), Purpose: stating(mac)},
		"none": {Usage: vaultv1.Usage_USAGE_PARAMETER, Value: vaulttest.Text("a parameter"), Purpose: stating()},
		"set":  {Purpose: stating(mac, vaulttest.GCM, vaulttest.GCM)},
	} {
		k.Owner.Create(t, id, secret)
	}
	if got := k.Owner.Purpose(t, "set").GetChains(); !slices.Equal(got, []string{vaulttest.GCM, mac}) {
		t.Errorf("several chains are stated as %q", got)
	}
}

// To state a purpose grants nothing that a binding would not be granted.
func TestAStatedPurposeIsNoWayAroundEqualBytes(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	const value = "one value under two names"
	use := func(id, chain string) error {
		uid := k.Owner.Create(t, id, &vaultv1.Secret{Value: vaulttest.Text(value), Purpose: stating(chain)}).GetUid()
		if _, err := k.Resolver.BindFor(t, id, id, id, "a.example", chain); err != nil {
			return err
		}
		_, err := k.Resolver.ResolveFor(t, id, uid, true, chain)
		return err
	}
	if err := use("first", vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantError(t, "equal bytes, stated for something else", use("second", vaulttest.CBC), codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
}

func TestAStatedPurposeIsReplacedBeforeItIsSealed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Owner.Create(t, "key", &vaultv1.Secret{Purpose: stating(vaulttest.GCM)}).GetUid()
	bind := func(endpoint, operation, chain string) error {
		_, err := k.Resolver.BindFor(t, "key", endpoint, operation, "a.example", chain)
		return err
	}
	for _, endpoint := range []string{"a", "b"} {
		if err := bind(endpoint, endpoint, vaulttest.GCM); err != nil {
			t.Fatal(err)
		}
	}
	req := &vaultv1.ReplaceSecretPurposeRequest{Name: vaulttest.NameOf("key"), Chains: []string{vaulttest.CBC}, Reason: "stated by mistake"}
	_, err := k.Owner.ReplaceSecretPurpose(t.Context(), req)
	vaulttest.WantError(t, "an owner", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	if _, err := k.Admin.ReplaceSecretPurpose(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got := k.Owner.Purpose(t, "key"); got.GetState() != vaultv1.PurposeState_PURPOSE_STATE_CLAIMED || !got.GetStated() || !slices.Equal(got.GetChains(), []string{vaulttest.CBC}) {
		t.Errorf("the purpose is %v", got)
	}
	_, err = k.Resolver.ResolveFor(t, "key", uid, true, vaulttest.GCM)
	vaulttest.WantError(t, "a binding from before", err, codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
	for _, endpoint := range []string{"a", "b"} {
		if err := bind(endpoint, endpoint+"2", vaulttest.CBC); err != nil {
			t.Errorf("endpoint %s saved again = %v", endpoint, err)
		}
	}
	if _, err := k.Resolver.ResolveFor(t, "key", uid, true, vaulttest.CBC); err != nil {
		t.Errorf("the new purpose = %v", err)
	}
}

func TestAReplacementKeepsTheCost(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	bind := func(id, operation, chain string, cost uint64) error {
		req := vaulttest.BindRequest(id, "e", operation)
		req.Chains, req.Cost = []string{chain}, cost
		_, err := k.Resolver.BindSecret(t.Context(), req)
		return err
	}
	floor := func(n uint64) *uint64 { return &n }
	for i, tt := range []struct {
		name    string
		chain   string
		minCost *uint64
		want    uint64
	}{
		{"another derivation", scrypt, nil, 600_000},
		{"a lower cost, said so", scrypt, floor(16_384), 16_384},
		{"a higher cost", scrypt, floor(1_000_000), 1_000_000},
		{"no cost, said so", scrypt, floor(0), 0},
		{"no derivation", vaulttest.GCM, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := "key-" + string(rune('a'+i))
			uid := k.Owner.Create(t, id, &vaultv1.Secret{Value: vaulttest.Text("a key for the case: " + tt.name)}).GetUid()
			if err := bind(id, "op", pbkdf2, 600_000); err != nil {
				t.Fatal(err)
			}
			if _, err := k.Resolver.ResolveFor(t, id, uid, true, pbkdf2); err != nil {
				t.Fatal(err)
			}
			req := &vaultv1.ReplaceSecretPurposeRequest{Name: vaulttest.NameOf(id), Chains: []string{tt.chain}, MinCost: tt.minCost, Reason: "the derivation was wrong"}
			if _, err := k.Admin.ReplaceSecretPurpose(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			if got := k.Owner.Purpose(t, id).GetMinCost(); got != tt.want {
				t.Errorf("the floor is %d, want %d", got, tt.want)
			}
			if change := k.Owner.History(t, id)[0]; change.GetOldMinCost() != 600_000 || change.GetNewMinCost() != tt.want {
				t.Errorf("the log says %d, then %d", change.GetOldMinCost(), change.GetNewMinCost())
			}
			if tt.want > 0 {
				vaulttest.WantError(t, "less work", bind(id, "op2", tt.chain, tt.want-1), codes.FailedPrecondition, vaulttest.KeyPurposeFixed)
			}
			if err := bind(id, "op3", tt.chain, tt.want); err != nil {
				t.Errorf("as much work = %v", err)
			}
		})
	}
	uid := k.Owner.Create(t, "plain", &vaultv1.Secret{}).GetUid()
	if err := bind("plain", "op", vaulttest.GCM, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Resolver.ResolveFor(t, "plain", uid, true, vaulttest.GCM); err != nil {
		t.Fatal(err)
	}
	_, err := k.Admin.ReplaceSecretPurpose(t.Context(), &vaultv1.ReplaceSecretPurposeRequest{Name: vaulttest.NameOf("plain"), Chains: []string{vaulttest.CBC}, MinCost: floor(1), Reason: "the mode was wrong"})
	vaulttest.WantField(t, "a cost without a derivation", err, "min_cost")
}
