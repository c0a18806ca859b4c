package vault_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/keyward/keyward/pkg/client/seal"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func BenchmarkGetSecret(b *testing.B) {
	k := vaulttest.New(b)
	k.Owner.Create(b, "key", &vaultv1.Secret{})
	req := &vaultv1.GetSecretRequest{Name: vaulttest.NameOf("key")}
	vaulttest.Parallel(b, func(int64) error {
		_, err := k.Owner.GetSecret(b.Context(), req)
		return err
	})
}

func BenchmarkResolveSecret(b *testing.B) {
	k := vaulttest.New(b)
	created := k.Owner.Create(b, "key", &vaultv1.Secret{})
	k.Resolver.Bind(b, "key", "e", "op")
	req := &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: created.GetUid(), Purpose: vaulttest.Purpose(), Seal: true} // as for messages
	vaulttest.Parallel(b, func(int64) error {
		_, err := k.Resolver.ResolveSecret(b.Context(), req)
		return err
	})
}

func BenchmarkCreateSecret(b *testing.B) {
	const value = "a value of some length"
	for _, kind := range []struct {
		name    string
		request func(key seal.Key, id string) *vaultv1.CreateSecretRequest
	}{
		{"unsealed", func(_ seal.Key, id string) *vaultv1.CreateSecretRequest {
			return vaulttest.CreateRequest(id, value, "")
		}},
		{"with a request ID", func(_ seal.Key, id string) *vaultv1.CreateSecretRequest {
			return vaulttest.CreateRequest(id, value, id)
		}},
		// This includes the time of sealing, although the caller does that.
		{"sealed", func(key seal.Key, id string) *vaultv1.CreateSecretRequest {
			return vaulttest.CreateSealed(id, id, vaulttest.SealTo(b, key, value, vaulttest.Place(id, id)))
		}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			k := vaulttest.New(b)
			key := k.Owner.NewestKey(b)
			var run atomic.Int64
			vaulttest.Parallel(b, func(n int64) error {
				_, err := k.Owner.CreateSecret(b.Context(), kind.request(key, fmt.Sprintf("key-%d-%d", run.Add(1), n)))
				return err
			})
		})
	}
}
