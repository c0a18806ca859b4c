package endpoint_test

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
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

var errCrash = errors.New("the test stops the save here")

// crashAt fails the nth time that a step is reached, and at every later step, as if the process
// had crashed.
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

// secretsOf returns the secrets that an endpoint refers to, or nothing if it does not exist.
func secretsOf(t testing.TB, k *allowlisttest.Kit, id string) []string {
	t.Helper()
	resp, err := k.Owner.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: allowlisttest.NameOf(id)})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	allowlisttest.Must(t, err)
	var secrets []string
	for _, key := range resp.GetEndpoint().GetEncryption().GetRequest().GetCipher().GetSharedKey().GetKeys() {
		secrets = append(secrets, key.GetName())
	}
	return secrets
}

// consistent waits until the bindings are exactly those that the endpoints need.
func consistent(t testing.TB, k *allowlisttest.Kit, secrets []string, endpoints ...string) {
	t.Helper()
	want := make(map[string]int)
	for _, id := range endpoints {
		for _, secret := range secretsOf(t, k, id) {
			want[secret]++
		}
	}
	for _, secret := range secrets {
		k.Settle(t, secret, want[secret])
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
			k := allowlisttest.New(t)
			a, b, c := k.Secret(t, "a"), k.Secret(t, "b"), k.Secret(t, "c")
			k.Owner.Create(t, "orders", allowlisttest.Draft(a, b))
			k.Steps.Set(crashAt(tt.step, tt.nth))
			_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(b, c)}, "encryption")
			if tt.step != "unbound" {
				allowlisttest.WantError(t, "the save that crashed", err, codes.Internal, "INTERNAL")
			}
			k.Server.Stop()
			for _, secret := range secretsAfterCrash(t, k, tt.step) {
				if len(k.Held(t, secret)) == 0 {
					t.Errorf("%s is not bound while the allowlist is down", secret)
				}
			}
			k.Steps.Set(nil)
			k.Start(t)
			want := []string{b, c}
			if tt.step == "begun" || tt.step == "bound" {
				want = []string{a, b}
			}
			if got := secretsOf(t, k, "orders"); !slices.Equal(got, want) {
				t.Errorf("the endpoint refers to %v, want %v", got, want)
			}
			consistent(t, k, []string{a, b, c}, "orders")
		})
	}
}

// secretsAfterCrash are the secrets that the endpoint refers to after a crash.
func secretsAfterCrash(t testing.TB, k *allowlisttest.Kit, step string) []string {
	t.Helper()
	ids := []string{"b", "c"}
	if step == "begun" || step == "bound" {
		ids = []string{"a", "b"}
	}
	for i, id := range ids {
		ids[i] = allowlisttest.Workspace + "/secrets/" + id
	}
	return ids
}

func TestACrashAnywhereInACreateLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"begun", "bound", "saved"} {
		t.Run("after step "+step, func(t *testing.T) {
			t.Parallel()
			k := allowlisttest.New(t)
			secret := k.Secret(t, "a")
			k.Steps.Set(crashAt(step, 1))
			_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
				Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: allowlisttest.Draft(secret), RequestId: "r1",
			})
			allowlisttest.WantError(t, "the save that crashed", err, codes.Internal, "INTERNAL")
			k.Steps.Set(nil)
			k.Restart(t)
			consistent(t, k, []string{secret}, "orders")
			// The caller, which got no response, repeats the request, and the endpoint is created only
			// once.
			created, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
				Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: allowlisttest.Draft(secret), RequestId: "r1",
			})
			allowlisttest.Must(t, err)
			history, err := k.Owner.ListEndpointHistory(t.Context(), &allowlistv1.ListEndpointHistoryRequest{Name: allowlisttest.NameOf("orders")})
			allowlisttest.Must(t, err)
			if len(history.GetChanges()) != 1 || history.GetChanges()[0].GetUid() != created.GetEndpoint().GetUid() {
				t.Errorf("CreateEndpoint again = uid %s, want the one incarnation of %v", created.GetEndpoint().GetUid(), history.GetChanges())
			}
			consistent(t, k, []string{secret}, "orders")
		})
	}
}

func TestASaveThatTakesTooLongIsCanceledWithAnError(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "a")
	k.Steps.Set(func(step string) error {
		if step == "bound" {
			k.Clock.Advance(6e9) // the sweeper may now treat the intent as dead
		}
		return nil
	})
	_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
		Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: allowlisttest.Draft(secret),
	})
	allowlisttest.WantError(t, "a save that takes too long", err, codes.Aborted, "CONTENTION")
	if !servertest.Retryable(err) {
		t.Error("CONTENTION has no retry delay")
	}
	k.Steps.Set(nil)
	k.Settle(t, secret, 0)
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	consistent(t, k, []string{secret}, "orders")
}

func TestConcurrentSavesOfOneEndpointEndAsOneOfThem(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	var secrets []string
	for i := range 4 {
		secrets = append(secrets, k.Secret(t, fmt.Sprintf("s%d", i)))
	}
	k.Owner.Create(t, "orders", allowlisttest.Draft(secrets[0]))
	var saves sync.WaitGroup
	for i := range 24 {
		saves.Go(func() {
			e := &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(secrets[i%4], secrets[(i+1)%4])}
			if _, err := k.Owner.Update(t, e, "encryption"); err != nil && status.Code(err) != codes.Aborted {
				t.Errorf("UpdateEndpoint = %v", err)
			}
		})
	}
	saves.Wait()
	consistent(t, k, secrets, "orders")
	allowlisttest.Must(t, k.Allowlist.Verify(t.Context()))
	k.Activate(t, "orders")
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
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
			k := allowlisttest.New(t)
			a, b := k.Secret(t, "a"), k.Secret(t, "b")
			k.Owner.Create(t, "orders", allowlisttest.Draft(a))
			k.Steps.Set(func(step string) error {
				if step == "bound" {
					tt.fail(k.Store, failure)
				}
				return nil
			})
			_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(b)}, "encryption")
			allowlisttest.WantError(t, "a save without a disk", err, codes.Internal, "INTERNAL")
			tt.fail(k.Store, nil)
			k.Steps.Set(nil)
			if got := secretsOf(t, k, "orders"); !slices.Equal(got, []string{allowlisttest.Workspace + "/secrets/" + tt.want}) {
				t.Errorf("the endpoint refers to %v, want %s", got, tt.want)
			}
			consistent(t, k, []string{a, b}, "orders")
		})
	}
}

func TestADeletionDuringASaveWins(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	a, b := k.Secret(t, "a"), k.Secret(t, "b")
	k.Owner.Create(t, "orders", allowlisttest.Draft(a))
	var once sync.Once
	k.Steps.Set(func(step string) error {
		if step == "bound" {
			once.Do(func() { k.Owner.Delete(t, "orders") })
		}
		return nil
	})
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(b)}, "encryption")
	allowlisttest.WantError(t, "a save whose endpoint goes", err, codes.NotFound, "ENDPOINT_NOT_FOUND")
	consistent(t, k, []string{a, b}, "orders")
}

func TestASecretCannotBeDeletedDuringASave(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "a")
	k.Steps.Set(func(step string) error {
		if step == "bound" {
			_, err := k.Secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret})
			allowlisttest.WantError(t, "DeleteSecret during the save", err, codes.FailedPrecondition, "SECRET_IN_USE")
		}
		return nil
	})
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	k.Steps.Set(func(step string) error {
		if step == "begun" {
			_, err := k.VaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "leaked"})
			allowlisttest.Must(t, err)
		}
		return nil
	})
	_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
		Parent: allowlisttest.Workspace, EndpointId: "others", Endpoint: allowlisttest.Draft(secret),
	})
	allowlisttest.WantError(t, "a save whose secret goes", err, codes.NotFound, "SECRET_NOT_FOUND")
	if v := servertest.Violations(err); len(v) != 1 || v[0].Field != "endpoint.encryption.request.cipher.shared_key.keys[0].name" {
		t.Errorf("violations = %v, want the field of the reference", v)
	}
	if _, err := k.Owner.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: allowlisttest.NameOf("others")}); status.Code(err) != codes.NotFound {
		t.Errorf("GetEndpoint of a refused endpoint = %v, want NotFound", err)
	}
}

func TestDeletingGivesUpTheBindings(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "a")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	k.Owner.Delete(t, "orders")
	k.Settle(t, secret, 0)
	_, err := k.Secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret})
	allowlisttest.Must(t, err)
}

func TestAnUpdateOfSomethingElseKeepsTheBindings(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "a")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	before := k.Held(t, secret)[0].GetOperationId()
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{
		Name: allowlisttest.NameOf("orders"), Description: "new", Encryption: allowlisttest.Encrypted(secret),
	}, "description", "encryption")
	allowlisttest.Must(t, err)
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders")}, "encryption")
	if after := k.Held(t, secret); err != nil || (len(after) > 0 && after[0].GetOperationId() != before) {
		t.Errorf("bindings = %v, %v, want the first one or none", after, err)
	}
	k.Settle(t, secret, 0)
}

func TestTheVaultsRefusalsNameTheField(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for _, tt := range []struct {
		name, secret string
		code         codes.Code
		reason       string
	}{
		{"a missing secret", allowlisttest.Workspace + "/secrets/none", codes.NotFound, "SECRET_NOT_FOUND"},
		{"a parameter", k.SecretIn(t, allowlisttest.Workspace, "salt", vaultv1.Usage_USAGE_PARAMETER), codes.FailedPrecondition, "USAGE_NOT_ALLOWED"},
	} {
		_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
			Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: allowlisttest.Draft(k.SecretOnce(t), tt.secret),
		})
		allowlisttest.WantError(t, tt.name, err, tt.code, tt.reason)
		if v := servertest.Violations(err); len(v) != 1 || !strings.HasSuffix(v[0].Field, ".keys[1].name") {
			t.Errorf("%s: violations = %v, want the second key", tt.name, v)
		}
		if strings.Contains(err.Error(), tt.secret) {
			t.Errorf("%s: the error repeats the name: %v", tt.name, err)
		}
	}
	k.Settle(t, allowlisttest.Workspace+"/secrets/once", 0)
}

func TestWithoutTheVaultNothingIsHalfSaved(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret, other := k.Secret(t, "a"), k.Secret(t, "b")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	k.Activate(t, "orders")
	k.VaultServer.Stop()

	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(other)}, "encryption")
	allowlisttest.WantError(t, "UpdateEndpoint without a vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if !servertest.Retryable(err) {
		t.Error("VAULT_UNAVAILABLE has no retry delay")
	}
	if got := secretsOf(t, k, "orders"); !slices.Equal(got, []string{secret}) {
		t.Errorf("the endpoint refers to %v, want %s", got, secret)
	}
	_, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	allowlisttest.WantError(t, "Encrypt without a vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Description: "works"}, "description")
	allowlisttest.Must(t, err)

	k.Restart(t) // it also starts without the vault
	k.Owner.Get(t, "orders")
	allowlisttest.Eventually(t, func() bool { return strings.Contains(k.Env.Log.String(), "the vault cannot be reached") },
		"the log does not mention the unreachable vault")
	k.StartVault(t)
	// A call waits for the connection in progress: it is not refused between two attempts.
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(secret)}, "encryption")
	allowlisttest.Must(t, err)
	_, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	allowlisttest.Must(t, err)
	consistent(t, k, []string{secret, other}, "orders")
}
