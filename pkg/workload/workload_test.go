package workload_test

import (
	"context"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/workload"
)

const id = "spiffe://keyward.test/w"

func authority(t *testing.T) *authtest.Authority {
	t.Helper()
	a, err := authtest.New()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// follow opens a source and runs it until the test ends. The channel gets each identity.
func follow(t *testing.T, api *servertest.WorkloadAPI) (*workload.Source, <-chan *workload.Identity, *servertest.Log, *prometheus.Registry) {
	t.Helper()
	metrics := prometheus.NewRegistry()
	log, seen := new(servertest.Log), make(chan *workload.Identity, 100)
	s, err := workload.New(t.Context(), workload.Options{
		Name: "test", Address: api.Address, Log: telemetry.NewLogger(log, 0, "test"), Metrics: metrics, Changed: func(id *workload.Identity) { seen <- id },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return s, seen, log, metrics
}

// await waits until the source shows the certificate.
func await(t *testing.T, seen <-chan *workload.Identity, want *x509.Certificate) *workload.Identity {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case got := <-seen:
			if got.Certificate.Leaf.Equal(want) {
				return got
			}
		case <-deadline:
			t.Fatal("the source does not show the certificate")
		}
	}
}

func TestRotationIsFollowed(t *testing.T) {
	t.Parallel()
	api, a, b := servertest.ServeWorkloadAPI(t), authority(t), authority(t)
	first := api.Give(t, a, id, nil)
	s, seen, _, _ := follow(t, api)
	got := await(t, seen, first)
	if got.ID.String() != id || len(got.Bundles) != 1 {
		t.Errorf("the identity is %v with %d bundles", got.ID, len(got.Bundles))
	}
	second := api.Give(t, b, id, map[string]*authtest.Authority{"partner.test": a})
	got = await(t, seen, second)
	if !got.Bundles.Pool(spiffeid.RequireTrustDomainFromString("keyward.test")).Equal(b.Pool()) ||
		!got.Bundles.Pool(spiffeid.RequireTrustDomainFromString("partner.test")).Equal(a.Pool()) || len(got.Bundles) != 2 {
		t.Errorf("the bundles are %v", got.Bundles)
	}
	third := api.Give(t, a, id, nil)
	await(t, seen, third)
	fourth := api.Give(t, a, id, nil)
	await(t, seen, fourth) // so the update before is complete
	if now := s.Current(); !now.Certificate.Leaf.Equal(third) && !now.Certificate.Leaf.Equal(fourth) || len(now.Bundles) != 1 {
		t.Error("Current is not one of the last identities, or keeps a bundle that was withdrawn")
	}
}

func TestIdentityOutlivesTheAPI(t *testing.T) {
	t.Parallel()
	api, a := servertest.ServeWorkloadAPI(t), authority(t)
	first := api.Give(t, a, id, nil)
	s, seen, heard, metrics := follow(t, api)
	await(t, seen, first)
	api.Stop()
	deadline, tick := time.After(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(heard.String(), "does not renew") {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the log does not tell of the API's end:\n%s", heard)
		}
	}
	if !s.Current().Certificate.Leaf.Equal(first) {
		t.Error("the identity is gone with the API")
	}
	failing(t, metrics, 1)
	second := api.Give(t, a, id, nil)
	api.Start(t)
	await(t, seen, second)
	third := api.Give(t, a, id, nil)
	await(t, seen, third) // so the update before is done with
	failing(t, metrics, 0)
}

// failing wants a value of the gauge.
func failing(t *testing.T, metrics *prometheus.Registry, want float64) {
	t.Helper()
	all, err := metrics.Gather()
	if err != nil || len(all) != 1 || all[0].GetName() != "keyward_reload_failed" {
		t.Fatalf("Gather = %v, %v", all, err)
	}
	if got := all[0].GetMetric()[0].GetGauge().GetValue(); got != want {
		t.Errorf("keyward_reload_failed is %v, want %v", got, want)
	}
}

func TestAnotherIDIsRefused(t *testing.T) {
	t.Parallel()
	api, a := servertest.ServeWorkloadAPI(t), authority(t)
	first := api.Give(t, a, id, nil)
	s, seen, heard, _ := follow(t, api)
	await(t, seen, first)
	other := api.Give(t, a, "spiffe://keyward.test/other", nil)
	third := api.Give(t, a, id, nil)
	await(t, seen, third) // updates come in order, but one may be skipped
	if s.Current().Certificate.Leaf.Equal(other) || s.Current().ID.String() != id {
		t.Errorf("the identity is %v", s.Current().ID)
	}
	if strings.Contains(heard.String(), "PRIVATE") {
		t.Error("the log holds a key")
	}
}

func TestSourceWaitsForTheFirstIdentity(t *testing.T) {
	t.Parallel()
	api, a := servertest.ServeWorkloadAPI(t), authority(t)
	log := new(servertest.Log)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	options := workload.Options{Name: "test", Address: api.Address, Log: telemetry.NewLogger(log, 0, "test"), Metrics: prometheus.NewRegistry()}
	if _, err := workload.New(ctx, options); err == nil {
		t.Error("New without an identity = nil, want an error")
	}
	api.Give(t, a, id, nil)
	options.Metrics = prometheus.NewRegistry()
	s, err := workload.New(t.Context(), options)
	if err != nil || s.Current().ID.String() != id {
		t.Errorf("New = %v, %v", s, err)
	}
	options.Address, options.Metrics = "unix:///nonexistent/socket", prometheus.NewRegistry()
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := workload.New(ctx, options); err == nil {
		t.Error("New without an API = nil, want an error")
	}
}

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"unix:///run/spire/agent.sock": true, "unix:/run/spire/agent.sock": true,
		"": false, "/run/spire/agent.sock": false, "unix:agent.sock": false, "unix://agent.sock": false, "unix:///": false,
		"tcp://127.0.0.1:8081": false, "https://host/": false, "unix:///run/a?x=y": false, "unix://user@/run/a": false, "%": false,
	} {
		if err := workload.CheckAddress(address); (err == nil) != want {
			t.Errorf("CheckAddress(%q) = %v, want it accepted: %v", address, err, want)
		}
	}
}
