package server

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/telemetry"
)

// maxViolations is the maximum number of violations in a response. Errors are sent in headers,
// whose size clients and proxies limit.
const maxViolations = 32

// diskFullRetry is the time after which to try a change again that did not fit on the disk. Only
// operators can end that state, so a client should not hurry.
const diskFullRetry = 10 * time.Second

// errUnknownMethod is the error of a call to an unknown method.
var errUnknownMethod = errors.New("unknown method")

// An answer is an error response. The status is for the caller; the fields and the cause are for
// the log.
type answer struct {
	status *status.Status
	reason fault.Reason
	fields []string
	cause  error
}

// GRPCStatus returns the status that the gRPC library sends.
func (a *answer) GRPCStatus() *status.Status { return a.status }

func (a *answer) Error() string { return string(a.reason) }

func (a *answer) Unwrap() error { return a.cause }

// answerTo converts the error of a handler or of an earlier step to the response. An error that is
// neither a fault nor a known error of the store or the context becomes INTERNAL with the request
// ID and nothing else. That includes a status from a service that the handler called, because it
// is about another request.
func answerTo(ctx context.Context, err error) *answer {
	f, known := fault.From(err)
	if !known {
		f, known = translate(ctx, err)
	}
	code := codeOf(f.Kind)
	if errors.Is(err, errUnknownMethod) {
		f, known = fault.New(0, fault.MethodNotAllowed, "unknown method"), true
		code = codes.Unimplemented
	}
	a := &answer{reason: f.Reason, status: describe(status.New(code, f.Message), f, telemetry.RequestID(ctx))}
	for _, v := range f.Violations {
		a.fields = append(a.fields, withoutKeys(v.Field))
	}
	if a.cause = f.Unwrap(); !known {
		a.cause = err
	}
	return a
}

// withoutKeys returns the path of a field without map keys. Callers choose these keys, and a
// secret that was pasted into the wrong place must not reach the log. Everything from the first
// key to the end of the last one is removed, because a key could contain any delimiter.
func withoutKeys(path string) string {
	before, rest, keyed := strings.Cut(path, `["`)
	if !keyed {
		return path
	}
	if end := strings.LastIndex(rest, `"]`); end >= 0 {
		return before + "[]" + rest[end+2:]
	}
	return before + "[]"
}

// answerOf returns the error response of health and reflection, which belong to the library and
// return status codes. The code remains; the text is replaced, because it could quote the request.
func answerOf(ctx context.Context, err error) *answer {
	st, ok := status.FromError(err)
	if _, ours := fault.From(err); ours || !ok {
		return answerTo(ctx, err)
	}
	return &answer{status: status.New(st.Code(), "the request was not served")}
}

// translate returns the fault for another error, and whether the caller should understand it.
func translate(ctx context.Context, err error) (f *fault.Error, known bool) {
	switch {
	case errors.Is(err, kv.ErrOverloaded):
		return fault.New(fault.ResourceExhausted, fault.Overloaded, "too many changes wait to be written; try again").
			Retry(time.Second), true
	case errors.Is(err, kv.ErrFull):
		return fault.New(fault.ResourceExhausted, fault.DiskFull,
			"the disk is full, so nothing can be changed until its operators free space; try again later").
			Retry(diskFullRetry).Because(err), true
	case errors.Is(err, kv.ErrClosed):
		return fault.New(fault.Unavailable, fault.Unreachable, "the server is stopping; try again").
			Retry(time.Second), true
	case errors.Is(err, context.DeadlineExceeded), late(ctx, err, codes.DeadlineExceeded):
		return fault.New(fault.DeadlineExceeded, fault.Deadline,
			"the request took longer than its deadline; a change may or may not have been made"), true
	case errors.Is(err, context.Canceled), late(ctx, err, codes.Canceled):
		return fault.New(fault.Canceled, fault.Cancelled,
			"the caller canceled the request; a change may or may not have been made"), true
	}
	return fault.New(0, fault.Internal, "internal error; see the server log for this request ID"), false
}

// late reports whether err is the status of a called service after the request's own deadline has
// passed.
func late(ctx context.Context, err error, code codes.Code) bool {
	return ctx.Err() != nil && status.Code(err) == code
}

// unread returns the fault for a request that did not arrive in time.
func unread(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.New(fault.Canceled, fault.Cancelled, "the request did not arrive").Because(err)
}

// starting returns the response of a server whose service is not open yet.
func starting() error {
	f := fault.New(fault.Unavailable, fault.Unreachable, "the server is starting; try again").Retry(time.Second)
	return describe(status.New(codes.Unavailable, f.Message), f, telemetry.NewRequestID(time.Now())).Err()
}

func codeOf(kind fault.Kind) codes.Code {
	switch kind {
	case fault.InvalidArgument:
		return codes.InvalidArgument
	case fault.Unauthenticated:
		return codes.Unauthenticated
	case fault.PermissionDenied:
		return codes.PermissionDenied
	case fault.NotFound:
		return codes.NotFound
	case fault.AlreadyExists:
		return codes.AlreadyExists
	case fault.Aborted:
		return codes.Aborted
	case fault.OutOfRange:
		return codes.OutOfRange
	case fault.FailedPrecondition:
		return codes.FailedPrecondition
	case fault.ResourceExhausted:
		return codes.ResourceExhausted
	case fault.Unavailable:
		return codes.Unavailable
	case fault.DeadlineExceeded:
		return codes.DeadlineExceeded
	case fault.Canceled:
		return codes.Canceled
	default:
		return codes.Internal
	}
}

// describe adds the error details that the contract promises.
func describe(st *status.Status, f *fault.Error, requestID string) *status.Status {
	details := []protoadapt.MessageV1{
		&errdetails.ErrorInfo{Reason: string(f.Reason), Domain: fault.Domain, Metadata: f.Metadata},
		&errdetails.RequestInfo{RequestId: requestID},
	}
	if len(f.Violations) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range f.Violations[:min(len(f.Violations), maxViolations)] {
			bad.FieldViolations = append(bad.FieldViolations,
				&errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Description})
		}
		details = append(details, bad)
	}
	if f.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(f.RetryAfter)})
	}
	full, err := st.WithDetails(details...)
	if err != nil {
		return st // only text that is not UTF-8 does not encode, and faults hold none
	}
	return full
}

// A panicError is a panic in a form that may be logged. The value of a panic could contain
// anything, so only its type is kept, and the text of runtime errors. Of the stack, functions and
// lines are kept; see [telemetry.Stack].
type panicError struct {
	what  string
	stack []string
}

func (p *panicError) Error() string { return "panic: " + p.what }

// panicked describes a panic that a deferred function recovered.
func panicked(value any) error {
	p := &panicError{stack: telemetry.Stack(2)}
	var elsewhere *kv.PanicError
	if err, ok := value.(error); ok && errors.As(err, &elsewhere) {
		// It was raised in a goroutine of the store and raised again in the waiting caller.
		value, p.stack = elsewhere.Value, append(telemetry.Frames(elsewhere.Stack), p.stack...)
	}
	p.what = fmt.Sprintf("value of type %T", value)
	var crash runtime.Error
	if err, ok := value.(error); ok && errors.As(err, &crash) {
		p.what = crash.Error()
	}
	return p
}
