package exchange_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

const (
	exhausted = "NONCE_BUDGET_EXHAUSTED"
	// gcmBudget is the number of values that a key may encrypt under GCM.
	gcmBudget = 1 << 32
)

// nonces returns the budget of the latest version of a secret, as its owners see it.
func nonces(t testing.TB, k *allowlisttest.Kit, secret string) *vaultv1.NonceBudget {
	t.Helper()
	res, err := k.Secrets.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: secret})
	allowlisttest.Must(t, err)
	return res.GetVersions()[0].GetNonceBudget()
}

// spend uses up the budget of the first version except a few values, as another resolver of the
// same workload would.
func spend(t testing.TB, k *allowlisttest.Kit, secret string, left uint64) {
	t.Helper()
	got, err := k.Secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: secret})
	allowlisttest.Must(t, err)
	_, err = k.Bindings.ReserveNonces(t.Context(), &vaultv1.ReserveNoncesRequest{
		Name: secret, Uid: got.GetSecret().GetUid(), Version: 1, RandomBits: 96,
		Count: gcmBudget - left - nonces(t, k, secret).GetUsed(),
	})
	allowlisttest.Must(t, err)
}

func TestABudgetEndsForAllEndpointsOfAKey(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	k.Active(t, "refunds", allowlisttest.Draft(secret))
	fields := allowlisttest.Draft(secret)
	fields.Encryption.Request.Selection = &allowlistv1.Selection{Part: &allowlistv1.Selection_Fields{Fields: &allowlistv1.Fields{Paths: []string{"$.a", "$.b"}}}}
	k.Active(t, "fields", fields)
	sent, err := k.EncryptOrder(t) // the first block is of 64
	allowlisttest.Must(t, err)
	spend(t, k, secret, 0)
	encrypt := func(id, body string) error {
		_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte(body)})
		return err
	}
	for i := range 42 { // the remaining 63, two thirds in messages of two values
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
		allowlisttest.WantError(t, "Encrypt for "+id+" at the end", err, codes.FailedPrecondition, exhausted)
		if got := servertest.Metadata(err)["budget"]; got != "4294967296" {
			t.Errorf("the refusal for %s has a budget of %q", id, got)
		}
	}
	allowlisttest.WantError(t, "Encrypt of two fields at the end", encrypt("fields", `{"a":"1","b":"2"}`), codes.FailedPrecondition, exhausted)
	if opened, err := k.Open(t, "orders", sent.GetBody(), allowlisttest.Request); err != nil || string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt at the end = %v", err)
	}
	if got := nonces(t, k, secret); got.GetState() != vaultv1.NonceBudget_STATE_EXHAUSTED || got.GetUsed() != gcmBudget {
		t.Errorf("the owner sees %v", got)
	}
	if got := k.Metric(t, "keyward_nonce_reservations_total"); got == 0 {
		t.Error("no reservation is counted")
	}
	k.Restart(t)
	allowlisttest.WantError(t, "Encrypt after a restart", encrypt("orders", "hello"), codes.FailedPrecondition, exhausted)

	k.Rotate(t, secret, 2)
	allowlisttest.Eventually(t, func() bool { return encrypt("orders", "hello") == nil }, "a new version encrypts nothing")
}

func TestLiveTestsCountAndThrowAwayKeysDoNot(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	try := func(live bool) error {
		req := &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")}
		if live {
			req.LiveKeys, req.Reason = true, "a test"
		}
		_, err := k.Owner.TestEncryption(t.Context(), req)
		return err
	}
	allowlisttest.Must(t, try(false))
	if got := nonces(t, k, secret); got != nil {
		t.Errorf("a throw-away key takes from a budget: %v", got)
	}
	allowlisttest.Must(t, try(true))
	if got := nonces(t, k, secret); got.GetUsed() != 64 || got.GetRandomBits() != 96 {
		t.Errorf("a live test leaves a budget of %v, want a block of 64 under 96 bits", got)
	}
	spend(t, k, secret, 0)
	for i := range 63 {
		k.Clock.Advance(6 * time.Minute) // a KEY has one live test in that time
		if err := try(true); err != nil {
			t.Fatalf("live test %d = %v", i, err)
		}
	}
	k.Clock.Advance(6 * time.Minute)
	allowlisttest.WantError(t, "a live test at the end", try(true), codes.FailedPrecondition, exhausted)
	allowlisttest.Must(t, try(false))
}

func TestWithoutTheVaultNoMoreIsEncryptedThanWasReserved(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Orders(t)
	k.Warm(t)
	k.VaultServer.Stop()
	sent := 0
	for {
		if _, err := k.EncryptOrder(t); err != nil {
			allowlisttest.WantError(t, "Encrypt with nothing left", err, codes.Unavailable, "VAULT_UNAVAILABLE")
			break
		}
		sent++
	}
	if sent == 0 || sent >= 1024 {
		t.Errorf("%d messages were encrypted without the vault", sent)
	}
	k.StartVault(t)
	allowlisttest.Eventually(t, func() bool {
		_, err := k.EncryptOrder(t)
		return err == nil
	}, "nothing is encrypted after the vault is back")
}

func TestARestartLosesABlockAndUsesNoneTwice(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	for n := range uint64(3) {
		if _, err := k.EncryptOrder(t); err != nil {
			t.Fatal(err)
		}
		if got := nonces(t, k, secret).GetUsed(); got != 64*(n+1) {
			t.Errorf("after start %d there are %d reserved, want %d", n+1, got, 64*(n+1))
		}
		k.Restart(t)
	}
}
