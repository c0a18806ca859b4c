package limit

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// serve serves services on a local port and returns a connection to it.
func serve(t *testing.T, register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // the server closes it
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	go func() { _ = server.Serve(lis) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestEchoHasMessagesOfTheGivenSizes(t *testing.T) {
	t.Parallel()
	conn := serve(t, func(r grpc.ServiceRegistrar) { registerMethods(r, map[string]method{EchoMethod: echo}) })
	for _, tt := range []struct{ request, response int }{{20, 300}, {128, 129}, {130, 127}, {300, 16}, {1100, 20_000}} {
		text := Request(tt.request, tt.response)
		// A field cannot have every size: the length of its length grows at 128 and 16,384.
		if got := len(text); got > tt.request || got < tt.request-1 {
			t.Errorf("Request(%d, %d) has %d bytes", tt.request, tt.response, got)
		}
		req, resp := new(wrapperspb.BytesValue), new(wrapperspb.BytesValue)
		if err := proto.Unmarshal(text, req); err != nil {
			t.Fatal(err)
		}
		if err := conn.Invoke(t.Context(), EchoMethod, req, resp); err != nil {
			t.Fatal(err)
		}
		if got := proto.Size(resp); got > tt.response || got < tt.response-1 {
			t.Errorf("the response to Request(%d, %d) has %d bytes", tt.request, tt.response, got)
		}
	}
	if err := conn.Invoke(t.Context(), EchoMethod, wrapperspb.Bytes(nil), new(wrapperspb.BytesValue)); err == nil {
		t.Error("a request without a size succeeds, want an error")
	}
}

func TestAnswersAreThoseThatWereRecorded(t *testing.T) {
	t.Parallel()
	want := &vaultv1.GetSecretResponse{Secret: &vaultv1.Secret{Name: "workspaces/bench/secrets/a"}}
	text, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/answers.json"
	if err := (Answers{vaultv1.VaultService_GetSecret_FullMethodName: text}).Write(path); err != nil {
		t.Fatal(err)
	}
	recorded, err := readAnswers(path)
	if err != nil {
		t.Fatal(err)
	}
	client := vaultv1.NewVaultServiceClient(serve(t, recorded.register))
	got, err := client.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: "workspaces/bench/secrets/b"})
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("GetSecret = %v, %v; want %v", got, err, want)
	}
	if _, err := client.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{}); err == nil {
		t.Error("a method without an answer succeeds, want an error")
	}
	if _, err := decodeAnswer("/keyward.vault.v1.VaultService/NoSuchMethod", nil); err == nil {
		t.Error("the answer of an unknown method is read, want an error")
	}
}

func TestAnUnknownLimitIsRefused(t *testing.T) {
	t.Parallel()
	if err := Run(context.Background(), "/dev/null"); err == nil {
		t.Error("Run of an empty configuration succeeds, want an error")
	}
}
