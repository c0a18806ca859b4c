package telemetry

import (
	"io"

	"google.golang.org/grpc/grpclog"
)

// SilenceGRPC switches off the log of the gRPC library itself, which writes text
// to standard error and may quote what a peer sent. The server logs each request.
// A program calls it first of all: it must not run beside anything that uses gRPC.
func SilenceGRPC() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
}
