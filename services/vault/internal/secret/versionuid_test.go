package secret_test

import (
	"os"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
	"github.com/keyward/keyward/services/vault/internal/stored"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// versionUID binds a version and returns its uid.
func versionUID(t testing.TB, c vaulttest.Client, id string, version uint32) string {
	t.Helper()
	req := vaulttest.BindRequest(id, "e", "op")
	req.Version = version
	res, err := c.BindSecret(t.Context(), req)
	if err != nil {
		t.Fatalf("BindSecret(%s, %d) = %v", id, version, err)
	}
	return res.GetVersionUid()
}

// resolveUID resolves a version with the uid that it must have.
func resolveUID(t testing.TB, c vaulttest.Client, id, uid string, version uint32, versionUID string) (string, error) {
	t.Helper()
	res, err := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{
		Name: vaulttest.NameOf(id), Uid: uid, Version: version, VersionUid: versionUID, Purpose: vaulttest.Purpose(),
	})
	return string(res.GetValue()), err
}

// store stops the vault, runs change on its data file, and starts it again.
func store(t testing.TB, k *vaulttest.Kit, change func()) {
	t.Helper()
	k.Running.Stop()
	change()
	k.Start(t)
}

func TestVersionsWithOneNumberAreToldApart(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("the first value")}).GetUid()
	var backup []byte
	store(t, k, func() { backup = read(t, k) })
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("the second value")})

	first, second := versionUID(t, k.Resolver, "key", 1), versionUID(t, k.Resolver, "key", 2)
	if first == "" || first == second || versionUID(t, k.Resolver, "key", 1) != first {
		t.Errorf("the uids of two versions are %q and %q", first, second)
	}
	if got := versionUID(t, k.Resolver, "key", 0); got != "" {
		t.Errorf("the current version, which is another one after the next rotation, has the uid %q", got)
	}
	for _, versionUID := range []string{"", second} {
		if got, err := resolveUID(t, k.Resolver, "key", uid, 2, versionUID); err != nil || got != "the second value" {
			t.Errorf("ResolveSecret(2, uid %q) = %q, %v", versionUID, got, err)
		}
	}
	_, err := resolveUID(t, k.Resolver, "key", uid, 2, first)
	vaulttest.WantError(t, "a version with the uid of another version", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND)

	store(t, k, func() { write(t, k, backup) })
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("the second value")})
	if got := versionUID(t, k.Resolver, "key", 1); got != first {
		t.Errorf("after a restore, a version that was in the backup has the uid %q, want %q", got, first)
	}
	_, err = resolveUID(t, k.Resolver, "key", uid, 2, second)
	vaulttest.WantError(t, "another version with the number, even of the same value", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND)
}

// An attacker who can write the data file, but has no key, can replace a sealed value with one of
// the same number from a restored vault.
func TestAValueThatWasExchangedInTheFileIsFound(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("the first value")}).GetUid()
	var backup, forged []byte
	store(t, k, func() { backup = read(t, k) })
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("the true value")})
	versionUID(t, k.Resolver, "key", 2)
	var file []byte
	store(t, k, func() { file = read(t, k); write(t, k, backup) })
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("the forged value")})
	key := string(secret.VersionKey(secret.Name{Workspace: "acme", ID: "key"}, uid, 2))
	store(t, k, func() {
		forged = kvtest.Rows(t, k.Config.Store)[key]
		write(t, k, file)
		kvtest.EditRows(t, k.Config.Store, func(rows map[string][]byte) { rows[key] = forged })
	})
	for _, version := range []uint32{0, 2} {
		got, err := resolveUID(t, k.Resolver, "key", uid, version, "")
		if vaulttest.WantError(t, "the forged version", err, codes.Internal, commonv1.ErrorReason_ERROR_REASON_INTERNAL); got != "" {
			t.Error("the refusal contains a value")
		}
	}
	<-k.Vault.Tampered()
}

func read(t testing.TB, k *vaulttest.Kit) []byte {
	t.Helper()
	data, err := os.ReadFile(k.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t testing.TB, k *vaulttest.Kit, data []byte) {
	t.Helper()
	if err := os.WriteFile(k.Config.Store, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A version does not store the identifiers that its sealed value contains.
func TestAVersionDoesNotStoreWhatItsValueSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "a value")
	record := new(stored.Version)
	if err := proto.Unmarshal(f.stored(t, secret.VersionKey(made.Name, made.UID, 1)), record); err != nil {
		t.Fatal(err)
	}
	if record.GetUid() != nil || record.GetValue().GetKeyId() != "" {
		t.Errorf("the record has the uid %x and the key ID %q", record.GetUid(), record.GetValue().GetKeyId())
	}
	_, got, err := f.Get(t.Context(), made.Name)
	if err != nil || got.Sealed.KeyID != f.keys.KeyID() {
		t.Fatalf("Get = the key ID %q, %v, want %q", got.Sealed.KeyID, err, f.keys.KeyID())
	}
	bind := func(operation string) string {
		b, _, err := f.Bind(t.Context(), secret.Call{}, made.Name, "allowlist", secret.BindRequest{
			Usage: secret.Key, Purpose: purpose(), Referrer: "workspaces/acme/endpoints/bank", Operation: operation, Version: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.VersionUID
	}
	derived := bind("op")
	if derived == "" || derived != secret.VersionUIDOf(got.Sealed) {
		t.Errorf("the binding names the uid %q", derived)
	}
	// An upgrade seals the value again, and the uid stays.
	kept := secret.VersionUIDOf(keyring.Sealed{Ciphertext: []byte("of an earlier release")})
	f.convert(t, "key", secret.Conversion{Version: func(v *secret.Version) { v.UID = kept }})
	if uid := bind("op2"); uid != kept || uid == derived {
		t.Errorf("the binding names the uid %q, want the stored one, %q", uid, kept)
	}
}
