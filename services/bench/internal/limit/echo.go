package limit

import (
	"context"
	"encoding/binary"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The methods of the service of echo and floor. Requests and responses are
// google.protobuf.BytesValue.
const (
	serviceName = "keyward.bench.Limit"
	// EchoMethod returns as many bytes as the request asks for.
	EchoMethod = "/" + serviceName + "/Echo"
	// CreateMethod and UpdateMethod store a secret before they do the same.
	CreateMethod = "/" + serviceName + "/Create"
	UpdateMethod = "/" + serviceName + "/Update"
)

// maxOverhead is the size of the field around the bytes of a message, at most.
const maxOverhead = 1 + binary.MaxVarintLen32

// headSize is the number of bytes of a request that tell the size of the response.
const headSize = 4

// Request returns an encoded request of a size that asks for a response of a size, both within a
// few bytes.
func Request(size, response int) []byte {
	payload := make([]byte, max(fit(size), headSize))
	binary.BigEndian.PutUint32(payload, uint32(fit(response)))
	text, _ := proto.Marshal(wrapperspb.Bytes(payload)) // cannot fail
	return text
}

// fit returns the number of bytes in a message of a size.
func fit(size int) int {
	payload := max(size-maxOverhead, 0)
	for payload < size && protowire.SizeTag(1)+protowire.SizeBytes(payload+1) <= size {
		payload++
	}
	return payload
}

// zeros are the bytes of all responses. The largest message is smaller.
var zeros [1 << 20]byte

var errRequest = errors.New("the request does not tell the size of the response")

// respond returns the response that the request asks for.
func respond(req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	if len(req.GetValue()) < headSize {
		return nil, errRequest
	}
	size := binary.BigEndian.Uint32(req.GetValue())
	return wrapperspb.Bytes(zeros[:min(int(size), len(zeros))]), nil
}

// A method of a limit serves a request.
type method func(context.Context, *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error)

func echo(_ context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	return respond(req)
}

// registerMethods registers methods by their names, without generated code.
func registerMethods(r grpc.ServiceRegistrar, methods map[string]method) {
	desc := &grpc.ServiceDesc{ServiceName: serviceName, HandlerType: (*any)(nil)}
	for full, serve := range methods {
		desc.Methods = append(desc.Methods, grpc.MethodDesc{
			MethodName: full[len(serviceName)+2:],
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				req := new(wrapperspb.BytesValue)
				if err := decode(req); err != nil {
					return nil, err
				}
				return serve(ctx, req)
			},
		})
	}
	r.RegisterService(desc, nil)
}

// runEcho serves echoes, and recorded answers if there are any.
func runEcho(ctx context.Context, cfg Config) error {
	answers, err := readAnswers(cfg.Answers)
	if err != nil {
		return err
	}
	return cfg.serve(ctx, func(r grpc.ServiceRegistrar) {
		registerMethods(r, map[string]method{EchoMethod: echo})
		answers.register(r)
	})
}
