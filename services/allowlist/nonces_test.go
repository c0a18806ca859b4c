package allowlist_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const (
	exhausted = "NONCE_BUDGET_EXHAUSTED"
	// gcmBudget is how many values a key encrypts under GCM.
	gcmBudget = 1 << 32
)

// nonces returns the budget of the newest version of a secret, as its owners see it.
func (k *kit) nonces(t testing.TB, secret string) *vaultv1.NonceBudget {
	t.Helper()
	res, err := k.secrets.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: secret})
	must(t, err)
	return res.GetVersions()[0].GetNonceBudget()
}

// spend uses up the budget of the first version but for a few values, as another resolver
// of the same workload would.
func (k *kit) spend(t testing.TB, secret string, left uint64) {
	t.Helper()
	got, err := k.secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: secret})
	must(t, err)
	_, err = k.bindings.ReserveNonces(t.Context(), &vaultv1.ReserveNoncesRequest{
		Name: secret, Uid: got.GetSecret().GetUid(), Version: 1, RandomBits: 96,
		Count: gcmBudget - left - k.nonces(t, secret).GetUsed(),
	})
	must(t, err)
}

func TestABudgetEndsForAllEndpointsOfAKey(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.orders(t)
	k.active(t, "refunds", draft(secret))
	fields := draft(secret)
	fields.Encryption.Request.Selection = &allowlistv1.Selection{Part: &allowlistv1.Selection_Fields{Fields: &allowlistv1.Fields{Paths: []string{"$.a", "$.b"}}}}
	k.active(t, "fields", fields)
	sent, err := k.encryptOrder(t) // the first block is of 64
	must(t, err)
	k.spend(t, secret, 0)
	encrypt := func(id, body string) error {
		_, err := k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte(body)})
		return err
	}
	for i := range 42 { // of the 63 that are left, two thirds in messages of two values
		id, body := "fields", `{"a":"1","b":"2"}`
		if i%2 == 1 {
			id, body = "refunds", "hello"
		}
		if err := encrypt(id, body); err != nil {
			t.Fatalf("message %d, of %s = %v", i, id, err)
		}
	}
	for _, id := range []string{"orders", "refunds"} {
		err := encrypt(id, "hello")
		wantError(t, "Encrypt for "+id+" at the end", err, codes.FailedPrecondition, exhausted)
		if got := servertest.Metadata(err)["budget"]; got != "4294967296" {
			t.Errorf("the refusal for %s tells a budget of %q", id, got)
		}
	}
	wantError(t, "Encrypt of two fields at the end", encrypt("fields", `{"a":"1","b":"2"}`), codes.FailedPrecondition, exhausted)
	if opened, err := k.open(t, "orders", sent.GetBody(), request); err != nil || string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt at the end = %v", err)
	}
	if got := k.nonces(t, secret); got.GetState() != vaultv1.NonceBudget_STATE_EXHAUSTED || got.GetUsed() != gcmBudget {
		t.Errorf("the owner sees %v", got)
	}
	if got := k.metric(t, "keyward_nonce_reservations_total"); got == 0 {
		t.Error("no reservation is counted")
	}
	k.restart(t)
	wantError(t, "Encrypt after a restart", encrypt("orders", "hello"), codes.FailedPrecondition, exhausted)

	k.rotate(t, secret, 2)
	eventually(t, func() bool { return encrypt("orders", "hello") == nil }, "a new version encrypts nothing")
}

func TestLiveTestsCountAndThrowAwayKeysDoNot(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.orders(t)
	try := func(live bool) error {
		req := &allowlistv1.TestEncryptionRequest{Name: nameOf("orders"), Body: []byte("hello")}
		if live {
			req.LiveKeys, req.Reason = true, "a test"
		}
		_, err := k.owner.TestEncryption(t.Context(), req)
		return err
	}
	must(t, try(false))
	if got := k.nonces(t, secret); got != nil {
		t.Errorf("a throw-away key takes from a budget: %v", got)
	}
	must(t, try(true))
	if got := k.nonces(t, secret); got.GetUsed() != 64 || got.GetRandomBits() != 96 {
		t.Errorf("a live test leaves a budget of %v, want a block of 64 under 96 bits", got)
	}
	k.spend(t, secret, 0)
	for i := range 63 {
		k.clock.advance(6 * time.Minute) // a KEY has one live test in that time
		if err := try(true); err != nil {
			t.Fatalf("live test %d = %v", i, err)
		}
	}
	k.clock.advance(6 * time.Minute)
	wantError(t, "a live test at the end", try(true), codes.FailedPrecondition, exhausted)
	must(t, try(false))
}

func TestWithoutTheVaultNoMoreIsEncryptedThanWasReserved(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.orders(t)
	k.warm(t)
	k.vaultServer.Stop()
	sent := 0
	for {
		if _, err := k.encryptOrder(t); err != nil {
			wantError(t, "Encrypt with nothing left", err, codes.Unavailable, "VAULT_UNAVAILABLE")
			break
		}
		sent++
	}
	if sent == 0 || sent >= 1024 {
		t.Errorf("%d messages were encrypted without the vault", sent)
	}
	k.startVault(t)
	eventually(t, func() bool {
		_, err := k.encryptOrder(t)
		return err == nil
	}, "nothing is encrypted after the vault is back")
}

func TestARestartLosesABlockAndUsesNoneTwice(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.orders(t)
	for n := range uint64(3) {
		if _, err := k.encryptOrder(t); err != nil {
			t.Fatal(err)
		}
		if got := k.nonces(t, secret).GetUsed(); got != 64*(n+1) {
			t.Errorf("after start %d there are %d reserved, want %d", n+1, got, 64*(n+1))
		}
		k.restart(t)
	}
}
