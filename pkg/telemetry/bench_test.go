package telemetry_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/telemetry"
)

// The one line that each request has.
func BenchmarkLineOfARequest(b *testing.B) {
	observed, err := telemetry.New(b.Context(), telemetry.Config{}, "vault", discard{})
	if err != nil {
		b.Fatal(err)
	}
	line := telemetry.Request{
		ID: "0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f", RPC: "keyward.vault.v1.VaultService/GetSecret", Code: "OK",
		Took: 250 * time.Microsecond, Peer: "192.0.2.1:4711", Subject: "https://issuer.example#ann",
		Authentication: "oidc", Address: "192.0.2.1:4711",
	}
	b.ReportAllocs()
	for b.Loop() {
		observed.LogRequest(b.Context(), slog.LevelInfo, &line)
	}
}
