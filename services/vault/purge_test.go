package vault_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/stored"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// remains are what a stored version consists of: enough to open it with the keyring of its time.
type remains struct{ wrap, ciphertext []byte }

// remainsOf returns the remains of the current versions of secrets, as they are in the data file.
func remainsOf(t testing.TB, k *vaulttest.Kit, ids ...string) map[string]remains {
	t.Helper()
	found, idOf := make(map[string]remains), make(map[string]string)
	for _, id := range ids {
		idOf[string(k.Owner.Get(t, id).GetEncryptedValue().GetCiphertext())] = id
	}
	content, err := os.ReadFile(k.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	bolt, err := bbolt.Open(name, 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer bolt.Close()
	err = bolt.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("data")).ForEach(func(_, row []byte) error {
			for from := range min(len(row), 64) { // the authenticator of the row comes first
				var v stored.Version
				if proto.Unmarshal(row[from:], &v) != nil {
					continue
				}
				sealed := v.GetValue()
				if id, ok := idOf[string(sealed.GetCiphertext())]; ok && len(sealed.GetWrappedKey()) >= 32 {
					found[id] = remains{bytes.Clone(sealed.GetWrappedKey()), bytes.Clone(sealed.GetCiphertext())}
				}
			}
			return nil
		})
	})
	if err != nil || len(found) != len(ids) {
		t.Fatalf("%d rows of %d are in the file (%v)", len(found), len(ids), err)
	}
	return found
}

// window is the number of successive bytes that must not remain.
const window = 16

// mustNotRemain searches all files of the data folder for any part of the data, by its names.
func mustNotRemain(t testing.TB, k *vaulttest.Kit, gone map[string][]byte) {
	t.Helper()
	parts := make(map[string]string)
	for what, data := range gone {
		for i := range len(data) - window + 1 {
			parts[string(data[i:i+window])] = what
		}
	}
	err := filepath.WalkDir(filepath.Dir(k.Config.Store), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for i := range len(content) - window + 1 {
			if what, ok := parts[string(content[i:i+window])]; ok {
				t.Errorf("%s contains a part of %s at %d", filepath.Base(path), what, i)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func purge(t testing.TB, c vaulttest.Client) *maintenancev1.PurgeDeletedDataResponse {
	t.Helper()
	res, err := c.Maintenance.PurgeDeletedData(t.Context(), &maintenancev1.PurgeDeletedDataRequest{Parent: vaulttest.Everywhere})
	if err != nil {
		t.Fatalf("PurgeDeletedData() = %v", err)
	}
	return res
}

// TestDestroyedMeansGone deletes, destroys, and rewraps secrets while callers read and write others.
// After a purge, no file contains the old wraps or ciphertexts.
func TestDestroyedMeansGone(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	const each = 12
	var ids []string
	for i := range each {
		for _, fate := range []string{"deleted", "destroyed", "rewrapped"} {
			id := fmt.Sprint(fate, "-", i)
			k.Owner.Create(t, id, &vaultv1.Secret{Value: vaulttest.Text(valueOf(i))})
			ids = append(ids, id)
		}
	}
	gone := make(map[string][]byte)
	for id, r := range remainsOf(t, k, ids...) {
		gone["the wrap of "+id] = r.wrap
		if !strings.HasPrefix(id, "rewrapped") {
			gone["the ciphertext of "+id] = r.ciphertext
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	k.Owner.Create(t, "read", &vaultv1.Secret{Value: vaulttest.Text("what is read")})
	k.Resolver.Bind(t, "read", "endpoint", "op")
	uid := k.Owner.Get(t, "read").GetUid()
	load.Go(func() {
		for ctx.Err() == nil {
			if got := k.Resolver.Resolve(t, "read", uid, 1); got != "what is read" {
				t.Error("the secret that is read has another value")
			}
			k.Owner.IDs(t, &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace})
		}
	})
	load.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			k.Owner.Create(t, fmt.Sprint("new-", n), &vaultv1.Secret{Value: vaulttest.Text(valueOf(1000 + n))})
		}
	})

	rotate(t, k.Admin)
	for i := range each {
		k.Owner.Delete(t, fmt.Sprint("deleted-", i))
		id := fmt.Sprint("destroyed-", i)
		k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf(id), Value: vaulttest.Text(valueOf(100 + i))})
		k.Owner.MustChange(t, vaulttest.Destroy, id, 1)
	}
	rewrapAll(t, k.Admin)
	purge(t, k.Admin)
	mustNotRemain(t, k, gone)
	stop()
	load.Wait()
	for i := range each {
		k.Owner.Get(t, fmt.Sprint("rewrapped-", i))
	}
	k.Running.Stop()
	k.Start(t)
	if err := k.Vault.Verify(t.Context()); err != nil {
		t.Errorf("Verify() = %v", err)
	}
}

func TestPurgeIsForSuperAdmins(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	_, err := k.Owner.Maintenance.PurgeDeletedData(t.Context(), &maintenancev1.PurgeDeletedDataRequest{Parent: vaulttest.Everywhere})
	vaulttest.WantError(t, "PurgeDeletedData as an owner", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	_, err = k.Admin.Maintenance.PurgeDeletedData(t.Context(), &maintenancev1.PurgeDeletedDataRequest{Parent: vaulttest.Workspace})
	vaulttest.WantField(t, "PurgeDeletedData of one workspace", err, "parent")
}

// Deleted data is gone without a call, too.
func TestDeletedDataIsErasedByItself(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "deleted", &vaultv1.Secret{Value: vaulttest.Text("value")})
	r := remainsOf(t, k, "deleted")["deleted"]
	k.Owner.Delete(t, "deleted")
	k.Running.Stop()
	k.Start(t) // the first purge is at the start
	for {
		content, err := os.ReadFile(k.Config.Store)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, r.wrap) && !bytes.Contains(content, r.ciphertext) {
			break
		}
		wait(t, 20*time.Millisecond)
	}
}
