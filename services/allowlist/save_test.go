package allowlist_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

var errCrash = errors.New("the test stops the save here")

// crashAt fails the nth time that a step is reached, and every step after it, as
// if the process were gone.
func crashAt(step string, nth int) func(string) error {
	var mu sync.Mutex
	seen := 0
	return func(name string) error {
		mu.Lock()
		defer mu.Unlock()
		if name == step && seen < nth {
			seen++
		}
		if seen == nth {
			return errCrash
		}
		return nil
	}
}

// secretsOf returns the secrets that an endpoint refers to; none if it is not there.
func (k *kit) secretsOf(t testing.TB, id string) []string {
	t.Helper()
	resp, err := k.owner.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: nameOf(id)})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	must(t, err)
	var secrets []string
	for _, key := range resp.GetEndpoint().GetEncryption().GetRequest().GetCipher().GetSharedKey().GetKeys() {
		secrets = append(secrets, key.GetName())
	}
	return secrets
}

// consistent waits until the bindings are those that the endpoints need, one each.
func (k *kit) consistent(t testing.TB, secrets []string, endpoints ...string) {
	t.Helper()
	want := make(map[string]int)
	for _, id := range endpoints {
		for _, secret := range k.secretsOf(t, id) {
			want[secret]++
		}
	}
	for _, secret := range secrets {
		k.settle(t, secret, want[secret])
	}
}

func TestACrashAnywhereInASaveLeavesNothingDanglingAndNoPhantom(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		step string
		nth  int
	}{{"begun", 1}, {"bound", 1}, {"bound", 2}, {"saved", 1}, {"unbound", 1}} {
		t.Run(fmt.Sprintf("after step %s, time %d", tt.step, tt.nth), func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			a, b, c := k.secret(t, "a"), k.secret(t, "b"), k.secret(t, "c")
			k.owner.create(t, "orders", draft(a, b))
			k.steps.set(crashAt(tt.step, tt.nth))
			_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(b, c)}, "encryption")
			if tt.step != "unbound" {
				wantError(t, "the save that crashed", err, codes.Internal, "INTERNAL")
			}
			k.server.Stop()
			for _, secret := range k.secretsAfterCrash(t, tt.step) {
				if len(k.held(t, secret)) == 0 {
					t.Errorf("%s is not bound while the allowlist is down", secret)
				}
			}
			k.steps.set(nil)
			k.start(t)
			want := []string{b, c}
			if tt.step == "begun" || tt.step == "bound" {
				want = []string{a, b}
			}
			if got := k.secretsOf(t, "orders"); !slices.Equal(got, want) {
				t.Errorf("the endpoint refers to %v, want %v", got, want)
			}
			k.consistent(t, []string{a, b, c}, "orders")
		})
	}
}

// secretsAfterCrash are the secrets that the endpoint refers to after a crash.
func (k *kit) secretsAfterCrash(t testing.TB, step string) []string {
	t.Helper()
	ids := []string{"b", "c"}
	if step == "begun" || step == "bound" {
		ids = []string{"a", "b"}
	}
	for i, id := range ids {
		ids[i] = workspace + "/secrets/" + id
	}
	return ids
}

func TestACrashAnywhereInACreateLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"begun", "bound", "saved"} {
		t.Run("after step "+step, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			secret := k.secret(t, "a")
			k.steps.set(crashAt(step, 1))
			_, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
				Parent: workspace, EndpointId: "orders", Endpoint: draft(secret), RequestId: "r1",
			})
			wantError(t, "the save that crashed", err, codes.Internal, "INTERNAL")
			k.steps.set(nil)
			k.restart(t)
			k.consistent(t, []string{secret}, "orders")
			// The caller who got no answer asks again, and it is there once.
			created, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
				Parent: workspace, EndpointId: "orders", Endpoint: draft(secret), RequestId: "r1",
			})
			must(t, err)
			history, err := k.owner.ListEndpointHistory(t.Context(), &allowlistv1.ListEndpointHistoryRequest{Name: nameOf("orders")})
			must(t, err)
			if len(history.GetChanges()) != 1 || history.GetChanges()[0].GetUid() != created.GetEndpoint().GetUid() {
				t.Errorf("CreateEndpoint again = uid %s, want the one life of %v", created.GetEndpoint().GetUid(), history.GetChanges())
			}
			k.consistent(t, []string{secret}, "orders")
		})
	}
}

func TestASaveThatTakesTooLongIsCancelledAndSaysSo(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "a")
	k.steps.set(func(step string) error {
		if step == "bound" {
			k.clock.advance(6e9) // the sweeper may now take the intent for a dead one
		}
		return nil
	})
	_, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
		Parent: workspace, EndpointId: "orders", Endpoint: draft(secret),
	})
	wantError(t, "a save that takes too long", err, codes.Aborted, "CONTENTION")
	if !servertest.Retryable(err) {
		t.Error("CONTENTION does not ask to try again")
	}
	k.steps.set(nil)
	k.settle(t, secret, 0)
	k.owner.create(t, "orders", draft(secret))
	k.consistent(t, []string{secret}, "orders")
}

func TestConcurrentSavesOfOneEndpointEndAsOneOfThem(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	var secrets []string
	for i := range 4 {
		secrets = append(secrets, k.secret(t, fmt.Sprintf("s%d", i)))
	}
	k.owner.create(t, "orders", draft(secrets[0]))
	var saves sync.WaitGroup
	for i := range 24 {
		saves.Go(func() {
			e := &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(secrets[i%4], secrets[(i+1)%4])}
			if _, err := k.owner.update(t, e, "encryption"); err != nil && status.Code(err) != codes.Aborted {
				t.Errorf("UpdateEndpoint = %v", err)
			}
		})
	}
	saves.Wait()
	k.consistent(t, secrets, "orders")
	must(t, k.allowlist.Verify(t.Context()))
	k.activate(t, "orders")
	k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
}

func TestAStoreThatFailsInASaveLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	failure := errors.New("the disk is gone for a moment")
	for _, tt := range []struct {
		name string
		fail func(*kvtest.FaultyStore, error)
		want string
	}{
		{"writes fail", (*kvtest.FaultyStore).FailUpdates, "a"},
		{"commits fail", (*kvtest.FaultyStore).FailCommits, "a"},
		{"commits succeed and say they failed", (*kvtest.FaultyStore).FailReplies, "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			a, b := k.secret(t, "a"), k.secret(t, "b")
			k.owner.create(t, "orders", draft(a))
			k.steps.set(func(step string) error {
				if step == "bound" {
					tt.fail(k.store, failure)
				}
				return nil
			})
			_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(b)}, "encryption")
			wantError(t, "a save without a disk", err, codes.Internal, "INTERNAL")
			tt.fail(k.store, nil)
			k.steps.set(nil)
			if got := k.secretsOf(t, "orders"); !slices.Equal(got, []string{workspace + "/secrets/" + tt.want}) {
				t.Errorf("the endpoint refers to %v, want %s", got, tt.want)
			}
			k.consistent(t, []string{a, b}, "orders")
		})
	}
}

func TestADeletionDuringASaveWins(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a, b := k.secret(t, "a"), k.secret(t, "b")
	k.owner.create(t, "orders", draft(a))
	var once sync.Once
	k.steps.set(func(step string) error {
		if step == "bound" {
			once.Do(func() { k.owner.delete(t, "orders") })
		}
		return nil
	})
	_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(b)}, "encryption")
	wantError(t, "a save whose endpoint goes", err, codes.NotFound, "ENDPOINT_NOT_FOUND")
	k.consistent(t, []string{a, b}, "orders")
}

func TestASecretCannotGoWhileASaveIsUnderWay(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "a")
	k.steps.set(func(step string) error {
		if step == "bound" {
			_, err := k.secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret})
			wantError(t, "DeleteSecret during the save", err, codes.FailedPrecondition, "SECRET_IN_USE")
		}
		return nil
	})
	k.owner.create(t, "orders", draft(secret))
	k.steps.set(func(step string) error {
		if step == "begun" {
			_, err := k.vaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "leaked"})
			must(t, err)
		}
		return nil
	})
	_, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
		Parent: workspace, EndpointId: "others", Endpoint: draft(secret),
	})
	wantError(t, "a save whose secret goes", err, codes.NotFound, "SECRET_NOT_FOUND")
	if v := servertest.Violations(err); len(v) != 1 || v[0].Field != "endpoint.encryption.request.cipher.shared_key.keys[0].name" {
		t.Errorf("violations = %v, want the field of the reference", v)
	}
	if _, err := k.owner.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: nameOf("others")}); status.Code(err) != codes.NotFound {
		t.Errorf("GetEndpoint of what was refused = %v, want NotFound", err)
	}
}

func TestDeletingGivesUpTheBindings(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "a")
	k.owner.create(t, "orders", draft(secret))
	k.owner.delete(t, "orders")
	k.settle(t, secret, 0)
	_, err := k.secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret})
	must(t, err)
}

func TestAnUpdateOfSomethingElseKeepsTheBindings(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "a")
	k.owner.create(t, "orders", draft(secret))
	before := k.held(t, secret)[0].GetOperationId()
	_, err := k.owner.update(t, &allowlistv1.Endpoint{
		Name: nameOf("orders"), Description: "new", Encryption: encrypted(secret),
	}, "description", "encryption")
	must(t, err)
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders")}, "encryption")
	if after := k.held(t, secret); err != nil || (len(after) > 0 && after[0].GetOperationId() != before) {
		t.Errorf("bindings = %v, %v, want the first one or none", after, err)
	}
	k.settle(t, secret, 0)
}

func TestTheVaultsRefusalsNameTheField(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, tt := range []struct {
		name, secret string
		code         codes.Code
		reason       string
	}{
		{"a secret that is not there", workspace + "/secrets/none", codes.NotFound, "SECRET_NOT_FOUND"},
		{"a parameter", k.secretIn(t, workspace, "salt", vaultv1.Usage_USAGE_PARAMETER), codes.FailedPrecondition, "USAGE_NOT_ALLOWED"},
	} {
		_, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
			Parent: workspace, EndpointId: "orders", Endpoint: draft(k.secretOnce(t), tt.secret),
		})
		wantError(t, tt.name, err, tt.code, tt.reason)
		if v := servertest.Violations(err); len(v) != 1 || !strings.HasSuffix(v[0].Field, ".keys[1].name") {
			t.Errorf("%s: violations = %v, want the second key", tt.name, v)
		}
		if strings.Contains(err.Error(), tt.secret) {
			t.Errorf("%s: the error repeats the name: %v", tt.name, err)
		}
	}
	k.settle(t, workspace+"/secrets/once", 0)
}

// secretOnce returns a secret that is made on the first call.
func (k *kit) secretOnce(t testing.TB) string {
	t.Helper()
	name := workspace + "/secrets/once"
	if _, err := k.secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: name}); err == nil {
		return name
	}
	return k.secret(t, "once")
}

func TestWithoutTheVaultNothingIsHalfSaved(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret, other := k.secret(t, "a"), k.secret(t, "b")
	k.owner.create(t, "orders", draft(secret))
	k.activate(t, "orders")
	k.vaultServer.Stop()

	_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(other)}, "encryption")
	wantError(t, "UpdateEndpoint without a vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if !servertest.Retryable(err) {
		t.Error("VAULT_UNAVAILABLE does not ask to try again")
	}
	if got := k.secretsOf(t, "orders"); !slices.Equal(got, []string{secret}) {
		t.Errorf("the endpoint refers to %v, want %s", got, secret)
	}
	_, err = k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	wantError(t, "Encrypt without a vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Description: "works"}, "description")
	must(t, err)

	k.restart(t) // it starts without the vault, too
	k.owner.get(t, "orders")
	eventually(t, func() bool { return strings.Contains(k.env.Log.String(), "the vault cannot be reached") },
		"the log says nothing of a vault that is down")
	k.startVault(t)
	// A call waits for the connection that is being made: it is not refused between two attempts.
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(secret)}, "encryption")
	must(t, err)
	_, err = k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	must(t, err)
	k.consistent(t, []string{secret, other}, "orders")
}
