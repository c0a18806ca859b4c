package gateway

import (
	"log/slog"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/keyward/keyward/pkg/fault"
)

// statusCanceled is nginx's code for a client that disconnected. No client reads it; it is for the
// logs of proxies.
const statusCanceled = 499

// callFailed writes the response of a failed call.
func (g *gateway) callFailed(w *response, err error) {
	st := status.Convert(err).Proto()
	if info := errorInfo(st); info != nil {
		writeStatus(w, httpStatus(codes.Code(st.GetCode()), fault.Reason(info.GetReason())), known(st))
		return
	}
	code := codes.Code(st.GetCode())
	if code == codes.Unavailable {
		// The operator needs the address, and this message contains nothing of the request. Messages of
		// other codes may.
		g.cfg.Logger.LogAttrs(w.request.Context(), slog.LevelWarn, "backend unavailable",
			slog.String("cause", st.GetMessage()),
			slog.String("request_id", w.id))
	}
	g.refuse(w, opaque(code))
}

// errorInfo returns the ErrorInfo that marks a status as one of Keyward's, or nil.
func errorInfo(st *statuspb.Status) *errdetails.ErrorInfo {
	for _, d := range st.GetDetails() {
		var info errdetails.ErrorInfo
		if d.MessageIs(&info) && d.UnmarshalTo(&info) == nil && info.GetDomain() == fault.Domain {
			return &info
		}
	}
	return nil
}

// known returns the status with only the details that the contract names.
func known(st *statuspb.Status) *statuspb.Status {
	contract := []proto.Message{
		(*errdetails.ErrorInfo)(nil), (*errdetails.BadRequest)(nil),
		(*errdetails.RetryInfo)(nil), (*errdetails.RequestInfo)(nil),
	}
	out := &statuspb.Status{Code: st.GetCode(), Message: st.GetMessage()}
	for _, d := range st.GetDetails() {
		if isAny(d, contract) {
			out.Details = append(out.Details, d)
		}
	}
	return out
}

func isAny(d *anypb.Any, kinds []proto.Message) bool {
	for _, kind := range kinds {
		if d.MessageIs(kind) {
			return true
		}
	}
	return false
}

// httpStatus maps the status of one of Keyward's services to HTTP.
func httpStatus(code codes.Code, reason fault.Reason) int {
	switch reason {
	case fault.MessageTooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	default:
		return runtime.HTTPStatusFromCode(code)
	}
}

// opaque returns the refusal for a status that does not come from one of Keyward's services, but
// from grpc-go on either side or a proxy in between. Its message repeats
// input or reveals the network, so only its code counts.
func opaque(code codes.Code) *refusal {
	switch code {
	case codes.Unavailable:
		return unavailable()
	case codes.DeadlineExceeded:
		return deadline(http.StatusGatewayTimeout)
	case codes.Canceled:
		return &refusal{http: statusCanceled, code: code, reason: fault.Cancelled, message: "the caller canceled the request; a change may or may not have been made"}
	case codes.ResourceExhausted:
		return &refusal{
			http: http.StatusRequestEntityTooLarge, code: code, reason: fault.MessageTooLarge,
			message: "the request or its response is larger than the limit",
		}
	case codes.InvalidArgument:
		return &refusal{
			http: http.StatusBadRequest, code: code, reason: fault.InvalidField,
			message: "the request has malformed fields",
		}
	default:
		return internal()
	}
}
