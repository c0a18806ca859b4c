package vaulttest

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/server/servertest"
)

// Canary is a value that must not appear anywhere.
const Canary = "Canary-sings-7f3a91!"

// Answers collects responses and errors.
type Answers struct {
	T    testing.TB
	text strings.Builder
}

// Add adds a response, or the error if there is one.
func (a *Answers) Add(m proto.Message, err error) {
	a.T.Helper()
	if err != nil {
		// The details contain more than the message does.
		m = status.Convert(err).Proto()
	}
	wire, err := proto.Marshal(m)
	if err != nil {
		a.T.Fatal(err)
	}
	a.text.Write(wire)
	a.text.WriteString(protojson.Format(m))
}

// MustHoldNoCanary searches the responses, the log, the metrics, and all files of a stopped vault.
func (k *Kit) MustHoldNoCanary(t testing.TB, a *Answers) {
	t.Helper()
	metrics := httptest.NewRecorder()
	promhttp.HandlerFor(k.Running.Telemetry.Metrics, promhttp.HandlerOpts{}).
		ServeHTTP(metrics, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	k.Running.Stop()
	servertest.MustNotHold(t, "an answer", a.text.String(), Canary)
	servertest.MustNotHold(t, "the log", k.Env.Log.String(), Canary)
	servertest.MustNotHold(t, "the metrics", metrics.Body.String(), Canary)
	err := filepath.Walk(filepath.Dir(k.Config.Store), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		servertest.MustNotHold(t, path, string(content), Canary)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
