package vault_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
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
	k := newKit(t)
	uid := k.owner.create(t, "key", &vaultv1.Secret{Purpose: stating(gcm)}).GetUid()
	wantStated := func(what string, state vaultv1.PurposeState) {
		t.Helper()
		got := k.owner.purpose(t, "key")
		if got.GetState() != state || !got.GetStated() || got.GetConflicting() || !slices.Equal(got.GetChains(), []string{gcm}) {
			t.Errorf("%s the purpose is %v", what, got)
		}
	}
	wantStated("at first", vaultv1.PurposeState_PURPOSE_STATE_CLAIMED)
	if got := k.owner.purpose(t, "key").GetHost(); got != "" {
		t.Errorf("nothing is bound, and the host is %q", got)
	}
	if created := k.owner.history(t, "key")[0]; !slices.Equal(created.GetChains(), []string{gcm}) {
		t.Errorf("the log says %v", created)
	}
	bind := func(operation string, chains ...string) error {
		_, err := k.resolver.bindFor(t, "key", "e", operation, "a.example", chains...)
		return err
	}
	for operation, chains := range map[string][]string{"another": {cbc}, "more": {gcm, cbc}} {
		wantError(t, operation+" than was stated", bind(operation, chains...), codes.FailedPrecondition, keyPurposeFixed)
	}
	if err := bind("op", gcm); err != nil {
		t.Fatalf("what was stated = %v", err)
	}
	wantStated("once it is bound", vaultv1.PurposeState_PURPOSE_STATE_CLAIMED)
	k.resolver.unbind(t, "key", "op")
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("rotated, and long enough"), Purpose: stating(cbc)})
	k.running.Stop()
	k.start(t)
	wantStated("after its binding ended, a new version and a restart", vaultv1.PurposeState_PURPOSE_STATE_CLAIMED)
	wantError(t, "another then", bind("op2", cbc), codes.FailedPrecondition, keyPurposeFixed)
	if err := bind("op3", gcm); err != nil {
		t.Fatal(err)
	}
	if got, err := k.resolver.resolveFor(t, "key", uid, true, gcm); err != nil || !got.GetSealed() {
		t.Fatalf("the first message = %v, sealed %v", err, got.GetSealed())
	}
	wantStated("after the first message", vaultv1.PurposeState_PURPOSE_STATE_SEALED)
}

func TestAPurposeIsStatedForAKeyThatHasOne(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "pair", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_EC_P256)})
	public := k.owner.get(t, "pair").GetPublicKey().GetPem()
	const mac = "raw > HMAC-SHA256(of=message)"
	for _, tt := range []struct {
		name   string
		secret *vaultv1.Secret
		field  string
	}{
		{"a parameter", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_PARAMETER, Value: text("a parameter"), Purpose: stating(gcm)}, "secret.purpose.chains"},
		{"an exposed key", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_EXPOSED_KEY, Value: text("the beginning shows"), Purpose: stating(gcm)}, "secret.purpose.chains"},
		{"a public key", &vaultv1.Secret{Value: text(public), Purpose: stating("pem > ECDH-P256 > HKDF-SHA256(bytes=32)")}, "secret.purpose.chains"},
		{"an AES key that authenticates", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_AES_256), Purpose: stating(mac)}, "secret.purpose.chains"},
		{"an HMAC key that encrypts, too", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_HMAC_SHA256), Purpose: stating(mac, "raw > AES-256-GCM(iv=random/12,tag=16)")}, "secret.purpose.chains"},
		{"bytes that are generated, as text", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_AES_256), Purpose: stating(gcm)}, "secret.purpose.chains"},
		{"a pair that is generated, as bytes", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_EC_P256), Purpose: stating("raw > ECDH-P256 > HKDF-SHA256(bytes=32)")}, "secret.purpose.chains"},
		{"a chain that is not ASCII", &vaultv1.Secret{Value: text("0123456789abcdef!"), Purpose: stating("raw → AES")}, "secret.purpose.chains[0]"},
		{"a chain that holds the value", &vaultv1.Secret{Value: text("0123456789abcdef!"), Purpose: stating(gcm, "raw > 0123456789abcdef!")}, "secret.purpose.chains"},
	} {
		_, err := k.admin.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: workspace, SecretId: "refused", Secret: tt.secret, Reason: "a test"})
		wantField(t, tt.name, err, tt.field)
	}
	for id, secret := range map[string]*vaultv1.Secret{
		"aes":  {Value: generate(vaultv1.Generate_KIND_AES_256), Purpose: stating("raw > AES-256-GCM(iv=random/12,tag=16)")},
		"ec":   {Value: generate(vaultv1.Generate_KIND_EC_P256), Purpose: stating("pem > JWS-ES256")},
		"hmac": {Value: generate(vaultv1.Generate_KIND_HMAC_SHA256), Purpose: stating(mac)},
		"none": {Usage: vaultv1.Usage_USAGE_PARAMETER, Value: text("a parameter"), Purpose: stating()},
		"set":  {Purpose: stating(mac, gcm, gcm)},
	} {
		k.owner.create(t, id, secret)
	}
	if got := k.owner.purpose(t, "set").GetChains(); !slices.Equal(got, []string{gcm, mac}) {
		t.Errorf("several chains are stated as %q", got)
	}
}

// To state a purpose grants nothing that a binding would not be granted.
func TestAStatedPurposeIsNoWayAroundEqualBytes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const value = "one value under two names"
	use := func(id, chain string) error {
		uid := k.owner.create(t, id, &vaultv1.Secret{Value: text(value), Purpose: stating(chain)}).GetUid()
		if _, err := k.resolver.bindFor(t, id, id, id, "a.example", chain); err != nil {
			return err
		}
		_, err := k.resolver.resolveFor(t, id, uid, true, chain)
		return err
	}
	if err := use("first", gcm); err != nil {
		t.Fatal(err)
	}
	wantError(t, "equal bytes, stated for something else", use("second", cbc), codes.FailedPrecondition, keyPurposeFixed)
}

func TestAStatedPurposeIsReplacedBeforeItIsSealed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.owner.create(t, "key", &vaultv1.Secret{Purpose: stating(gcm)}).GetUid()
	bind := func(endpoint, operation, chain string) error {
		_, err := k.resolver.bindFor(t, "key", endpoint, operation, "a.example", chain)
		return err
	}
	for _, endpoint := range []string{"a", "b"} {
		if err := bind(endpoint, endpoint, gcm); err != nil {
			t.Fatal(err)
		}
	}
	req := &vaultv1.ReplaceSecretPurposeRequest{Name: nameOf("key"), Chains: []string{cbc}, Reason: "stated by mistake"}
	_, err := k.owner.ReplaceSecretPurpose(t.Context(), req)
	wantError(t, "an owner", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	if _, err := k.admin.ReplaceSecretPurpose(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got := k.owner.purpose(t, "key"); got.GetState() != vaultv1.PurposeState_PURPOSE_STATE_CLAIMED || !got.GetStated() || !slices.Equal(got.GetChains(), []string{cbc}) {
		t.Errorf("the purpose is %v", got)
	}
	_, err = k.resolver.resolveFor(t, "key", uid, true, gcm)
	wantError(t, "a binding from before", err, codes.FailedPrecondition, keyPurposeFixed)
	for _, endpoint := range []string{"a", "b"} {
		if err := bind(endpoint, endpoint+"2", cbc); err != nil {
			t.Errorf("endpoint %s saved again = %v", endpoint, err)
		}
	}
	if _, err := k.resolver.resolveFor(t, "key", uid, true, cbc); err != nil {
		t.Errorf("the new purpose = %v", err)
	}
}

func TestAReplacementKeepsTheCost(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bind := func(id, operation, chain string, cost uint64) error {
		req := bindRequest(id, "e", operation)
		req.Chains, req.Cost = []string{chain}, cost
		_, err := k.resolver.BindSecret(t.Context(), req)
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
		{"no derivation", gcm, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := "key-" + string(rune('a'+i))
			uid := k.owner.create(t, id, &vaultv1.Secret{Value: text("a key for the case: " + tt.name)}).GetUid()
			if err := bind(id, "op", pbkdf2, 600_000); err != nil {
				t.Fatal(err)
			}
			if _, err := k.resolver.resolveFor(t, id, uid, true, pbkdf2); err != nil {
				t.Fatal(err)
			}
			req := &vaultv1.ReplaceSecretPurposeRequest{Name: nameOf(id), Chains: []string{tt.chain}, MinCost: tt.minCost, Reason: "the derivation was wrong"}
			if _, err := k.admin.ReplaceSecretPurpose(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			if got := k.owner.purpose(t, id).GetMinCost(); got != tt.want {
				t.Errorf("the floor is %d, want %d", got, tt.want)
			}
			if change := k.owner.history(t, id)[0]; change.GetOldMinCost() != 600_000 || change.GetNewMinCost() != tt.want {
				t.Errorf("the log says %d, then %d", change.GetOldMinCost(), change.GetNewMinCost())
			}
			if tt.want > 0 {
				wantError(t, "less work", bind(id, "op2", tt.chain, tt.want-1), codes.FailedPrecondition, keyPurposeFixed)
			}
			if err := bind(id, "op3", tt.chain, tt.want); err != nil {
				t.Errorf("as much work = %v", err)
			}
		})
	}
	uid := k.owner.create(t, "plain", &vaultv1.Secret{}).GetUid()
	if err := bind("plain", "op", gcm, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := k.resolver.resolveFor(t, "plain", uid, true, gcm); err != nil {
		t.Fatal(err)
	}
	_, err := k.admin.ReplaceSecretPurpose(t.Context(), &vaultv1.ReplaceSecretPurposeRequest{Name: nameOf("plain"), Chains: []string{cbc}, MinCost: floor(1), Reason: "the mode was wrong"})
	wantField(t, "a cost without a derivation", err, "min_cost")
}
