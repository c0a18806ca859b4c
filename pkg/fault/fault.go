// Package fault defines the errors that are meant for the caller.
//
// An [*Error] has a kind of failure, a machine-readable reason, a sentence for people, and
// optionally metadata, field violations, and a time to wait. The code that detects a failure
// builds the error. Package server maps it to a gRPC status, in one place. An error that is not a
// fault is opaque: the caller gets INTERNAL and a request ID, and the server's log gets the rest.
//
// No fault repeats input. A message is a constant sentence. Dynamic parts go into the metadata,
// and only facts that the caller may know go there. A secret that was pasted into the wrong field
// therefore never appears in an error, a log, or a trace.
package fault

import (
	"errors"
	"maps"
	"time"
)

// A Kind is a class of failures. Each maps to one gRPC status code.
type Kind int

// The kinds, named after the gRPC status codes they become.
const (
	InvalidArgument Kind = iota + 1
	Unauthenticated
	PermissionDenied
	NotFound
	AlreadyExists
	Aborted
	OutOfRange
	FailedPrecondition
	ResourceExhausted
	Unavailable
	DeadlineExceeded
	Canceled
)

// Domain is the domain of the reasons in all errors of all services.
const Domain = "keyward.dev"

// A Reason is the name of a value of common.v1.ErrorReason or of a service's own ErrorReason,
// without the prefix ERROR_REASON_. Reasons are part of the contract and never change.
type Reason string

// The reasons of common.v1.ErrorReason that the common packages use.
const (
	InvalidField       Reason = "INVALID_FIELD"
	InvalidPageToken   Reason = "INVALID_PAGE_TOKEN"
	RequestIDReused    Reason = "REQUEST_ID_REUSED"
	CredentialsMissing Reason = "CREDENTIALS_MISSING"
	CredentialsInvalid Reason = "CREDENTIALS_INVALID"
	Denied             Reason = "PERMISSION_DENIED"
	EtagMismatch       Reason = "ETAG_MISMATCH"
	Contention         Reason = "CONTENTION"
	MessageTooLarge    Reason = "MESSAGE_TOO_LARGE"
	Overloaded         Reason = "OVERLOADED"
	RateLimited        Reason = "RATE_LIMITED"
	DiskFull           Reason = "DISK_FULL"
	Deadline           Reason = "DEADLINE"
	Cancelled          Reason = "CANCELLED"
	Unreachable        Reason = "UNAVAILABLE"
	Internal           Reason = "INTERNAL"
	RouteNotFound      Reason = "ROUTE_NOT_FOUND"
	MethodNotAllowed   Reason = "METHOD_NOT_ALLOWED"
	MalformedJSON      Reason = "MALFORMED_JSON"
)

// A Violation is a field that breaks a rule.
type Violation struct {
	// Field is the path in the request, such as `secret.description`.
	Field string
	// Description states the rule, such as "must be an RFC 3339 time". It does not repeat the input.
	Description string
}

// An Error is a failure that the caller should understand.
type Error struct {
	Kind       Kind
	Reason     Reason
	Message    string
	Metadata   map[string]string
	Violations []Violation
	// RetryAfter is the time to wait before a retry, if not zero.
	RetryAfter time.Duration

	cause error
}

// New returns an error of the given kind and reason. The message is a constant
// sentence without capital and period.
func New(kind Kind, reason Reason, message string) *Error {
	return &Error{Kind: kind, Reason: reason, Message: message}
}

// Field returns the error for one malformed field. The description states the rule that the field
// must follow, and does not repeat its value.
func Field(field, description string) *Error {
	return Fields(Violation{Field: field, Description: description})
}

// Fields returns the error for malformed fields.
func Fields(violations ...Violation) *Error {
	return &Error{
		Kind:       InvalidArgument,
		Reason:     InvalidField,
		Message:    "the request has malformed fields",
		Violations: violations,
	}
}

// The owners of quotas that have no resource name.
const (
	QuotaCaller    = "caller"
	QuotaWorkspace = "workspace"
	QuotaAddress   = "address"
)

// Exhausted returns the error for a quota that is used up. The quota is one of the constants or
// the resource name of its owner. The message names the exceeded limit. The error adds when to
// retry.
func Exhausted(quota, message string, wait time.Duration) *Error {
	e := New(ResourceExhausted, RateLimited, message+"; try again in "+words(wait)).Retry(wait)
	if quota == "" {
		return e
	}
	return e.With("quota", quota)
}

// words returns a waiting time as text, rounded up.
func words(wait time.Duration) string {
	if wait < time.Second {
		return "a second"
	}
	return (wait + time.Second - 1).Truncate(time.Second).String()
}

// With returns a copy with an additional metadata entry.
func (e *Error) With(key, value string) *Error {
	c := *e
	c.Metadata = maps.Clone(e.Metadata)
	if c.Metadata == nil {
		c.Metadata = make(map[string]string, 1)
	}
	c.Metadata[key] = value
	return &c
}

// At returns a copy with an additional field violation.
func (e *Error) At(field, description string) *Error {
	c := *e
	c.Violations = append(append([]Violation(nil), e.Violations...), Violation{Field: field, Description: description})
	return &c
}

// Retry returns a copy that asks the caller to wait before it tries again.
func (e *Error) Retry(after time.Duration) *Error {
	c := *e
	c.RetryAfter = after
	return &c
}

// Because returns a copy with a cause. The cause is for the log and for errors.Is. It never
// reaches the caller.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Error describes the error for the log: reason, message, fields and cause.
func (e *Error) Error() string {
	text := string(e.Reason) + ": " + e.Message
	for _, v := range e.Violations {
		text += "; " + v.Field + ": " + v.Description
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// From returns the fault in err's chain, if there is one.
func From(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Is reports whether err's chain holds a fault with this reason.
func Is(err error, reason Reason) bool {
	e, ok := From(err)
	return ok && e.Reason == reason
}
