package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/telemetry"
)

// nameOf returns the name under which a method is logged and counted.
func (s *Server) nameOf(full string) methodName {
	if name, ok := s.methods[full]; ok {
		return name
	}
	return unknownMethod
}

// A call carries data about a request from inner steps to outer ones.
type call struct {
	principal auth.Principal
}

type callKey struct{}

// observed counts the request and writes its line to the log.
func (s *Server) observed(ctx context.Context, method string, next func(context.Context) error) error {
	begin, name, c := time.Now(), s.nameOf(method), &call{}
	done := s.steps.requests.Begin(name.service, name.method)
	err := next(context.WithValue(ctx, callKey{}, c))
	took := time.Since(begin)
	done(status.Code(err).String(), took)

	var a *answer
	if err != nil && !errors.As(err, &a) {
		a = answerTo(ctx, err) // a step between here and there must answer, too
		err = a
	}
	if a != nil && a.reason == fault.RateLimited {
		s.steps.requests.Limited()
	}
	s.logAnswer(ctx, name, c, a, took)
	return err
}

// logAnswer writes the log line of a request. The line contains nothing from the request except
// its ID and the caller: no name, and no content of a field.
func (s *Server) logAnswer(ctx context.Context, name methodName, c *call, a *answer, took time.Duration) {
	level := s.levelOf(name, a)
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", telemetry.RequestID(ctx)),
		slog.String("rpc", name.service+"/"+name.method),
		slog.String("code", codeName(a)),
		slog.Float64("ms", float64(took.Microseconds())/1000),
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		attrs = append(attrs, slog.String("peer", p.Addr.String()))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()))
	}
	if c.principal.Subject != "" {
		attrs = append(attrs,
			slog.String("subject", c.principal.Subject),
			slog.String("authentication", c.principal.Authentication),
			slog.String("address", c.principal.Address))
	}
	s.log.LogAttrs(ctx, level, "request", append(attrs, failure(a)...)...)
}

func codeName(a *answer) string {
	if a == nil {
		return codes.OK.String()
	}
	return a.status.Code().String()
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
func (s *Server) levelOf(name methodName, a *answer) slog.Level {
	switch codeOfAnswer(a) {
	case codes.Internal:
		return slog.LevelError
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded:
		return slog.LevelWarn
	case codes.OK:
		if !s.contract[name.service] && name != unknownMethod {
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
