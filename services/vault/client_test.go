package vault_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	keyward "github.com/keyward/keyward/pkg/client"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// dialed returns the Go client of the owner, and a function that returns the requests it sent.
func dialed(t *testing.T, k *vaulttest.Kit, cfg keyward.Config) (vault keyward.Vault, sent func() []byte) {
	t.Helper()
	var wire []byte
	record := func(ctx context.Context, method string, req, res any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		data, err := proto.Marshal(req.(proto.Message))
		if err != nil {
			t.Error(err)
		}
		wire = append(wire, data...)
		return invoke(ctx, method, req, res, conn, opts...)
	}
	cfg.Address, cfg.CA = k.Running.Addr, k.Env.TrustFile()
	cfg.Token = keyward.StaticToken(k.Env.Owner(t, "acme").Token)
	conn, err := keyward.Dial(cfg, grpc.WithChainUnaryInterceptor(record))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return keyward.NewVault(conn), func() []byte { return wire }
}

func TestTheGoClientAndTheVaultSealAlike(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	if _, err := k.Owner.Require(t, true, "", ""); err != nil {
		t.Fatal(err)
	}
	pins := []string{k.Owner.NewestKey(t).String()}
	for what, cfg := range map[string]keyward.Config{"trusting": {}, "pinned": {SealingKeys: pins}} {
		vault, sent := dialed(t, k, cfg)
		name := vaulttest.NameOf(what)
		for _, value := range []*vaultv1.SecretValue{keyward.Text("canary-4711-canary"), keyward.Data([]byte("canary-4711-\xff-data"))} {
			if _, err := vault.Store(t.Context(), name, value, "why"); err != nil {
				t.Fatalf("%s: Store = %v", what, err)
			}
		}
		uid := k.Resolver.Bind(t, what, "e", "op-"+what).GetUid()
		for version, want := range map[uint32]string{1: "canary-4711-canary", 2: "canary-4711-\xff-data"} {
			if got := k.Resolver.Resolve(t, what, uid, version); got != want {
				t.Errorf("%s: version %d is %q, want %q", what, version, got, want)
			}
		}
		if bytes.Contains(sent(), []byte("canary")) {
			t.Errorf("%s: a value is on the wire", what)
		}
		// A program that repeats a request itself seals the value again.
		req := &vaultv1.UpdateSecretRequest{
			Secret:     &vaultv1.Secret{Name: name, Value: keyward.Text("a value of a repeated request")},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"value"}}, RequestId: what,
		}
		for range 2 {
			if res, err := vault.UpdateSecret(t.Context(), req); err != nil || res.GetSecret().GetLatestVersion() != 3 {
				t.Errorf("%s: UpdateSecret, repeated = %v, %v, want version 3", what, res.GetSecret().GetLatestVersion(), err)
			}
		}
	}
	unsealed, _ := dialed(t, k, keyward.Config{Unsealed: true})
	if _, err := unsealed.Store(t.Context(), vaulttest.NameOf("pinned"), keyward.Text("v"), ""); !keyward.HasReason(err, vaulttest.Required) {
		t.Errorf("unsealed: Store = %v, want %v", err, vaulttest.Required)
	}
	stranger, _ := dialed(t, k, keyward.Config{SealingKeys: []string{vaulttest.New(t).Owner.NewestKey(t).String()}})
	if _, err := stranger.Store(t.Context(), vaulttest.NameOf("pinned"), keyward.Text("v"), ""); !errors.Is(err, keyward.ErrSealingKey) {
		t.Errorf("with the key of another vault: Store = %v, want %v", err, keyward.ErrSealingKey)
	}
}
