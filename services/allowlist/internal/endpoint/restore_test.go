package endpoint_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// backUp returns the vault's data file. The vault is stopped in the meantime, as README.md says.
func backUp(t testing.TB, k *allowlisttest.Kit) []byte {
	t.Helper()
	k.VaultServer.Stop()
	backup, err := os.ReadFile(k.VaultConfig.Store)
	allowlisttest.Must(t, err)
	k.StartVault(t)
	return backup
}

// putBack restores the vault from a backup, and confirms that to the running allowlist. It calls
// meanwhile before the vault starts.
func putBack(t testing.TB, k *allowlisttest.Kit, backup []byte, meanwhile ...func()) {
	t.Helper()
	replace(t, k, backup, meanwhile...)
	k.AcceptVault(t)
}

// replace is putBack without a confirmation.
func replace(t testing.TB, k *allowlisttest.Kit, backup []byte, meanwhile ...func()) {
	t.Helper()
	k.VaultServer.Stop()
	allowlisttest.Must(t, os.WriteFile(k.VaultConfig.Store, backup, 0o600))
	for _, do := range meanwhile {
		do()
	}
	k.StartVault(t)
}

// pinned returns a draft that names a version of its secret.
func pinned(secret string, version uint32) *allowlistv1.Endpoint {
	e := allowlisttest.Draft(secret)
	e.Encryption.Request.GetCipher().GetSharedKey().Keys[0].Version = version
	return e
}

// created creates an endpoint and activates it; the vault may just have been restarted.
func created(t testing.TB, k *allowlisttest.Kit, id string, e *allowlistv1.Endpoint) {
	t.Helper()
	allowlisttest.Eventually(t, func() bool {
		_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: id, Endpoint: e})
		if err != nil && status.Code(err) != codes.Unavailable {
			t.Fatalf("CreateEndpoint(%s) = %v %v", id, err, servertest.Violations(err))
		}
		return err == nil
	}, "CreateEndpoint(%s) does not succeed", id)
	k.Activate(t, id)
}

// settled encrypts until the vault is available.
func settled(t testing.TB, k *allowlisttest.Kit, id string) (body []byte, err error) {
	t.Helper()
	allowlisttest.Eventually(t, func() bool {
		var sent *allowlistv1.EncryptResponse
		sent, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte("hello")})
		body = sent.GetBody()
		if status.Code(err) == codes.Internal {
			t.Fatalf("Encrypt for %s = %v", id, err)
		}
		return status.Code(err) != codes.Unavailable
	}, "Encrypt for %s stays unavailable", id)
	return body, err
}

// wantOff fails the test unless an endpoint is off for a reason that contains a string.
func wantOff(t testing.TB, k *allowlisttest.Kit, id, reason string) {
	t.Helper()
	allowlisttest.Eventually(t, func() bool { return k.Owner.Get(t, id).GetState() == allowlistv1.Endpoint_STATE_INACTIVE }, "%s is still on", id)
	if got := k.Owner.Get(t, id).GetStateReason(); !strings.Contains(got, reason) {
		t.Errorf("%s is off because %q, want that to contain %q", id, got, reason)
	}
	list, err := k.Owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace, State: allowlistv1.Endpoint_STATE_INACTIVE})
	allowlisttest.Must(t, err)
	if !slices.ContainsFunc(list.GetEndpoints(), func(e *allowlistv1.Endpoint) bool {
		return e.GetName() == allowlisttest.NameOf(id) && strings.Contains(e.GetStateReason(), reason)
	}) {
		t.Errorf("ListEndpoints of inactive endpoints lacks %s with its reason: %v", id, list)
	}
}

func TestARestoredVaultIsReconciledAtOnce(t *testing.T) {
	t.Parallel()
	k := allowlisttest.Make(t, time.Hour)
	secret := k.Secret(t, "key")
	backup := backUp(t, k)
	created(t, k, "orders", allowlisttest.Draft(secret))
	operation := k.Held(t, secret)[0].GetOperationId()
	lost := k.Secret(t, "late")
	created(t, k, "late", allowlisttest.Draft(lost))

	putBack(t, k, backup)
	allowlisttest.Eventually(t, func() bool {
		held := k.Held(t, secret)
		return len(held) == 1 && held[0].GetOperationId() == operation
	}, "the binding is not back")
	wantOff(t, k, "late", "no longer exists")
}

func TestBindingsThatAreBackInAWorkspaceWithoutEndpointsAreGivenUp(t *testing.T) {
	t.Parallel()
	k := allowlisttest.Make(t, time.Hour)
	secret := k.Secret(t, "key")
	created(t, k, "orders", allowlisttest.Draft(secret))
	backup := backUp(t, k)
	k.Owner.Delete(t, "orders")
	allowlisttest.Eventually(t, func() bool { return len(k.Held(t, secret)) == 0 }, "the binding is not given up")
	_, err := k.Allowlist.Reconcile(t.Context()) // nothing in the store names the workspace now
	allowlisttest.Must(t, err)
	putBack(t, k, backup)
	allowlisttest.Eventually(t, func() bool { return len(k.Held(t, secret)) == 0 }, "an unneeded binding is back")
}

func TestAMessageBindsAgainWhatARestoredVaultDoesNotKnow(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t) // compares nothing
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	backup := backUp(t, k)
	created(t, k, "orders", allowlisttest.Draft(secret))
	operation := k.Held(t, secret)[0].GetOperationId()
	_, err := settled(t, k, "orders")
	allowlisttest.Must(t, err)

	putBack(t, k, backup)
	allowlisttest.Eventually(t, func() bool {
		body, err := settled(t, k, "orders")
		allowlisttest.Must(t, err)
		if !allowlisttest.Opens(t, 1, body) {
			t.Fatal("the message is under another key")
		}
		held := k.Held(t, secret)
		return len(held) == 1 && held[0].GetOperationId() == operation
	}, "no message binds again")

	// So do a live test and a diagnosis.
	putBack(t, k, backup)
	allowlisttest.Eventually(t, func() bool {
		_, err := k.Owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
			Name: allowlisttest.NameOf("orders"), Body: []byte("AAAA"), Plaintext: []byte("known to all"), Reason: "does not open",
		})
		if code := status.Code(err); code != codes.OK && code != codes.Unavailable {
			t.Fatalf("DiagnoseSample = %v", err)
		}
		return err == nil && len(k.Held(t, secret)) == 1
	}, "no diagnosis binds again")
}

func TestAPinnedVersionIsNeverAnotherOneWithItsNumber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		reconcile time.Duration
		restart   bool
	}{
		{"found by a message", 0, false},
		{"found by a message after a restart of both", 0, true},
		{"found by the comparison", time.Hour, false},
		{"found by the comparison after a restart of both", time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := allowlisttest.Make(t, tt.reconcile)
			secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
			backup := backUp(t, k)
			k.Rotate(t, secret, 2)
			created(t, k, "orders", pinned(secret, 2))
			created(t, k, "early", pinned(secret, 1))
			body, err := settled(t, k, "orders")
			allowlisttest.Must(t, err)
			if !allowlisttest.Opens(t, 2, body) {
				t.Fatal("the message is not under the pinned version")
			}
			if tt.restart {
				k.Server.Stop()
			}
			replace(t, k, backup)
			k.Rotate(t, secret, 7) // has number 2 now
			if tt.restart {
				k.Start(t)
			}
			k.AcceptVault(t)
			if tt.reconcile == 0 {
				allowlisttest.Eventually(t, func() bool { // cached data is used for a moment
					body, err = settled(t, k, "orders")
					if err == nil && allowlisttest.Opens(t, 7, body) {
						t.Fatal("a message is under another value with the number of the pinned version")
					}
					return err != nil
				}, "messages go on")
				allowlisttest.WantError(t, "a message", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
			}
			wantOff(t, k, "orders", "its number belongs to another value")
			if body, err = settled(t, k, "early"); err != nil || !allowlisttest.Opens(t, 1, body) {
				t.Errorf("a message under a version that came back is refused: %v", err)
			}
			_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
			allowlisttest.WantError(t, "ActivateEndpoint", err, codes.NotFound, "SECRET_NOT_FOUND")

			// Its owner may choose the new value, when the bindings have been compared.
			_, err = k.Allowlist.Reconcile(t.Context())
			allowlisttest.Must(t, err)
			e := pinned(secret, 2)
			e.Name = allowlisttest.NameOf("orders")
			_, err = k.Owner.Update(t, e, "encryption")
			allowlisttest.Must(t, err)
			_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
			allowlisttest.Must(t, err)
			if body, err = settled(t, k, "orders"); err != nil || !allowlisttest.Opens(t, 7, body) {
				t.Errorf("after the save, a message is not under the current value: %v", err)
			}
		})
	}
}

func TestAPinnedVersionThatIsGoneSwitchesTheEndpointOff(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	backup := backUp(t, k)
	k.Rotate(t, secret, 2)
	created(t, k, "orders", pinned(secret, 2))
	putBack(t, k, backup)
	_, err := settled(t, k, "orders")
	allowlisttest.WantError(t, "a message", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
	wantOff(t, k, "orders", "pins no longer exists")
	if len(k.Held(t, secret)) != 1 {
		t.Error("the secret can be deleted under the endpoint")
	}
	allowlisttest.Eventually(t, func() bool { return k.Stored(t, "unbind") == 0 }, "bindings that are no longer needed remain")
	k.Server.Stop()
	links := make(map[string]bool)
	allowlisttest.Must(t, allowlist.References(t.Context(), k.Config, nil, k.Env.Logger, func(l allowlist.Link) { links[string(l.State)] = true }))
	if !links["LOST"] || len(links) != 1 {
		t.Errorf("the references are %v, want LOST", links)
	}
	for range 2 {
		var found []allowlist.Discrepancy
		allowlisttest.Must(t, allowlist.Reconcile(t.Context(), k.Config, nil, "", k.Env.Logger, func(f allowlist.Discrepancy) { found = append(found, f) }))
		if len(found) != 1 || found[0].Repair != "LOST" || found[0].Secret != secret || found[0].Referrer != allowlisttest.NameOf("orders") {
			t.Errorf("Reconcile reports %v, want the remaining loss", found)
		}
	}
	k.Start(t)
}

func TestUIDsOfPinnedVersionsAreRecordedForEarlierEndpoints(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	backup := backUp(t, k)
	k.Rotate(t, secret, 2)
	created(t, k, "orders", pinned(secret, 2))
	k.Server.Stop()
	allowlisttest.Rewrite(t, k.Config, func(_ string, e *stored.Endpoint) {
		for _, r := range e.GetReferences() {
			r.VersionUid = ""
		}
	})
	k.Start(t)
	_, err := settled(t, k, "orders")
	allowlisttest.Must(t, err)
	for range 2 { // the second time, nothing is left to record
		repairs, err := k.Allowlist.Reconcile(t.Context())
		if err != nil || repairs != 0 {
			t.Errorf("Reconcile() = %d, %v, want no repair", repairs, err)
		}
	}
	recorded := 0
	for _, change := range k.Owner.History(t, allowlisttest.NameOf("orders")) {
		if strings.Contains(change.GetReason(), "pinned versions") {
			recorded++
		}
	}
	if recorded != 1 {
		t.Errorf("the log has %d records of pinned versions, want one", recorded)
	}
	putBack(t, k, backup)
	k.Rotate(t, secret, 7)
	allowlisttest.Eventually(t, func() bool {
		_, err = settled(t, k, "orders")
		return err != nil
	}, "messages go on")
	wantOff(t, k, "orders", "its number belongs to another value")
}

// A secret that is stored under the name of a secret that a backup does not contain is no
// substitute for it.
func TestASecretOfTheSameNameIsNotBoundAgain(t *testing.T) {
	t.Parallel()
	for _, reconcile := range []time.Duration{0, time.Hour} {
		k := allowlisttest.Make(t, reconcile)
		backup := backUp(t, k)
		secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
		created(t, k, "orders", allowlisttest.Draft(secret))
		putBack(t, k, backup)
		k.Secret(t, "key", allowlisttest.KeyOf(7)...)
		allowlisttest.Eventually(t, func() bool {
			body, err := settled(t, k, "orders")
			if err == nil && !allowlisttest.Opens(t, 1, body) {
				t.Fatal("a message is under another secret of the name")
			}
			return err != nil
		}, "messages go on")
		wantOff(t, k, "orders", "no longer exists")
		// A binding that turns out to be to another secret is given up again.
		allowlisttest.Eventually(t, func() bool { return len(k.Held(t, secret)) == 0 }, "the other secret of the name is bound")
	}
}

// A KEY that has no purpose in the backup may be claimed for another one before the allowlist is
// back.
func TestAKeyThatServesAnotherPurposeByNowIsNotBoundAgain(t *testing.T) {
	t.Parallel()
	for _, reconcile := range []time.Duration{0, time.Hour} {
		k := allowlisttest.Make(t, reconcile)
		secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
		backup := backUp(t, k)
		created(t, k, "orders", allowlisttest.Draft(secret))
		_, err := settled(t, k, "orders")
		allowlisttest.Must(t, err)
		k.Server.Stop()
		replace(t, k, backup)
		other := vaultv1.NewVaultServiceClient(k.Env.Dial(t, k.VaultServer.Addr, k.Env.Workload(t, "other", "resolver")))
		_, err = other.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
			Name: secret, Usage: vaultv1.Usage_USAGE_KEY, Referrer: allowlisttest.NameOf("ghost"), OperationId: "ghost",
			Host: allowlisttest.Partner, Chains: []string{"raw > HMAC-SHA256(of=message)"},
		})
		allowlisttest.Must(t, err)
		k.Start(t)
		k.AcceptVault(t)
		allowlisttest.Eventually(t, func() bool {
			_, err := settled(t, k, "orders")
			return err != nil
		}, "messages go on")
		wantOff(t, k, "orders", "has another use")
		if held := k.Held(t, secret); len(held) != 1 {
			t.Errorf("the key has %d bindings, want that of the other workload alone", len(held))
		}
	}
}

// A KEY that was shared after the backup is no longer shared, so that the policy would refuse a
// second endpoint with other senders.
func TestAKeyIsNotBoundAgainForOtherSenders(t *testing.T) {
	t.Parallel()
	for _, reconcile := range []time.Duration{0, time.Hour} {
		k := allowlisttest.Make(t, reconcile)
		secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
		created(t, k, "early", allowlisttest.Draft(secret))
		backup := backUp(t, k)
		_, err := k.VaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secret, Shared: true}})
		allowlisttest.Must(t, err)
		k.Env.EndpointSender(t, "acme", "late")
		e := allowlisttest.Draft(secret)
		e.Url = "https://api.partner.example/v2"
		created(t, k, "late", e)

		k.Server.Stop()
		replace(t, k, backup)
		k.Start(t)
		k.AcceptVault(t)
		allowlisttest.Eventually(t, func() bool {
			_, err := settled(t, k, "early")
			allowlisttest.Must(t, err)
			_, err = settled(t, k, "late")
			return err != nil || reconcile == 0
		}, "messages go on")
		if reconcile == 0 {
			_, err = k.Allowlist.Reconcile(t.Context())
			allowlisttest.Must(t, err)
		}
		wantOff(t, k, "late", "has another use")
		if held := k.Held(t, secret); len(held) != 1 || held[0].GetReferrer() != allowlisttest.NameOf("early") {
			t.Errorf("the bindings are %v, want that of the early endpoint alone", held)
		}
	}
}
