package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
)

// A validator checks requests against the rules that the contract states next to
// its fields. It comes after authorisation: who may not call learns nothing of
// what a request should look like.
type validator struct{ rules protovalidate.Validator }

// newValidator compiles the rules of all requests, so that a rule that does not
// compile stops the start, and the first request is as quick as the next.
func newValidator(requests []protoreflect.MessageDescriptor) (*validator, error) {
	rules, err := protovalidate.New(protovalidate.WithMessageDescriptors(requests...))
	if err != nil {
		return nil, fmt.Errorf("set up validation: %w", err)
	}
	for _, request := range requests {
		var wrong *protovalidate.ValidationError
		if err := rules.Validate(dynamicpb.NewMessage(request)); err != nil && !errors.As(err, &wrong) {
			return nil, fmt.Errorf("compile rules of %s: %w", request.FullName(), err)
		}
	}
	return &validator{rules: rules}, nil
}

func (v *validator) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := v.request(ctx, req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (v *validator) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if auth.Open(info.FullMethod) {
		return handler(srv, ss)
	}
	return handler(srv, validated{ss, v})
}

// validated is a stream whose requests are validated.
type validated struct {
	grpc.ServerStream
	by *validator
}

// RecvMsg receives a request that is well-formed.
func (s validated) RecvMsg(req any) error {
	if err := s.ServerStream.RecvMsg(req); err != nil {
		return err
	}
	return s.by.request(s.Context(), req)
}

// request checks a request, and what was noted when it was read.
func (v *validator) request(ctx context.Context, req any) error {
	if err := problem(ctx); err != nil {
		return err
	}
	msg, ok := req.(proto.Message)
	if !ok {
		return fmt.Errorf("request of type %T is no message", req)
	}
	return v.check(msg)
}

func (v *validator) check(msg proto.Message) error {
	err := v.rules.Validate(msg)
	var wrong *protovalidate.ValidationError
	if !errors.As(err, &wrong) {
		return err
	}
	var violations []fault.Violation
	for _, w := range wrong.Violations {
		violation := fault.Violation{Field: pathOf(w.Proto.GetField()), Description: describeRule(w)}
		if !slices.Contains(violations, violation) { // the same for many keys of one map
			violations = append(violations, violation)
		}
		if len(violations) == maxViolations {
			break
		}
	}
	return fault.Fields(violations...)
}

// pathOf writes the path of a field, without the keys of maps: they are input.
func pathOf(path *validate.FieldPath) string {
	var text strings.Builder
	for _, element := range path.GetElements() {
		if text.Len() > 0 {
			text.WriteByte('.')
		}
		text.WriteString(element.GetFieldName())
		if element.HasIndex() {
			text.WriteString("[" + strconv.FormatUint(element.GetIndex(), 10) + "]")
		}
	}
	return text.String()
}

// describeRule returns the description of a rule. The messages of the standard rules depend
// only on the rule. Rules that others write can put input into theirs, so these
// are named, not quoted.
func describeRule(w *protovalidate.Violation) string {
	text := "must meet the rule " + w.Proto.GetRuleId()
	switch {
	case w.Proto.GetRuleId() == "required" && w.RuleDescriptor == nil:
		text = "exactly one of its fields must be set"
	case w.RuleDescriptor != nil && !w.RuleDescriptor.IsExtension():
		text = w.Proto.GetMessage()
	}
	if w.Proto.GetForKey() {
		return "key: " + text
	}
	return text
}
