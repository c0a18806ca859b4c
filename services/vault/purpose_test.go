package vault_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func digestRequest(id, endpoint, operation string) *vaultv1.BindSecretRequest {
	req := bindRequest(id, endpoint, operation)
	req.Digested = true
	return req
}

func TestFirstBindingOfAKeyFixesItsPurposeForLife(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, id := range []string{"digested", "other"} {
		etag := k.owner.create(t, id, &vaultv1.Secret{}).GetEtag()
		bind := func(digested bool, endpoint, operation string) error {
			req := bindRequest(id, endpoint, operation)
			req.Digested = digested == (id == "digested")
			_, err := k.resolver.BindSecret(t.Context(), req)
			return err
		}
		refused := func(what, endpoint, operation string) {
			t.Helper()
			wantError(t, id+" "+what, bind(false, endpoint, operation), codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_KEY_PURPOSE_FIXED)
		}
		if err := bind(true, "e", "op"); err != nil {
			t.Fatal(err)
		}
		if err := bind(true, "e", "op"); err != nil {
			t.Errorf("%s: the operation, repeated = %v", id, err)
		}
		refused("for another endpoint", "f", "op2")
		refused("for the same endpoint", "e", "op3")
		refused("under the same operation", "e", "op")
		another := k.as(t, k.env.Workload(t, "another-of-"+id, "resolver"))
		req := bindRequest(id, "f", "op")
		req.Digested = id != "digested"
		_, err := another.BindSecret(t.Context(), req)
		wantError(t, id+" by another workload", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_KEY_PURPOSE_FIXED)

		if got := k.owner.get(t, id); got.GetEtag() != etag || got.GetReferenceCount() != 1 {
			t.Errorf("%s: the bindings changed the etag from %s to %s, or the %d references", id, etag, got.GetEtag(), got.GetReferenceCount())
		}
		k.resolver.unbind(t, id, "op")
		k.owner.update(t, &vaultv1.Secret{Name: nameOf(id), Value: text("rotated")})
		k.running.Stop()
		k.start(t)
		refused("rotated, after all bindings were given up and a restart", "e", "op4")
		if err := bind(true, "e", "op4"); err != nil {
			t.Errorf("%s: the fixed purpose = %v", id, err)
		}
		k.resolver.unbind(t, id, "op4")
		k.owner.delete(t, id)
		k.owner.create(t, id, &vaultv1.Secret{})
		if err := bind(false, "e", "op5"); err != nil {
			t.Errorf("%s: the next life of the name = %v", id, err)
		}
	}
}

func TestRefusedBindingFixesNoPurpose(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	absent := digestRequest("key", "e", "op")
	absent.Version = 2
	_, err := k.resolver.BindSecret(t.Context(), absent)
	wantError(t, "BindSecret of a version to come", err, codes.NotFound, vaultv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND)
	k.resolver.bind(t, "key", "e", "op")
}

func TestOnlyAKeyIsDigested(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "salt", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_PARAMETER})
	k.owner.create(t, "token", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example"}})
	parameter, credential := digestRequest("salt", "e", "op"), digestRequest("token", "e", "op")
	parameter.Usage = vaultv1.Usage_USAGE_PARAMETER
	credential.Usage, credential.Host = vaultv1.Usage_USAGE_CREDENTIAL, "a.example"
	for _, req := range []*vaultv1.BindSecretRequest{parameter, credential} {
		_, err := k.resolver.BindSecret(t.Context(), req)
		wantField(t, "digested with "+req.GetUsage().String(), err, "digested")
		req = proto.CloneOf(req)
		req.Digested = false
		for _, operation := range []string{"op", "op2"} {
			req.OperationId = operation
			if _, err := k.resolver.BindSecret(t.Context(), req); err != nil {
				t.Errorf("BindSecret of a %v = %v", req.GetUsage(), err)
			}
		}
	}
}

func TestNamedVersionIsBoundWhileItIsEnabledOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first", "second", "third")
	k.owner.must(t, disable, "key", 1)
	k.owner.must(t, destroy, "key", 2)
	k.owner.must(t, disable, "key", 3)
	bind := func(version uint32, operation string) error {
		req := bindRequest("key", "e", operation)
		req.Version = version
		_, err := k.resolver.BindSecret(t.Context(), req)
		return err
	}
	wantError(t, "a disabled version", bind(1, "op"), codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	wantError(t, "a destroyed version", bind(2, "op"), codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED)
	wantError(t, "the current version by number", bind(3, "op"), codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	if got := k.owner.get(t, "key").GetReferenceCount(); got != 0 {
		t.Errorf("refused bindings left %d references", got)
	}
	if err := bind(0, "op"); err != nil {
		t.Errorf("the current version, whatever it is = %v", err)
	}
	k.owner.must(t, enable, "key", 1)
	if err := bind(1, "op2"); err != nil {
		t.Errorf("a version that is enabled again = %v", err)
	}
}
