package server

import (
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/telemetry"
)

// observe counts the request and writes its line to the log.
func (r *request) observe(a *answer) {
	now := time.Now()
	r.method.requests.End(codeOfAnswer(a), now.Sub(r.begin))
	if a != nil && a.reason == fault.RateLimited {
		r.server.steps.requests.Limited()
	}
	r.log(a, now)
}

// log writes the log line of a request that ends now.
func (r *request) log(a *answer, now time.Time) {
	line := telemetry.Request{
		ID: r.id, RPC: r.method.rpc, Code: codeOfAnswer(a).String(), Time: now, Took: now.Sub(r.begin), Peer: auth.Peer(r),
		Subject: r.caller.Subject, Authentication: r.caller.Authentication, Address: r.caller.Address,
		Failure: failure(a),
	}
	if r.server.telemetry.Traced {
		if span := trace.SpanContextFromContext(r); span.IsValid() {
			line.TraceID = span.TraceID().String()
		}
	}
	r.server.telemetry.LogRequest(r, r.method.levelOf(a), &line)
}

// failure describes an error for the log.
func failure(a *answer) []slog.Attr {
	if a == nil {
		return nil
	}
	attrs := []slog.Attr{slog.String("reason", string(a.reason))}
	if len(a.fields) > 0 {
		attrs = append(attrs, slog.Any("fields", a.fields))
	}
	if a.cause != nil {
		attrs = append(attrs, slog.String("cause", a.cause.Error()))
	}
	var p *panicError
	if errors.As(a.cause, &p) {
		attrs = append(attrs, slog.Any("stack", p.stack))
	}
	return attrs
}

// levelOf returns the log level of a response. Mistakes of callers are logged as information,
// conditions that affect all callers as warnings, and unexpected conditions as errors. Health
// checks and reflection are frequent and logged at debug level.
func (m *method) levelOf(a *answer) slog.Level {
	switch codeOfAnswer(a) {
	case codes.Internal:
		return slog.LevelError
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded:
		return slog.LevelWarn
	case codes.OK:
		if m.open {
			return slog.LevelDebug
		}
	}
	return slog.LevelInfo
}

func codeOfAnswer(a *answer) codes.Code {
	if a == nil {
		return codes.OK
	}
	return a.status.Code()
}
