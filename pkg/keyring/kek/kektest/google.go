package kektest

import (
	"context"
	"hash/crc32"
	"net"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The keys that [Google] has.
const (
	GoogleKey   = "projects/p/locations/l/keyRings/r/cryptoKeys/keyward"
	GoogleOther = "projects/p/locations/l/keyRings/r/cryptoKeys/other"
)

// Google starts Google Cloud KMS, over gRPC without TLS, and returns its address and a function
// that stops it. The code, if not OK, is that of all responses.
func Google(t testing.TB, code *codes.Code) (addr string, stop func()) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	kmspb.RegisterKeyManagementServiceServer(s, &google{
		keys: map[string]key{GoogleKey: newKey(t), GoogleOther: newKey(t)}, code: code,
	})
	go func() { _ = s.Serve(listener) }() // ends with Stop
	t.Cleanup(s.Stop)
	return listener.Addr().String(), s.Stop
}

type google struct {
	kmspb.UnimplementedKeyManagementServiceServer

	keys map[string]key
	code *codes.Code
}

func (g *google) key(name string) (key, error) {
	if *g.code != codes.OK {
		return key{}, status.Error(*g.code, "as the test says")
	}
	k, ok := g.keys[name]
	if !ok {
		return key{}, status.Error(codes.NotFound, "no such key")
	}
	return k, nil
}

func sum(b []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))))
}

// Encrypt implements the API.
func (g *google) Encrypt(_ context.Context, r *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	k, err := g.key(r.GetName())
	if err != nil {
		return nil, err
	}
	sealed := k.seal(r.GetPlaintext(), r.GetAdditionalAuthenticatedData())
	return &kmspb.EncryptResponse{
		Name: r.GetName() + "/cryptoKeyVersions/1", Ciphertext: sealed, CiphertextCrc32C: sum(sealed),
		VerifiedPlaintextCrc32C: true, VerifiedAdditionalAuthenticatedDataCrc32C: true,
	}, nil
}

// Decrypt implements the API.
func (g *google) Decrypt(_ context.Context, r *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	k, err := g.key(r.GetName())
	if err != nil {
		return nil, err
	}
	text, err := k.open(r.GetCiphertext(), r.GetAdditionalAuthenticatedData())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &kmspb.DecryptResponse{Plaintext: text, PlaintextCrc32C: sum(text)}, nil
}
