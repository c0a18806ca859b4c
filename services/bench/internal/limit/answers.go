package limit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Answers are the recorded responses of Keyward by full method name, such as
// /keyward.vault.v1.VaultService/GetSecret, each as an encoded message.
type Answers map[string][]byte

// Write writes the answers to a file.
func (a Answers) Write(path string) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode answers: %w", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write answers: %w", err)
	}
	return nil
}

// An answer is a decoded response and the type of its requests.
type answer struct {
	request  protoreflect.MessageType
	response proto.Message
}

type answers map[string]answer

func readAnswers(path string) (answers, error) {
	all := make(answers)
	if path == "" {
		return all, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read answers: %w", err)
	}
	var recorded Answers
	if err := json.Unmarshal(text, &recorded); err != nil {
		return nil, fmt.Errorf("read answers: %w", err)
	}
	for method, message := range recorded {
		if all[method], err = decodeAnswer(method, message); err != nil {
			return nil, fmt.Errorf("read the answer of %s: %w", method, err)
		}
	}
	return all, nil
}

func decodeAnswer(method string, message []byte) (answer, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	desc, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return answer{}, err
	}
	known, ok := desc.(protoreflect.MethodDescriptor)
	if !ok {
		return answer{}, fmt.Errorf("%s is not a method", name)
	}
	request, err := protoregistry.GlobalTypes.FindMessageByName(known.Input().FullName())
	if err != nil {
		return answer{}, err
	}
	response, err := protoregistry.GlobalTypes.FindMessageByName(known.Output().FullName())
	if err != nil {
		return answer{}, err
	}
	decoded := response.New().Interface()
	return answer{request: request, response: decoded}, proto.Unmarshal(message, decoded)
}

// register registers the services of Keyward with these answers.
func (a answers) register(r grpc.ServiceRegistrar) {
	for _, desc := range []grpc.ServiceDesc{vaultv1.VaultService_ServiceDesc, allowlistv1.AllowlistService_ServiceDesc} {
		served := grpc.ServiceDesc{ServiceName: desc.ServiceName, HandlerType: (*any)(nil), Metadata: desc.Metadata}
		for _, m := range desc.Methods {
			full := "/" + desc.ServiceName + "/" + m.MethodName
			if known, ok := a[full]; ok {
				served.Methods = append(served.Methods, grpc.MethodDesc{MethodName: m.MethodName, Handler: known.handler(full)})
			}
		}
		r.RegisterService(&served, nil)
	}
}

// handler returns the handler of a method, as it would be generated.
func (a answer) handler(full string) func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
	return func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		req := a.request.New().Interface()
		if err := decode(req); err != nil {
			return nil, err
		}
		if interceptor == nil {
			return a.response, nil
		}
		info := &grpc.UnaryServerInfo{Server: srv, FullMethod: full}
		return interceptor(ctx, req, info, func(context.Context, any) (any, error) { return a.response, nil })
	}
}
