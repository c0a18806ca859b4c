package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/accesslog"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// recorded makes surroundings whose servers write access records to the file.
func recorded(t *testing.T) (*servertest.Env, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	return servertest.New(t, func(c *server.Config) { c.AccessLog.File = path }), path
}

// accessRecords reads the records, without the fields that differ in each run.
func accessRecords(t *testing.T, path string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for line := range strings.Lines(string(text)) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("the record is no JSON: %v: %s", err, line)
		}
		if at, err := time.Parse(time.RFC3339Nano, r["time"].(string)); err != nil || time.Since(at) > time.Minute {
			t.Errorf("the time of the record is %v: %s", err, line)
		}
		if _, ok := r["ms"].(float64); !ok {
			t.Errorf("the record has no duration: %s", line)
		}
		delete(r, "time")
		delete(r, "ms")
		all = append(all, r)
	}
	return all
}

func TestEachRequestHasAnAccessRecord(t *testing.T) {
	t.Parallel()
	env, path := recorded(t)
	owner, other, resolver := env.Owner(t, "acme"), env.Owner(t, "other"), env.Resolver(t)
	records := 0
	running := env.Start(t, &fake{
		get: func(context.Context) error {
			records = len(accessRecords(t, path))
			return nil
		},
		watch: func(stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
			if records = len(accessRecords(t, path)); records != 5 {
				t.Errorf("there are %d records before the first response of a stream, want its own to be the fifth", records)
			}
			return stream.Send(&vaultv1.WatchSecretsResponse{})
		},
	})
	const id = "0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f"
	base := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", id)
	get := func(as servertest.Caller, name string) {
		client := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, as))
		_, _ = client.GetSecret(base, &vaultv1.GetSecretRequest{Name: name}) // the record has its code
	}
	get(owner, name)
	get(other, name)
	get(servertest.Caller{}, name)
	get(env.SuperAdmin(t), canary)
	health := healthv1.NewHealthClient(env.Dial(t, running.Addr, servertest.Caller{}))
	if _, err := health.Check(base, &healthv1.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
	stream, err := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, resolver)).WatchSecrets(base, &vaultv1.WatchSecretsRequest{Parent: one})
	if err != nil {
		t.Fatal(err)
	}
	if err := ended(stream); err != nil {
		t.Error(err)
	}
	got := accessRecords(t, path)
	for _, r := range got {
		if address, ok := r["address"]; ok && !strings.HasPrefix(address.(string), "127.0.0.1:") {
			t.Errorf("the address is %v", address)
		}
		delete(r, "address")
	}
	of := func(method, code string, as servertest.Caller, authentication, name string) map[string]any {
		r := map[string]any{"request_id": id, "rpc": "keyward.vault.v1.VaultService/" + method, "code": code}
		if as.Subject != "" {
			r["subject"], r["authentication"] = as.Subject, authentication
		}
		if name != "" {
			r["workspace"], r["resource"] = one, name
		}
		return r
	}
	want := []map[string]any{
		of("GetSecret", "OK", owner, "oidc", name),
		of("GetSecret", "PermissionDenied", other, "oidc", ""),
		of("GetSecret", "Unauthenticated", servertest.Caller{}, "", ""),
		of("GetSecret", "OK", env.SuperAdmin(t), "oidc", ""),
		of("WatchSecrets", "OK", resolver, "mtls", one),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("access records (-want +got):\n%s", diff)
	}
}

// startBreakable starts a server whose access log the returned function breaks.
func startBreakable(t *testing.T, env *servertest.Env, svc server.Service) (addr string, observed *telemetry.Telemetry, breakLog func() error) {
	t.Helper()
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(env.Config(), observed, svc)
	if err != nil {
		t.Fatal(err)
	}
	return listenAndServe(t, s), observed, s.BreakAccessLog
}

func TestNothingIsAnsweredWithoutAnAccessRecord(t *testing.T) {
	t.Parallel()
	env, _ := recorded(t)
	owner, resolver := env.Owner(t, "acme"), env.Resolver(t)
	addr, observed, breakLog := startBreakable(t, env, &fake{
		response: &vaultv1.GetSecretResponse{Secret: &vaultv1.Secret{Description: canary}},
		watch: func(stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
			t.Error("the method of a stream without a record was called")
			return stream.Send(&vaultv1.WatchSecretsResponse{})
		},
	})
	client := vaultv1.NewVaultServiceClient(env.Dial(t, addr, owner))
	if err := getSecret(t, client); err != nil {
		t.Fatal(err)
	}
	if err := breakLog(); err != nil {
		t.Fatal(err)
	}
	response, err := client.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: name})
	stream := ended(openWatch(t, env.Dial(t, addr, resolver), one))
	for what, err := range map[string]error{"GetSecret()": err, "WatchSecrets()": stream} {
		if status.Code(err) != codes.Unavailable || servertest.Reason(err) != "UNAVAILABLE" || !servertest.Retryable(err) {
			t.Errorf("%s without an access record = %v %q, want UNAVAILABLE", what, err, servertest.Reason(err))
		}
	}
	if response != nil {
		t.Errorf("GetSecret() without an access record returns %v", response)
	}
	health := healthv1.NewHealthClient(env.Dial(t, addr, servertest.Caller{}))
	if _, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Errorf("Check() = %v, want OK: health has no records", err)
	}
	if text := env.Log.String(); strings.Count(text, `"cause":"`+accesslog.ErrClosed.Error()+`"`) != 2 {
		t.Errorf("the log does not say why two requests were refused:\n%s", text)
	}
	if text := gather(t, observed.Metrics); !strings.Contains(text, "keyward_access_log_errors_total 2") {
		t.Error("the refused requests are not counted")
	}
}

func TestAnAccessLogOfOthersStopsTheStart(t *testing.T) {
	t.Parallel()
	env, path := recorded(t)
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.New(env.Config(), observed, &fake{}); !errors.Is(err, accesslog.ErrFile) {
		t.Errorf("New() = %v, want ErrFile", err)
	}
}
