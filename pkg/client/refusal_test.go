package client_test

import (
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

const requestIDOfRefusals = "a-request-id"

// refuse returns a refusal as a server of Keyward sends it.
func refuse(code codes.Code, reason, message string, more ...protoadapt.MessageV1) error {
	details := []protoadapt.MessageV1{
		&errdetails.ErrorInfo{Domain: "keyward.dev", Reason: reason},
		&errdetails.RequestInfo{RequestId: requestIDOfRefusals},
	}
	st, err := status.New(code, message).WithDetails(append(details, more...)...)
	if err != nil {
		return err
	}
	return st.Err()
}

func after(wait time.Duration) protoadapt.MessageV1 {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)}
}

func violation(field, description string) protoadapt.MessageV1 {
	return &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description}}}
}
