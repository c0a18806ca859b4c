package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// wantLimited fails the test unless err is RATE_LIMITED with a time to wait.
func wantLimited(t *testing.T, what string, err error) {
	t.Helper()
	if status.Code(err) != codes.ResourceExhausted || servertest.Reason(err) != "RATE_LIMITED" || !servertest.Retryable(err) {
		t.Errorf("%s = %v %q, want RATE_LIMITED with RetryInfo", what, err, servertest.Reason(err))
	}
}

func TestPrincipalWhoAsksTooOftenIsToldToWait(t *testing.T) {
	t.Parallel()
	rate := 0.001
	env := servertest.New(t, func(c *server.Config) {
		c.Limits.PerPrincipal = server.Share{RequestsPerSecond: &rate, Burst: 3}
	})
	owner, admin, stranger := env.Owner(t, "acme"), env.SuperAdmin(t), env.Stranger(t)
	running := env.Start(t, &fake{})
	client := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, owner))
	for range 3 {
		if err := getSecret(t, client); err != nil {
			t.Fatal(err)
		}
	}
	wantLimited(t, "the fourth request of a burst of three", getSecret(t, client))
	again := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, owner))
	wantLimited(t, "a request on another connection", getSecret(t, again))
	if err := getSecret(t, vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, admin))); err != nil {
		t.Errorf("a request of somebody else = %v, want OK", err)
	}
	unknown := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, stranger))
	for range 3 {
		if err := getSecret(t, unknown); status.Code(err) != codes.PermissionDenied {
			t.Errorf("a request of a stranger = %v, want PermissionDenied", err)
		}
	}
	wantLimited(t, "the fourth request of a stranger", getSecret(t, unknown))
	if !strings.Contains(gather(t, running.Telemetry.Metrics), "keyward_rate_limited_total 3\n") {
		t.Error("the three refusals were not counted")
	}
}

func TestPrincipalWithTooManyUnderWayIsToldToWait(t *testing.T) {
	t.Parallel()
	two := 2
	env := servertest.New(t, func(c *server.Config) { c.Limits.PerPrincipal = server.Share{Concurrent: &two} })
	entered, release := make(chan struct{}), make(chan struct{})
	client := serve(t, env, env.Owner(t, "acme"), func(context.Context) error {
		entered <- struct{}{}
		<-release
		return nil
	})
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := client.GetSecret(context.Background(), &vaultv1.GetSecretRequest{Name: name})
			done <- err
		}()
		<-entered
	}
	wantLimited(t, "a third request under way", getSecret(t, client))
	close(release)
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("a request within the limit = %v, want OK", err)
		}
	}
	go func() { <-entered }()
	if err := getSecret(t, client); err != nil {
		t.Errorf("a request after the others ended = %v, want OK", err)
	}
}

func TestStreamsCountAsUnderWayOnly(t *testing.T) {
	t.Parallel()
	rate, two := 0.001, 2
	env := servertest.New(t, func(c *server.Config) {
		c.Limits.PerResolver = server.Share{RequestsPerSecond: &rate, Burst: 1, Concurrent: &two}
	})
	entered := make(chan struct{})
	running := watching(t, env, func(stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
		entered <- struct{}{}
		<-stream.Context().Done()
		return stream.Context().Err()
	})
	conn := env.Dial(t, running.Addr, env.Resolver(t))
	for range 2 { // twice the burst, and not refused for that
		openWatch(t, conn, one)
		<-entered
	}
	_, err := openWatch(t, conn, one).Recv()
	wantLimited(t, "a third stream", err)
}

func TestGuessingTokensIsLimited(t *testing.T) {
	t.Parallel()
	rate := 0.001
	env := servertest.New(t, func(c *server.Config) { c.Limits.FailuresPerAddress = &rate })
	addr := env.Serve(t, &fake{})
	guess := func(n int) error {
		caller := servertest.Caller{Token: fmt.Sprintf("guess.number.%d", n)}
		return getSecret(t, vaultv1.NewVaultServiceClient(env.Dial(t, addr, caller)))
	}
	if err := guess(0); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the first guess = %v, want Unauthenticated", err)
	}
	wantLimited(t, "the second guess", guess(1))
}
