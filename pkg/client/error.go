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

// A CodeError is a class of failures. [errors.Is] reports whether an error belongs to a class.
type CodeError codes.Code

// The classes of failures.
const (
	// ErrInvalid means that the request is malformed; [Error.Violations] names the fields.
	ErrInvalid = CodeError(codes.InvalidArgument)
	// ErrUnauthenticated means that the credentials are missing or invalid.
	ErrUnauthenticated = CodeError(codes.Unauthenticated)
	// ErrDenied means that the caller lacks permission, or that the resource does not exist.
	ErrDenied = CodeError(codes.PermissionDenied)
	// ErrNotFound means that the resource does not exist.
	ErrNotFound = CodeError(codes.NotFound)
	// ErrExists means that the name is taken.
	ErrExists = CodeError(codes.AlreadyExists)
	// ErrConflict means that the resource has been changed concurrently.
	ErrConflict = CodeError(codes.Aborted)
	// ErrPrecondition means that the state of the resource does not allow the call.
	ErrPrecondition = CodeError(codes.FailedPrecondition)
	// ErrOutOfRange means that a watch cannot resume at the position.
	ErrOutOfRange = CodeError(codes.OutOfRange)
	// ErrLimited means that the caller exceeds a limit, or, with the reason DISK_FULL, that the disk of the
	// server is full. The client does not retry DISK_FULL, because operators have to act.
	ErrLimited = CodeError(codes.ResourceExhausted)
	// ErrUnavailable means that the server, or another server that it needs, is unavailable.
	ErrUnavailable = CodeError(codes.Unavailable)
)

// Error returns the name of the class.
func (c CodeError) Error() string { return codes.Code(c).String() }

// A Violation is a field that breaks a rule.
type Violation struct {
	// Field is the path in the request, such as `secret.description`.
	Field string
	// Description states the rule.
	Description string
}

// An Error is a call that failed.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Reason is a reason of errors.proto, without `ERROR_REASON_`. It is empty if the error does not
	// come from a server of Keyward.
	Reason string
	// Message is for people and may change.
	Message string
	// Metadata is the metadata of the reason, which errors.proto documents.
	Metadata map[string]string
	// Violations are the malformed fields.
	Violations []Violation
	// RetryAfter, if not zero, is the time to wait before a retry.
	RetryAfter time.Duration
	// RequestID identifies the call in the server's log.
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

// GRPCStatus returns the original status, for code that uses gRPC's errors.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// Is reports whether target is the error's class, or the context error that ended the call.
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

// Describe returns the [*Error] in err's chain, or an [*Error] for the gRPC status in it. It
// returns nil for nil, and err itself if the chain contains neither.
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

// Reason returns the reason of an error, without `ERROR_REASON_`, or an empty string if it has no
// reason.
func Reason(err error) string {
	if e := (*Error)(nil); errors.As(Describe(err), &e) {
		return e.Reason
	}
	return ""
}

// HasReason reports whether an error has the reason: a value of the ErrorReason of the vault, of
// the allowlist, or of both (package commonv1).
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
