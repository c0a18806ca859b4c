package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// gather returns the metrics as a scraper reads them.
func gather(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	running := env.Start(t, &fake{})
	owner := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, env.Owner(t, "acme")))
	nobody := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, servertest.Caller{}))
	for range 3 {
		if err := getSecret(t, owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := getSecret(t, nobody); err == nil {
		t.Fatal("GetSecret() of nobody = nil")
	}
	_, err := owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/acme", SecretId: canary})
	if err == nil {
		t.Fatal("CreateSecret() without a secret = nil")
	}
	text := gather(t, running.Telemetry.Metrics)
	for _, want := range []string{
		`grpc_server_handled_total{grpc_code="OK",grpc_method="GetSecret",grpc_service="keyward.vault.v1.VaultService"} 3`,
		`grpc_server_handled_total{grpc_code="Unauthenticated",grpc_method="GetSecret",grpc_service="keyward.vault.v1.VaultService"} 1`,
		`grpc_server_handled_total{grpc_code="InvalidArgument",grpc_method="CreateSecret",grpc_service="keyward.vault.v1.VaultService"} 1`,
		`grpc_server_handling_seconds_count{grpc_method="GetSecret",grpc_service="keyward.vault.v1.VaultService"} 4`,
		`grpc_server_in_flight{grpc_method="GetSecret",grpc_service="keyward.vault.v1.VaultService"} 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	servertest.MustNotHold(t, "the metrics", text, canary)
}

func TestLineOfARequest(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	member := env.Member(t, "acme")
	err := getSecret(t, serve(t, env, member, nil))
	if err == nil {
		t.Fatal("GetSecret() of a member = nil")
	}
	for _, line := range env.Log.Lines() {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("line of the log is no JSON: %v: %s", err, line)
		}
		if got["msg"] != "request" {
			continue
		}
		for key, want := range map[string]any{
			"rpc": "keyward.vault.v1.VaultService/GetSecret", "code": "PermissionDenied", "reason": "PERMISSION_DENIED",
			"subject": member.Subject, "authentication": "oidc", "request_id": servertest.RequestID(err), "level": "INFO",
		} {
			if got[key] != want {
				t.Errorf("%s = %v, want %v: %s", key, got[key], want, line)
			}
		}
		return
	}
	t.Errorf("no line of a request in the log:\n%s", env.Log)
}

// collector is an OTLP collector that keeps what it gets.
type collector struct {
	collectorv1.UnimplementedTraceServiceServer
	got chan *collectorv1.ExportTraceServiceRequest
}

func (c collector) Export(_ context.Context, req *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	c.got <- req
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

func TestSpansHoldNothingOfARequest(t *testing.T) {
	t.Parallel()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := collector{got: make(chan *collectorv1.ExportTraceServiceRequest, 100)}
	otlp := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(otlp, c)
	go otlp.Serve(lis)
	t.Cleanup(otlp.Stop)

	env := servertest.New(t, func(c *server.Config) {
		c.Telemetry.Traces = telemetry.TraceConfig{Endpoint: lis.Addr().String(), Insecure: true}
	})
	owner := env.Owner(t, "acme")
	running := env.Start(t, &fake{get: func(context.Context) error { return errors.New(canary) }})
	conn := env.Dial(t, running.Addr, owner)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+trace+"-b7ad6b7169203331-01",
		"tracestate", "vendor="+canary, "baggage", "who="+canary, "user-agent", canary)
	req := &vaultv1.GetSecretRequest{Name: "workspaces/acme/secrets/" + canary}
	if _, err := vaultv1.NewVaultServiceClient(conn).GetSecret(ctx, req); err == nil {
		t.Fatal("GetSecret() = nil, want an error")
	}
	if err := conn.Invoke(ctx, "/"+canary+"/"+canary, req, req); err == nil {
		t.Fatal("call of an unknown method = nil, want an error")
	}
	running.Stop() // the span of a call ends after its answer
	if err := running.Telemetry.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(c.got)
	var text strings.Builder
	for req := range c.got {
		text.WriteString(prototext.Format(req))
	}
	if !strings.Contains(text.String(), "GetSecret") {
		t.Errorf("no span names the method:\n%s", text.String())
	}
	if !strings.Contains(text.String(), "service.version") {
		t.Errorf("no span names the version of the service:\n%s", text.String())
	}
	servertest.MustNotHold(t, "the spans", text.String(), canary)
	if !strings.Contains(env.Log.String(), trace) {
		t.Errorf("the log does not name the trace:\n%s", env.Log)
	}
}

func BenchmarkRequest(b *testing.B) {
	env := servertest.New(b, func(c *server.Config) { c.Telemetry.Log.Level = "warn" })
	client := vaultv1.NewVaultServiceClient(env.Dial(b, env.Serve(b, &fake{}), env.Owner(b, "acme")))
	b.ReportAllocs()
	b.SetParallelism(8) // callers per core
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.GetSecret(b.Context(), &vaultv1.GetSecretRequest{Name: name}); err != nil {
				b.Error(err)
			}
		}
	})
}
