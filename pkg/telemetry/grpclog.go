package telemetry

import (
	"io"

	"google.golang.org/grpc/grpclog"
)

// SilenceGRPC turns off the log of the gRPC library, which writes text to standard error and may
// quote data of a peer. The server logs each request. Call it before anything that uses gRPC.
func SilenceGRPC() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
}
