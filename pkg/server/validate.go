package server

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/keyward/keyward/pkg/fault"
)

// A validator checks requests against the rules that the contract states next to
// its fields. It comes after authorisation: who may not call learns nothing of
// what a request should look like. The compiled rules belong to the process, because they follow
// from the contract alone: the servers of one process share them.
type validator struct {
	// ruled are the methods, by full name, for whose requests there are rules.
	ruled map[string]bool
}

// newValidator compiles the rules of all requests, so that a rule that does not
// compile stops the start, and the first request is as quick as the next.
func newValidator(requests map[string]protoreflect.MessageDescriptor) (*validator, error) {
	v := &validator{ruled: make(map[string]bool)}
	for method, request := range requests {
		v.ruled[method] = hasRules(request, make(map[protoreflect.FullName]bool))
		var wrong *protovalidate.ValidationError
		if err := protovalidate.Validate(dynamicpb.NewMessage(request)); err != nil && !errors.As(err, &wrong) {
			return nil, fmt.Errorf("compile rules of %s: %w", request.FullName(), err)
		}
	}
	return v, nil
}

// validate checks the fields of the request, and reports what was wrong when it was read.
func (r *request) validate(message any) error {
	if r.problem != nil || !r.method.ruled {
		return r.problem
	}
	msg, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("request of type %T is no message", message)
	}
	return Validate(msg)
}

// hasRules reports whether the contract states a rule for the message, one of its fields, or a
// message in one of them. The seen messages are not looked at again.
func hasRules(message protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[message.FullName()] {
		return false
	}
	seen[message.FullName()] = true
	if proto.HasExtension(message.Options(), validate.E_Message) {
		return true
	}
	for i := range message.Oneofs().Len() {
		if proto.HasExtension(message.Oneofs().Get(i).Options(), validate.E_Oneof) {
			return true
		}
	}
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		if proto.HasExtension(field.Options(), validate.E_Field) {
			return true
		}
		if below := field.Message(); below != nil && hasRules(below, seen) {
			return true
		}
	}
	return false
}

// Validate checks a message against the rules that the contract states next to its fields, as a
// server checks a request. Violations repeat no input.
func Validate(msg proto.Message) error {
	err := protovalidate.Validate(msg)
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
