package gateway

import (
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyward/keyward/pkg/fault"
)

// A refusal is an error of the gateway itself. Like a fault it contains constant sentences and
// facts that the caller may know, and nothing of the request. It has a separate HTTP status where
// HTTP is more precise than gRPC.
type refusal struct {
	http       int
	code       codes.Code
	reason     fault.Reason
	message    string
	metadata   map[string]string
	violations []fault.Violation
	retryAfter time.Duration
	// allow is the Allow header of a 405 response.
	allow string
}

func invalid(field, description string) *refusal {
	return &refusal{
		http: http.StatusBadRequest, code: codes.InvalidArgument, reason: fault.InvalidField,
		message:    "the request has malformed fields",
		violations: []fault.Violation{{Field: field, Description: description}},
	}
}

func malformedJSON(position string) *refusal {
	r := &refusal{
		http: http.StatusBadRequest, code: codes.InvalidArgument, reason: fault.MalformedJSON,
		message: "the body is not valid JSON for this method",
	}
	if position != "" {
		r.metadata = map[string]string{"position": position}
	}
	return r
}

func unsupportedMedia(field, description string) *refusal {
	r := invalid(field, description)
	r.http = http.StatusUnsupportedMediaType
	return r
}

func tooLarge(httpStatus int, message, limit string, size int64) *refusal {
	return &refusal{
		http: httpStatus, code: codes.ResourceExhausted, reason: fault.MessageTooLarge,
		message: message, metadata: map[string]string{limit: strconv.FormatInt(size, 10)},
	}
}

func bodyTooLarge(limit int64) *refusal {
	return tooLarge(http.StatusRequestEntityTooLarge, "the request is larger than the limit", "limit_bytes", limit)
}

func routeNotFound() *refusal {
	return &refusal{
		http: http.StatusNotFound, code: codes.NotFound, reason: fault.RouteNotFound,
		message: "the route does not exist; check the method and the path",
	}
}

func foreignHost() *refusal {
	return &refusal{
		http: http.StatusMisdirectedRequest, code: codes.NotFound, reason: fault.RouteNotFound,
		message: "this server does not serve the host of the request",
	}
}

func methodNotAllowed(allow string) *refusal {
	return &refusal{
		http: http.StatusMethodNotAllowed, code: codes.Unimplemented, reason: fault.MethodNotAllowed,
		message: "the route does not support this HTTP method; see the Allow header", allow: allow,
	}
}

func unauthenticated(reason fault.Reason, message string) *refusal {
	return &refusal{http: http.StatusUnauthorized, code: codes.Unauthenticated, reason: reason, message: message}
}

// crowded is the refusal for an address whose share of the byte budget is used up.
func crowded(err error) *refusal {
	f, ok := fault.From(err)
	if !ok {
		return internal()
	}
	return &refusal{
		http: http.StatusTooManyRequests, code: codes.ResourceExhausted, reason: f.Reason,
		message: f.Message, metadata: f.Metadata, retryAfter: f.RetryAfter,
	}
}

func unavailable() *refusal {
	return &refusal{
		http: http.StatusServiceUnavailable, code: codes.Unavailable, reason: fault.Unreachable,
		message: "the service is unavailable; try again later", retryAfter: time.Second,
	}
}

func deadline(httpStatus int) *refusal {
	return &refusal{
		http: httpStatus, code: codes.DeadlineExceeded, reason: fault.Deadline,
		message: "the request exceeded its deadline; a change may or may not have been made",
	}
}

func internal() *refusal {
	return &refusal{
		http: http.StatusInternalServerError, code: codes.Internal, reason: fault.Internal,
		message: "internal error; see the server log for this request ID",
	}
}

// refuse sends a refusal and logs it. The log omits the path and the method, which are input of
// the client.
func (g *gateway) refuse(w *response, r *refusal) {
	level := slog.LevelInfo
	if r.http >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	g.cfg.Logger.LogAttrs(w.request.Context(), level, "request refused",
		slog.Int("status", r.http),
		slog.String("reason", string(r.reason)),
		slog.String("request_id", w.id),
	)
	if r.allow != "" {
		w.Header().Set("Allow", r.allow)
	}
	writeStatus(w, r.http, r.status(w.id))
}

func (r *refusal) status(requestID string) *statuspb.Status {
	details := []proto.Message{
		&errdetails.ErrorInfo{Reason: string(r.reason), Domain: fault.Domain, Metadata: r.metadata},
		&errdetails.RequestInfo{RequestId: requestID},
	}
	if len(r.violations) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range r.violations {
			bad.FieldViolations = append(bad.FieldViolations,
				&errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Description})
		}
		details = append(details, bad)
	}
	if r.retryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(r.retryAfter)})
	}
	st := &statuspb.Status{Code: int32(r.code), Message: r.message}
	for _, d := range details {
		packed, err := anypb.New(d)
		if err != nil {
			continue // constants always marshal, and details are optional
		}
		st.Details = append(st.Details, packed)
	}
	return st
}

// writeStatus sends an error with the headers that HTTP requires.
func writeStatus(w http.ResponseWriter, httpStatus int, st *statuspb.Status) {
	body, err := marshalStatus(st)
	if err != nil {
		httpStatus = http.StatusInternalServerError
		body = []byte(`{"code":13,"message":"internal error"}` + "\n")
	}
	h := w.Header()
	if httpStatus == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if wait := retryDelay(st); wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	writeJSON(w, httpStatus, body)
}

func retryDelay(st *statuspb.Status) time.Duration {
	var info errdetails.RetryInfo
	i := slices.IndexFunc(st.GetDetails(), func(d *anypb.Any) bool { return d.MessageIs(&info) })
	if i < 0 || st.GetDetails()[i].UnmarshalTo(&info) != nil {
		return 0
	}
	return info.GetRetryDelay().AsDuration()
}
