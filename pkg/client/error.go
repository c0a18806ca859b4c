package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// domain is the domain of the reasons in all errors of Keyward.
const domain = "keyward.dev"

// A CodeError stands for all failures of one class. [errors.Is] tells whether an error
// is of a class.
type CodeError codes.Code

// The classes.
const (
	// ErrInvalid is a request that is malformed; [Error.Violations] names the fields.
	ErrInvalid = CodeError(codes.InvalidArgument)
	// ErrUnauthenticated is a call without credentials, or with bad ones.
	ErrUnauthenticated = CodeError(codes.Unauthenticated)
	// ErrDenied is something that the caller may not do, or that does not exist.
	ErrDenied = CodeError(codes.PermissionDenied)
	// ErrNotFound is something that does not exist.
	ErrNotFound = CodeError(codes.NotFound)
	// ErrExists is a name that is taken.
	ErrExists = CodeError(codes.AlreadyExists)
	// ErrConflict is a change of something that others have changed meanwhile.
	ErrConflict = CodeError(codes.Aborted)
	// ErrPrecondition is something that cannot be done as things are now.
	ErrPrecondition = CodeError(codes.FailedPrecondition)
	// ErrOutOfRange is a position that a watch cannot resume at.
	ErrOutOfRange = CodeError(codes.OutOfRange)
	// ErrLimited is a caller that asks for too much.
	ErrLimited = CodeError(codes.ResourceExhausted)
	// ErrUnavailable is a server that is away, or lacks another.
	ErrUnavailable = CodeError(codes.Unavailable)
)

// Error names the class.
func (c CodeError) Error() string { return codes.Code(c).String() }

// A Violation is one field that is wrong, and how.
type Violation struct {
	// Field is the path in the request, such as `secret.description`.
	Field string
	// Description says what the field must be.
	Description string
}

// An Error is a call that failed.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Reason is one of errors.proto, without `ERROR_REASON_`. It is empty if it was
	// not a server of Keyward that answered.
	Reason string
	// Message is for people and may change.
	Message string
	// Metadata is what errors.proto says of the reason.
	Metadata map[string]string
	// Violations are the malformed fields.
	Violations []Violation
	// RetryAfter, if not zero, is how long to wait before trying again.
	RetryAfter time.Duration
	// RequestID is what the server's log knows the call by.
	RequestID string

	status *status.Status
}

// Error describes the error in one line.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Code.String())
	if e.Reason != "" {
		text.WriteString(" " + e.Reason)
	}
	text.WriteString(": " + e.Message)
	for _, v := range e.Violations {
		text.WriteString("; " + v.Field + ": " + v.Description)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&text, " (request %s)", e.RequestID)
	}
	return text.String()
}

// GRPCStatus returns the status as it came, for code that knows gRPC's errors.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// Is reports whether target is the error's class, or the context's error that made
// the call end.
func (e *Error) Is(target error) bool {
	var class CodeError
	switch {
	case errors.As(target, &class):
		return codes.Code(class) == e.Code
	case target == context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	case target == context.Canceled:
		return e.Code == codes.Canceled
	}
	return false
}

// Describe returns the [*Error] in err's chain, or the one that a gRPC status in it
// says. It returns nil for nil, and err itself if there is neither.
func Describe(err error) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	e := &Error{Code: st.Code(), Message: st.Message(), status: st}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == domain {
				e.Reason, e.Metadata = d.GetReason(), d.GetMetadata()
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Violations = append(e.Violations, Violation{Field: v.GetField(), Description: v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		case *errdetails.RequestInfo:
			e.RequestID = d.GetRequestId()
		}
	}
	return e
}

// Reason returns the reason of an error, without `ERROR_REASON_`, or nothing if it has
// none.
func Reason(err error) string {
	if e := (*Error)(nil); errors.As(Describe(err), &e) {
		return e.Reason
	}
	return ""
}

// HasReason reports whether an error has the reason, which is a value of the
// ErrorReason of the vault, the allowlist, or of both (package commonv1).
func HasReason(err error, reason protoreflect.Enum) bool {
	value := reason.Descriptor().Values().ByNumber(reason.Number())
	return value != nil && Reason(err) == strings.TrimPrefix(string(value.Name()), "ERROR_REASON_")
}

// describeUnary turns the errors of calls into typed ones.
func describeUnary(ctx context.Context, method string, req, res any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return Describe(invoke(ctx, method, req, res, conn, opts...))
}

// describeStream turns the errors of streams into typed ones.
func describeStream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, conn, method, opts...)
	if err != nil {
		return nil, Describe(err)
	}
	return described{stream}, nil
}

// described is a stream with typed errors.
type described struct{ grpc.ClientStream }

// RecvMsg receives a message, or [io.EOF] at the end.
func (d described) RecvMsg(m any) error {
	err := d.ClientStream.RecvMsg(m)
	if errors.Is(err, io.EOF) {
		return err
	}
	return Describe(err)
}
