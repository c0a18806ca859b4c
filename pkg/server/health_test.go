package server_test

import (
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/keyward/keyward/pkg/server/servertest"
)

// checking is a fake that checks its data.
type checking struct {
	*fake
	tampered chan struct{}
}

func (c checking) Tampered() <-chan struct{} { return c.tampered }

func TestAServiceWithChangedDataIsNotServing(t *testing.T) {
	t.Parallel()
	const name = "keyward.vault.v1.VaultService"
	for _, when := range []string{"before the start", "later"} {
		svc := checking{&fake{}, make(chan struct{})}
		if when == "before the start" {
			close(svc.tampered)
		}
		env := servertest.New(t)
		client := healthv1.NewHealthClient(env.Dial(t, env.Serve(t, svc), servertest.Caller{}))
		status := func(service string) healthv1.HealthCheckResponse_ServingStatus {
			got, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
			if err != nil {
				t.Fatal(err)
			}
			return got.GetStatus()
		}
		if when == "later" {
			if status(name) != healthv1.HealthCheckResponse_SERVING {
				t.Error("the service is not serving before anything was found")
			}
			close(svc.tampered)
			eventually(t, "the service is not serving", func() bool {
				return status(name) == healthv1.HealthCheckResponse_NOT_SERVING && status("") == healthv1.HealthCheckResponse_NOT_SERVING
			})
		}
		for service, want := range map[string]healthv1.HealthCheckResponse_ServingStatus{
			name: healthv1.HealthCheckResponse_NOT_SERVING, "": healthv1.HealthCheckResponse_NOT_SERVING,
			"keyward.access.v1.AccessService": healthv1.HealthCheckResponse_SERVING,
		} {
			if got := status(service); got != want {
				t.Errorf("data that was changed %s: the health of %q is %v, want %v", when, service, got, want)
			}
		}
	}
}
