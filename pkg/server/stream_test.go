package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const (
	one        = "workspaces/acme"
	everywhere = "workspaces/-"
)

// watching starts a server whose WatchSecrets is the test's.
func watching(t *testing.T, env *servertest.Env, watch func(grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error) *servertest.Running {
	t.Helper()
	return env.Start(t, &fake{watch: watch})
}

// beating sends a response now and then until the stream ends.
func beating(stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := stream.Send(&vaultv1.WatchSecretsResponse{}); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

type watch = grpc.ServerStreamingClient[vaultv1.WatchSecretsResponse]

func openWatch(t *testing.T, conn grpc.ClientConnInterface, parent string) watch {
	t.Helper()
	stream, err := vaultv1.NewVaultServiceClient(conn).WatchSecrets(t.Context(), &vaultv1.WatchSecretsRequest{Parent: parent})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// ended reads a stream to its end, which is no error if it is the handler's.
func ended(stream watch) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestWhoIsAskedBeforeWhatInStreams(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	addr := env.Serve(t, &fake{})
	long := &vaultv1.WatchSecretsRequest{Parent: one, Position: &vaultv1.Position{Epoch: strings.Repeat(canary, 5)}}
	for _, tt := range []struct {
		name   string
		caller servertest.Caller
		code   codes.Code
		reason string
	}{
		{"nobody", servertest.Caller{}, codes.Unauthenticated, "CREDENTIALS_MISSING"},
		{"somebody with a bad token", servertest.Caller{Token: canary}, codes.Unauthenticated, "CREDENTIALS_INVALID"},
		{"a stranger", env.Stranger(t), codes.PermissionDenied, "PERMISSION_DENIED"},
		{"a super admin", env.SuperAdmin(t), codes.PermissionDenied, "PERMISSION_DENIED"},
		{"a resolver", env.Resolver(t), codes.InvalidArgument, "INVALID_FIELD"},
	} {
		conn := env.Dial(t, addr, tt.caller)
		stream, err := vaultv1.NewVaultServiceClient(conn).WatchSecrets(t.Context(), long)
		if err != nil {
			t.Fatal(err)
		}
		malformed := conn.Invoke(t.Context(), vaultv1.VaultService_WatchSecrets_FullMethodName, []byte(canary), nil, grpc.ForceCodecV2(raw{}))
		err = ended(stream)
		if status.Code(err) != tt.code || servertest.Reason(err) != tt.reason {
			t.Errorf("%s with a request that breaks the rules: WatchSecrets() = %v, want %v %q", tt.name, err, tt.code, tt.reason)
		}
		// A message that does not decode names no workspace, so no one can be admitted.
		if code := status.Code(malformed); code != tt.code && code != codes.PermissionDenied {
			t.Errorf("%s without a message: WatchSecrets() = %v", tt.name, malformed)
		}
		for _, err := range []error{err, malformed} {
			servertest.MustNotHold(t, tt.name, fmt.Sprint(err, status.Convert(err).Details()), canary)
		}
	}
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
}

func TestAllWorkspacesNeedTheRoleInAll(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	addr := env.Serve(t, &fake{})
	for _, tt := range []struct {
		name   string
		caller servertest.Caller
		parent string
		code   codes.Code
	}{
		{"a resolver of all, for all", env.Resolver(t), everywhere, codes.OK},
		{"a resolver of all, for one", env.Resolver(t), one, codes.OK},
		{"a resolver of one, for it", env.Workload(t, "narrow", "resolver", "acme"), one, codes.OK},
		{"a resolver of one, for another", env.Workload(t, "narrow", "resolver", "acme"), "workspaces/other", codes.PermissionDenied},
		{"a resolver of one, for all", env.Workload(t, "narrow", "resolver", "acme"), everywhere, codes.PermissionDenied},
		{"a resolver of all, for what is no workspace", env.Resolver(t), "workspaces/*", codes.PermissionDenied},
	} {
		if err := ended(openWatch(t, env.Dial(t, addr, tt.caller), tt.parent)); status.Code(err) != tt.code {
			t.Errorf("%s: WatchSecrets() = %v, want %v", tt.name, err, tt.code)
		}
	}
}

func TestStreamHasNoDeadline(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, func(c *server.Config) {
		c.Limits.DefaultDeadline, c.Limits.MaxDeadline = time.Millisecond, time.Millisecond
	})
	running := watching(t, env, func(stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
		if deadline, ok := stream.Context().Deadline(); ok {
			t.Errorf("the stream has %v, want no deadline", time.Until(deadline))
		}
		return nil
	})
	if err := ended(openWatch(t, env.Dial(t, running.Addr, env.Resolver(t)), one)); err != nil {
		t.Errorf("WatchSecrets() = %v", err)
	}
}

func TestStreamEndsWithTheRightToIt(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	running := watching(t, env, beating)
	stream := openWatch(t, env.Dial(t, running.Addr, env.Resolver(t)), everywhere)
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	env.Revoke(t)
	if err := ended(stream); status.Code(err) != codes.PermissionDenied || servertest.Reason(err) != "PERMISSION_DENIED" {
		t.Errorf("WatchSecrets() of a workload that lost its role = %v, want PERMISSION_DENIED", err)
	}
}

func TestDrainEndsStreamsAndAsksToTryAgain(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, func(c *server.Config) { c.Limits.Drain = time.Hour })
	running := watching(t, env, beating)
	stream := openWatch(t, env.Dial(t, running.Addr, env.Resolver(t)), one)
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	running.Stop() // would take an hour
	if err := ended(stream); status.Code(err) != codes.Unavailable || !servertest.Retryable(err) {
		t.Errorf("WatchSecrets() when the server stops = %v, want UNAVAILABLE with a time to wait", err)
	}
}

func TestWatcherWhoWentAwayEndsTheStream(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	left := make(chan error, 1)
	running := watching(t, env, func(stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
		err := beating(stream)
		left <- err
		return err
	})
	ctx, cancel := context.WithCancel(t.Context())
	client := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, env.Resolver(t)))
	stream, err := client.WatchSecrets(ctx, &vaultv1.WatchSecretsRequest{Parent: one})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-left; err == nil {
		t.Error("the stream goes on")
	}
	eventually(t, "the line", func() bool { return strings.Contains(env.Log.String(), `"reason":"CANCELLED"`) })
}
