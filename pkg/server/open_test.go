package server_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
)

func TestHealthIsOpen(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	client := healthv1.NewHealthClient(env.Dial(t, env.Serve(t, &fake{}), servertest.Caller{}))
	for service, want := range map[string]codes.Code{
		"": codes.OK, "keyward.vault.v1.VaultService": codes.OK, canary: codes.NotFound,
	} {
		got, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		servertest.MustNotHold(t, "the answer", fmt.Sprint(err), canary)
		if status.Code(err) != want || (err == nil && got.GetStatus() != healthv1.HealthCheckResponse_SERVING) {
			t.Errorf("Check(%q) = %v, %v, want %v", service, got, err, want)
		}
	}
}

func TestReflectionIsOpen(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	conn := env.Dial(t, env.Serve(t, &fake{}), servertest.Caller{})
	for _, version := range []string{"v1", "v1alpha"} {
		got, err := listServices(t, conn, version)
		if err != nil || !slices.Contains(got, "keyward.vault.v1.VaultService") {
			t.Errorf("ListServices() of %s = %v, %v, want the vault among them", version, got, err)
		}
	}
}

func TestReflectionIsOpenToWhomTheConfigurationSays(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"authenticated", "off"} {
		env := servertest.New(t, func(c *server.Config) { c.Reflection = mode })
		member, stranger, proxy := env.Member(t, "acme"), env.Stranger(t), env.Proxy(t)
		addr := env.Serve(t, &fake{})
		for _, tt := range []struct {
			name   string
			caller servertest.Caller
			code   codes.Code
			reason string
		}{
			{"nobody", servertest.Caller{}, codes.Unauthenticated, "CREDENTIALS_MISSING"},
			{"somebody with a bad token", servertest.Caller{Token: canary}, codes.Unauthenticated, "CREDENTIALS_INVALID"},
			{"a stranger", stranger, codes.PermissionDenied, "PERMISSION_DENIED"},
			{"a proxy without a token", proxy, codes.Unauthenticated, "CREDENTIALS_MISSING"},
			{"a member", member, codes.OK, ""},
		} {
			if mode == "off" {
				tt.code, tt.reason = codes.Unimplemented, "METHOD_NOT_ALLOWED"
			}
			for _, version := range []string{"v1", "v1alpha"} {
				got, err := listServices(t, env.Dial(t, addr, tt.caller), version)
				if status.Code(err) != tt.code || servertest.Reason(err) != tt.reason || (err == nil && len(got) == 0) {
					t.Errorf("%s: ListServices() of %s by %s = %v, %v %q, want %v %q", mode, version, tt.name,
						got, err, servertest.Reason(err), tt.code, tt.reason)
				}
			}
		}
		health := healthv1.NewHealthClient(env.Dial(t, addr, servertest.Caller{}))
		if _, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
			t.Errorf("%s: Check() by nobody = %v, want OK: health stays open", mode, err)
		}
	}
}

// listServices asks for the names of all services. The versions differ by name only.
func listServices(t *testing.T, conn *grpc.ClientConn, version string) (names []string, err error) {
	t.Helper()
	s, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		"/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
	if err != nil {
		return nil, err
	}
	list := &reflectionv1.ServerReflectionRequest_ListServices{}
	// A server that has refused already ends the sending, and says why to who receives.
	err = s.SendMsg(&reflectionv1.ServerReflectionRequest{MessageRequest: list})
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var got reflectionv1.ServerReflectionResponse
	err = s.RecvMsg(&got)
	for _, service := range got.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	return names, err
}

// unguarded registers a method that the contract does not know.
type unguarded struct{}

func (unguarded) Register(r grpc.ServiceRegistrar) {
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: "keyward.test.Unguarded",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Leak"}},
	}, struct{}{})
}

func (unguarded) Close() error { return nil }

func TestMethodWithoutAccessOptionStopsTheStart(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	_, err = server.New(env.Config(), observed, unguarded{})
	if err == nil || !strings.Contains(err.Error(), "/keyward.test.Unguarded/Leak") {
		t.Errorf("New() with a method without access option = %v, want an error that names it", err)
	}
}
