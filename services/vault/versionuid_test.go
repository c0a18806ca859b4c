package vault_test

import (
	"os"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// versionUID binds a version and returns its uid.
func (c client) versionUID(t testing.TB, id string, version uint32) string {
	t.Helper()
	req := bindRequest(id, "e", "op")
	req.Version = version
	res, err := c.BindSecret(t.Context(), req)
	if err != nil {
		t.Fatalf("BindSecret(%s, %d) = %v", id, version, err)
	}
	return res.GetVersionUid()
}

// resolveUID resolves a version with the uid that it must have.
func (c client) resolveUID(t testing.TB, id, uid string, version uint32, versionUID string) (string, error) {
	t.Helper()
	res, err := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{
		Name: nameOf(id), Uid: uid, Version: version, VersionUid: versionUID, Purpose: purpose(),
	})
	return string(res.GetValue()), err
}

// store stops the vault, has its data file changed, and starts it again.
func (k *kit) store(t testing.TB, change func()) {
	t.Helper()
	k.running.Stop()
	change()
	k.start(t)
}

func TestVersionsWithOneNumberAreToldApart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.owner.create(t, "key", &vaultv1.Secret{Value: text("the first value")}).GetUid()
	var backup []byte
	k.store(t, func() { backup = k.read(t) })
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("the second value")})

	first, second := k.resolver.versionUID(t, "key", 1), k.resolver.versionUID(t, "key", 2)
	if first == "" || first == second || k.resolver.versionUID(t, "key", 1) != first {
		t.Errorf("the uids of two versions are %q and %q", first, second)
	}
	if got := k.resolver.versionUID(t, "key", 0); got != "" {
		t.Errorf("the current version, which is another one after the next rotation, has the uid %q", got)
	}
	for _, versionUID := range []string{"", second} {
		if got, err := k.resolver.resolveUID(t, "key", uid, 2, versionUID); err != nil || got != "the second value" {
			t.Errorf("ResolveSecret(2, uid %q) = %q, %v", versionUID, got, err)
		}
	}
	_, err := k.resolver.resolveUID(t, "key", uid, 2, first)
	wantError(t, "a version with the uid of another one", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND)

	k.store(t, func() { k.write(t, backup) })
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("the second value")})
	if got := k.resolver.versionUID(t, "key", 1); got != first {
		t.Errorf("after a restore, a version that was in the backup has the uid %q, want %q", got, first)
	}
	_, err = k.resolver.resolveUID(t, "key", uid, 2, second)
	wantError(t, "another version with the number, even of the same value", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND)
}

// Somebody who can write the data file, but has no key, can put a sealed value of a restored
// vault in the place of the one with the same number.
func TestAValueThatWasExchangedInTheFileHasAnotherUID(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.owner.create(t, "key", &vaultv1.Secret{Value: text("the first value")}).GetUid()
	var backup, forged []byte
	k.store(t, func() { backup = k.read(t) })
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("the true value")})
	versionUID := k.resolver.versionUID(t, "key", 2)
	var file []byte
	k.store(t, func() { file = k.read(t); k.write(t, backup) })
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("the forged value")})
	key := kv.NewKey("value").Text(uid).Uint(2)
	k.store(t, func() {
		k.edit(t, func(tx kv.Tx) (err error) {
			forged, err = tx.Get(key)
			return err
		})
		k.write(t, file)
		k.edit(t, func(tx kv.Tx) error { return tx.Put(key, forged) })
	})
	if got, err := k.resolver.resolveUID(t, "key", uid, 2, ""); err != nil || got != "the forged value" {
		t.Fatalf("the test no longer forges anything: %q, %v", got, err)
	}
	got, err := k.resolver.resolveUID(t, "key", uid, 2, versionUID)
	if wantError(t, "the forged version", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND); got != "" {
		t.Error("the refusal comes with a value")
	}
}

func (k *kit) read(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(k.config.Store)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (k *kit) write(t testing.TB, data []byte) {
	t.Helper()
	if err := os.WriteFile(k.config.Store, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// edit changes the data file of a vault that is stopped.
func (k *kit) edit(t testing.TB, change func(kv.Tx) error) {
	t.Helper()
	db, err := boltkv.Open(k.config.Store, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), change)
	if closed := db.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
}
