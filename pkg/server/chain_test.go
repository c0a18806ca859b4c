package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// raw sends bytes as they are.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (raw) Unmarshal(mem.BufferSlice, any) error { return nil }

func (raw) Name() string { return "proto" }

func TestWhoIsAskedBeforeWhat(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	owner, admin := env.Owner(t, "acme"), env.SuperAdmin(t)
	callers := []struct {
		name   string
		caller servertest.Caller
		code   codes.Code
		reason string
	}{
		{"nobody", servertest.Caller{}, codes.Unauthenticated, "CREDENTIALS_MISSING"},
		{"somebody with a bad token", servertest.Caller{Token: canary}, codes.Unauthenticated, "CREDENTIALS_INVALID"},
		{"a stranger", env.Stranger(t), codes.PermissionDenied, "PERMISSION_DENIED"},
		{"a member", env.Member(t, "acme"), codes.PermissionDenied, "PERMISSION_DENIED"},
		{"the owner of another workspace", env.Owner(t, "other"), codes.PermissionDenied, "PERMISSION_DENIED"},
		{"a resolver", env.Resolver(t), codes.PermissionDenied, "PERMISSION_DENIED"},
		{"a proxy without a token", env.Proxy(t), codes.Unauthenticated, "CREDENTIALS_MISSING"},
		{"an unknown workload", env.Workload(t, "unknown", ""), codes.PermissionDenied, "PERMISSION_DENIED"},
		{"the owner", owner, codes.InvalidArgument, "INVALID_FIELD"},
		{"a super admin", admin, codes.InvalidArgument, "INVALID_FIELD"},
	}
	addr := env.Serve(t, &fake{})
	for _, tt := range callers {
		client := vaultv1.NewVaultServiceClient(env.Dial(t, addr, tt.caller))
		_, err := client.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/acme", RequestId: canary + "?"})
		if status.Code(err) != tt.code || servertest.Reason(err) != tt.reason {
			t.Errorf("%s with a request that breaks the rules: CreateSecret() = %v %q, want %v %q", tt.name,
				status.Code(err), servertest.Reason(err), tt.code, tt.reason)
		}
		servertest.MustNotHold(t, tt.name, fmt.Sprint(err, status.Convert(err).Details()), canary)
	}
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
}

func TestUndecodableRequestIsRefusedInOrder(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	callers := []struct {
		name   string
		caller servertest.Caller
		code   codes.Code
		reason string
	}{
		{"nobody", servertest.Caller{}, codes.Unauthenticated, "CREDENTIALS_MISSING"},
		{"an owner", env.Owner(t, "acme"), codes.PermissionDenied, "PERMISSION_DENIED"},
		{"a super admin", env.SuperAdmin(t), codes.InvalidArgument, "INVALID_FIELD"},
	}
	whole, err := proto.Marshal(&vaultv1.GetSecretRequest{Name: name + canary})
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string][]byte{
		"cut off":          whole[:len(whole)-1],
		"not UTF-8":        append(whole[:len(whole)-1:len(whole)-1], 0xff),
		"no message":       []byte(canary),
		"an endless group": {0x0b, 0x0b},
	}
	addr := env.Serve(t, &fake{})
	for _, tt := range callers {
		conn := env.Dial(t, addr, tt.caller)
		for what, body := range bodies {
			err := conn.Invoke(t.Context(), vaultv1.VaultService_GetSecret_FullMethodName, body, nil, grpc.ForceCodecV2(raw{}))
			if status.Code(err) != tt.code || servertest.Reason(err) != tt.reason {
				t.Errorf("%s with a request that is %s: GetSecret() = %v, %q, want %v %q", tt.name, what,
					err, servertest.Reason(err), tt.code, tt.reason)
			}
			servertest.MustNotHold(t, tt.name, fmt.Sprint(err, status.Convert(err).Details()), canary)
		}
	}
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
}

func TestUnknownMethodIsUnimplemented(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	running := env.Start(t, &fake{})
	conn := env.Dial(t, running.Addr, servertest.Caller{})
	for _, method := range []string{"/keyward.vault.v1.VaultService/" + canary, "/" + canary + "/GetSecret"} {
		err := conn.Invoke(t.Context(), method, &vaultv1.GetSecretRequest{}, &vaultv1.GetSecretResponse{})
		if status.Code(err) != codes.Unimplemented || servertest.Reason(err) != "METHOD_NOT_ALLOWED" {
			t.Errorf("call of an unknown method = %v %q, want Unimplemented METHOD_NOT_ALLOWED", err, servertest.Reason(err))
		}
		servertest.MustNotHold(t, "the answer", fmt.Sprint(err, status.Convert(err).Details()), canary)
	}
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
	text := gather(t, running.Telemetry.Metrics)
	servertest.MustNotHold(t, "the metrics", text, canary)
	if !strings.Contains(text, `grpc_server_handled_total{grpc_code="Unimplemented",grpc_method="unknown",grpc_service="unknown"} 2`) {
		t.Errorf("unknown methods are not counted as such:\n%s", text)
	}
}

func TestDeadlineIsSet(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, func(c *server.Config) {
		c.Limits.DefaultDeadline, c.Limits.MaxDeadline = 200*time.Millisecond, 400*time.Millisecond
	})
	given := make(chan time.Duration, 1)
	client := serve(t, env, env.Owner(t, "acme"), func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		given <- time.Until(deadline)
		<-ctx.Done()
		return ctx.Err()
	})
	tests := []struct {
		name  string
		asked time.Duration
		limit time.Duration
	}{
		{"none asked for", 0, 200 * time.Millisecond},
		{"more than the maximum asked for", time.Hour, 400 * time.Millisecond},
	}
	for _, tt := range tests {
		ctx := t.Context()
		if tt.asked > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, tt.asked)
			defer cancel()
		}
		_, err := client.GetSecret(ctx, &vaultv1.GetSecretRequest{Name: name})
		select {
		case got := <-given:
			if got > tt.limit {
				t.Errorf("%s: the handler had %v, want at most %v", tt.name, got, tt.limit)
			}
		default: // on a busy machine, the time can be over before the handler begins
		}
		if status.Code(err) != codes.DeadlineExceeded || servertest.Reason(err) != "DEADLINE" {
			t.Errorf("%s: GetSecret() = %v %q, want DEADLINE", tt.name, err, servertest.Reason(err))
		}
	}
}

func TestCallerWhoWentAwayIsLoggedAsSuch(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	entered := make(chan struct{})
	client := serve(t, env, env.Owner(t, "acme"), func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := client.GetSecret(ctx, &vaultv1.GetSecretRequest{Name: name})
		done <- err
	}()
	<-entered
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("GetSecret() = %v, want Canceled", err)
	}
	eventually(t, "the line", func() bool { return strings.Contains(env.Log.String(), `"reason":"CANCELLED"`) })
}

func TestRequestThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	create := vaultv1.VaultService_CreateSecret_FullMethodName
	small := env.Serve(t, &fake{})
	large := env.Serve(t, &fake{sizes: map[string]int{create: 8 << 20}})
	owner := env.Owner(t, "acme")
	tests := []struct {
		name   string
		addr   string
		caller servertest.Caller
		bytes  int
		code   codes.Code
		reason string
	}{
		{"just below the limit", small, owner, 1<<20 - 100, codes.OK, ""},
		{"above the limit", small, owner, 1 << 20, codes.ResourceExhausted, "MESSAGE_TOO_LARGE"},
		{"above the limit, from nobody", small, servertest.Caller{}, 1 << 20, codes.Unauthenticated, "CREDENTIALS_MISSING"},
		{"far above it, from nobody", small, servertest.Caller{}, 20 << 20, codes.Unauthenticated, "CREDENTIALS_MISSING"},
		{"far above it", small, owner, 20 << 20, codes.ResourceExhausted, "MESSAGE_TOO_LARGE"},
		{"below the method's own limit", large, owner, 7 << 20, codes.OK, ""},
		{"above the method's own limit", large, owner, 8 << 20, codes.ResourceExhausted, "MESSAGE_TOO_LARGE"},
	}
	for _, tt := range tests {
		req := &vaultv1.CreateSecretRequest{
			Parent: "workspaces/acme", SecretId: "x",
			Secret: &vaultv1.Secret{Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: make([]byte, tt.bytes)}}},
		}
		_, err := vaultv1.NewVaultServiceClient(env.Dial(t, tt.addr, tt.caller)).CreateSecret(t.Context(), req)
		if status.Code(err) != tt.code || servertest.Reason(err) != tt.reason {
			t.Errorf("%s: CreateSecret() = %v %q, want %v %q", tt.name, err, servertest.Reason(err), tt.code, tt.reason)
		}
		if tt.reason == "MESSAGE_TOO_LARGE" && servertest.Metadata(err)["limit_bytes"] == "" {
			t.Errorf("%s: the limit is not told", tt.name)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	client := serve(t, env, env.Owner(t, "acme"), func(context.Context) error { return nil })
	const id = "0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f"
	tests := []struct {
		name  string
		given []string
		want  string // empty: one of the server's own
	}{
		{"a UUID is taken over", []string{id}, id},
		{"in small letters", []string{strings.ToUpper(id)}, id},
		{"any other text is replaced", []string{canary}, ""},
		{"braces are replaced", []string{"{" + id + "}"}, ""},
		{"two are replaced", []string{id, id}, ""},
		{"none is made", nil, ""},
	}
	for _, tt := range tests {
		ctx := t.Context()
		for _, given := range tt.given {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-request-id", given)
		}
		var header metadata.MD
		_, err := client.GetSecret(ctx, &vaultv1.GetSecretRequest{Name: name}, grpc.Header(&header))
		got := header.Get("x-request-id")
		if err != nil || len(got) != 1 || len(got[0]) != 36 {
			t.Errorf("%s: GetSecret() = %v, request id %q, want one UUID", tt.name, err, got)
			continue
		}
		if tt.want != "" && got[0] != tt.want {
			t.Errorf("%s: request id = %q, want %q", tt.name, got[0], tt.want)
		}
		if !strings.Contains(env.Log.String(), got[0]) {
			t.Errorf("%s: the log does not know the request id", tt.name)
		}
	}
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
}

func TestRefusalHasARequestIDToo(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	var header metadata.MD
	err := getSecret(t, serve(t, env, servertest.Caller{}, nil), grpc.Header(&header))
	if diff := cmp.Diff([]string{servertest.RequestID(err)}, header.Get("x-request-id")); diff != "" {
		t.Errorf("request id in details and header (-details +header):\n%s", diff)
	}
}
