package telemetry_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/keyward/keyward/pkg/telemetry"
)

// The one line that each request has.
func BenchmarkLineOfARequest(b *testing.B) {
	logger := telemetry.NewLogger(io.Discard, slog.LevelInfo, "vault")
	b.ReportAllocs()
	for b.Loop() {
		logger.LogAttrs(b.Context(), slog.LevelInfo, "request",
			slog.String("request_id", "0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f"),
			slog.String("rpc", "keyward.vault.v1.VaultService/GetSecret"),
			slog.String("code", "OK"),
			slog.Float64("ms", 0.25),
			slog.String("peer", "192.0.2.1:4711"),
			slog.String("subject", "https://issuer.example ann"),
			slog.String("authentication", "oidc"),
			slog.String("address", "192.0.2.1:4711"))
	}
}
