package allowlist_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
)

// backUp returns the vault's data file. The vault is stopped meanwhile, as README.md says.
func (k *kit) backUp(t testing.TB) []byte {
	t.Helper()
	k.vaultServer.Stop()
	backup, err := os.ReadFile(k.vaultConfig.Store)
	must(t, err)
	k.startVault(t)
	return backup
}

// putBack restores the vault from a backup. Before it starts, meanwhile may do more.
func (k *kit) putBack(t testing.TB, backup []byte, meanwhile ...func()) {
	t.Helper()
	k.vaultServer.Stop()
	must(t, os.WriteFile(k.vaultConfig.Store, backup, 0o600))
	for _, do := range meanwhile {
		do()
	}
	k.startVault(t)
}

// pinned is a draft that names a version of its secret.
func pinned(secret string, version uint32) *allowlistv1.Endpoint {
	e := draft(secret)
	e.Encryption.Request.GetCipher().GetSharedKey().Keys[0].Version = version
	return e
}

// created creates an endpoint and switches it on; the vault may just have been restarted.
func (k *kit) created(t testing.TB, id string, e *allowlistv1.Endpoint) {
	t.Helper()
	eventually(t, func() bool {
		_, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: workspace, EndpointId: id, Endpoint: e})
		if err != nil && status.Code(err) != codes.Unavailable {
			t.Fatalf("CreateEndpoint(%s) = %v %v", id, err, servertest.Violations(err))
		}
		return err == nil
	}, "CreateEndpoint(%s) does not get through", id)
	k.activate(t, id)
}

// settled encrypts until the answer is not that the vault is unavailable.
func (k *kit) settled(t testing.TB, id string) (body []byte, err error) {
	t.Helper()
	eventually(t, func() bool {
		var sent *allowlistv1.EncryptResponse
		sent, err = k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte("hello")})
		body = sent.GetBody()
		if status.Code(err) == codes.Internal {
			t.Fatalf("Encrypt for %s = %v", id, err)
		}
		return status.Code(err) != codes.Unavailable
	}, "Encrypt for %s stays unavailable", id)
	return body, err
}

// wantOff fails the test unless an endpoint is off for a reason that holds a text.
func (k *kit) wantOff(t testing.TB, id, reason string) {
	t.Helper()
	eventually(t, func() bool { return k.owner.get(t, id).GetState() == allowlistv1.Endpoint_STATE_INACTIVE }, "%s is still on", id)
	if got := k.owner.get(t, id).GetStateReason(); !strings.Contains(got, reason) {
		t.Errorf("%s is off because %q, want that to hold %q", id, got, reason)
	}
}

func TestARestoredVaultIsReconciledAtOnce(t *testing.T) {
	t.Parallel()
	k := makeKit(t, time.Hour)
	secret := k.secret(t, "key")
	backup := k.backUp(t)
	k.created(t, "orders", draft(secret))
	operation := k.held(t, secret)[0].GetOperationId()
	lost := k.secret(t, "late")
	k.created(t, "late", draft(lost))

	k.putBack(t, backup)
	eventually(t, func() bool {
		held := k.held(t, secret)
		return len(held) == 1 && held[0].GetOperationId() == operation
	}, "the binding is not back")
	k.wantOff(t, "late", "gone")
}

func TestBindingsThatAreBackInAWorkspaceWithoutEndpointsAreGivenUp(t *testing.T) {
	t.Parallel()
	k := makeKit(t, time.Hour)
	secret := k.secret(t, "key")
	k.created(t, "orders", draft(secret))
	backup := k.backUp(t)
	k.owner.delete(t, "orders")
	eventually(t, func() bool { return len(k.held(t, secret)) == 0 }, "the binding is not given up")
	_, err := k.allowlist.Reconcile(t.Context()) // nothing in the store leads to the workspace now
	must(t, err)
	k.putBack(t, backup)
	eventually(t, func() bool { return len(k.held(t, secret)) == 0 }, "a binding that nothing needs is back")
}

func TestAMessageBindsAgainWhatARestoredVaultDoesNotKnow(t *testing.T) {
	t.Parallel()
	k := newKit(t) // compares nothing
	secret := k.secret(t, "key", keyOf(1)...)
	backup := k.backUp(t)
	k.created(t, "orders", draft(secret))
	operation := k.held(t, secret)[0].GetOperationId()
	_, err := k.settled(t, "orders")
	must(t, err)

	k.putBack(t, backup)
	eventually(t, func() bool {
		body, err := k.settled(t, "orders")
		must(t, err)
		if !opens(t, 1, body) {
			t.Fatal("the message is under another key")
		}
		held := k.held(t, secret)
		return len(held) == 1 && held[0].GetOperationId() == operation
	}, "no message binds again")

	// So does what tries the live keys.
	k.putBack(t, backup)
	eventually(t, func() bool {
		_, err := k.owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
			Name: nameOf("orders"), Body: []byte("AAAA"), Plaintext: []byte("known to all"), Reason: "does not open",
		})
		if code := status.Code(err); code != codes.OK && code != codes.Unavailable {
			t.Fatalf("DiagnoseSample = %v", err)
		}
		return err == nil && len(k.held(t, secret)) == 1
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
			k := makeKit(t, tt.reconcile)
			secret := k.secret(t, "key", keyOf(1)...)
			backup := k.backUp(t)
			k.rotate(t, secret, 2)
			k.created(t, "orders", pinned(secret, 2))
			k.created(t, "early", pinned(secret, 1))
			body, err := k.settled(t, "orders")
			must(t, err)
			if !opens(t, 2, body) {
				t.Fatal("the message is not under the pinned version")
			}
			if tt.restart {
				k.server.Stop()
			}
			k.putBack(t, backup)
			k.rotate(t, secret, 7) // has number 2 now
			if tt.restart {
				k.start(t)
			}
			if tt.reconcile == 0 {
				eventually(t, func() bool { // what is in memory serves for a moment
					body, err = k.settled(t, "orders")
					if err == nil && opens(t, 7, body) {
						t.Fatal("a message is under another value with the number of the pinned version")
					}
					return err != nil
				}, "messages go on")
				wantError(t, "a message", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
			}
			k.wantOff(t, "orders", "number was given to another value")
			if body, err = k.settled(t, "early"); err != nil || !opens(t, 1, body) {
				t.Errorf("a message under a version that came back is refused: %v", err)
			}
			_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
			wantError(t, "ActivateEndpoint", err, codes.NotFound, "SECRET_NOT_FOUND")

			// Its owner may say that the new value is meant.
			e := pinned(secret, 2)
			e.Name = nameOf("orders")
			_, err = k.owner.update(t, e, "encryption")
			must(t, err)
			_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
			must(t, err)
			if body, err = k.settled(t, "orders"); err != nil || !opens(t, 7, body) {
				t.Errorf("after the save, a message is not under the value that is there now: %v", err)
			}
		})
	}
}

func TestAPinnedVersionThatIsGoneSwitchesTheEndpointOff(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	backup := k.backUp(t)
	k.rotate(t, secret, 2)
	k.created(t, "orders", pinned(secret, 2))
	k.putBack(t, backup)
	_, err := k.settled(t, "orders")
	wantError(t, "a message", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
	k.wantOff(t, "orders", "pins is gone")
	if len(k.held(t, secret)) != 1 {
		t.Error("the secret can be deleted under the endpoint")
	}
	k.server.Stop()
	links := make(map[string]bool)
	must(t, allowlist.References(t.Context(), k.config, nil, k.env.Logger, func(l allowlist.Link) { links[string(l.State)] = true }))
	if !links["LOST"] || len(links) != 1 {
		t.Errorf("the references are %v, want LOST", links)
	}
	for range 2 {
		var found []allowlist.Discrepancy
		must(t, allowlist.Reconcile(t.Context(), k.config, nil, k.env.Logger, func(f allowlist.Discrepancy) { found = append(found, f) }))
		if len(found) != 1 || found[0].Repair != "LOST" || found[0].Secret != secret || found[0].Referrer != nameOf("orders") {
			t.Errorf("Reconcile tells %v, want the loss that is left", found)
		}
	}
	k.start(t)
}

func TestUIDsOfPinnedVersionsAreRecordedForEarlierEndpoints(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	backup := k.backUp(t)
	k.rotate(t, secret, 2)
	k.created(t, "orders", pinned(secret, 2))
	k.server.Stop()
	rewrite(t, k.config.Store, "endpoint", func(_ []byte, record map[string]any) map[string]any {
		for _, reference := range record["references"].([]any) {
			delete(reference.(map[string]any), "version_uid")
		}
		return record
	})
	k.start(t)
	_, err := k.settled(t, "orders")
	must(t, err)
	for range 2 { // the second time there is nothing to record
		repairs, err := k.allowlist.Reconcile(t.Context())
		if err != nil || repairs != 0 {
			t.Errorf("Reconcile() = %d, %v, want no repair", repairs, err)
		}
	}
	recorded := 0
	for _, change := range k.owner.history(t, nameOf("orders")) {
		if strings.Contains(change.GetReason(), "pinned versions") {
			recorded++
		}
	}
	if recorded != 1 {
		t.Errorf("the log has %d records of pinned versions, want one", recorded)
	}
	k.putBack(t, backup)
	k.rotate(t, secret, 7)
	eventually(t, func() bool {
		_, err = k.settled(t, "orders")
		return err != nil
	}, "messages go on")
	k.wantOff(t, "orders", "number was given to another value")
}

// What somebody stores under the name of a secret that a backup does not know is no
// substitute for it.
func TestASecretOfTheSameNameIsNotBoundAgain(t *testing.T) {
	t.Parallel()
	for _, reconcile := range []time.Duration{0, time.Hour} {
		k := makeKit(t, reconcile)
		backup := k.backUp(t)
		secret := k.secret(t, "key", keyOf(1)...)
		k.created(t, "orders", draft(secret))
		k.putBack(t, backup)
		k.secret(t, "key", keyOf(7)...)
		eventually(t, func() bool {
			body, err := k.settled(t, "orders")
			if err == nil && !opens(t, 1, body) {
				t.Fatal("a message is under another secret of the name")
			}
			return err != nil
		}, "messages go on")
		k.wantOff(t, "orders", "gone")
		if held := k.held(t, secret); len(held) != 0 {
			t.Errorf("the other secret of the name is bound: %v", held)
		}
	}
}

// A KEY that the backup knows without a purpose may be claimed for another one before the
// allowlist is back.
func TestAKeyThatServesAnotherPurposeByNowIsNotBoundAgain(t *testing.T) {
	t.Parallel()
	for _, reconcile := range []time.Duration{0, time.Hour} {
		k := makeKit(t, reconcile)
		secret := k.secret(t, "key", keyOf(1)...)
		backup := k.backUp(t)
		k.created(t, "orders", draft(secret))
		_, err := k.settled(t, "orders")
		must(t, err)
		k.server.Stop()
		k.putBack(t, backup)
		other := vaultv1.NewVaultServiceClient(k.env.Dial(t, k.vaultServer.Addr, k.env.Workload(t, "other", "resolver")))
		_, err = other.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
			Name: secret, Usage: vaultv1.Usage_USAGE_KEY, Referrer: nameOf("ghost"), OperationId: "ghost",
			Host: partner, Chains: []string{"raw > HMAC-SHA256(of=message)"},
		})
		must(t, err)
		k.start(t)
		eventually(t, func() bool {
			_, err := k.settled(t, "orders")
			return err != nil
		}, "messages go on")
		k.wantOff(t, "orders", "for another use")
		if held := k.held(t, secret); len(held) != 1 {
			t.Errorf("the key has %d bindings, want that of the other workload alone", len(held))
		}
	}
}

// A KEY that was shared after the backup is not shared by now, so that the policy would refuse
// a second endpoint with other senders.
func TestAKeyIsNotBoundAgainForOtherSenders(t *testing.T) {
	t.Parallel()
	for _, reconcile := range []time.Duration{0, time.Hour} {
		k := makeKit(t, reconcile)
		secret := k.secret(t, "key", keyOf(1)...)
		k.created(t, "early", draft(secret))
		backup := k.backUp(t)
		_, err := k.vaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secret, Shared: true}})
		must(t, err)
		k.env.EndpointSender(t, "acme", "late")
		e := draft(secret)
		e.Url = "https://api.partner.example/v2"
		k.created(t, "late", e)

		k.server.Stop()
		k.putBack(t, backup)
		k.start(t)
		eventually(t, func() bool {
			_, err := k.settled(t, "early")
			must(t, err)
			_, err = k.settled(t, "late")
			return err != nil || reconcile == 0
		}, "messages go on")
		if reconcile == 0 {
			_, err = k.allowlist.Reconcile(t.Context())
			must(t, err)
		}
		k.wantOff(t, "late", "for another use")
		if held := k.held(t, secret); len(held) != 1 || held[0].GetReferrer() != nameOf("early") {
			t.Errorf("the bindings are %v, want that of the early endpoint alone", held)
		}
	}
}
