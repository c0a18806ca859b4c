package gateway

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// readQuery sets the fields of the query, or returns a refusal.
func (rt *route) readQuery(raw string, request protoreflect.Message) *refusal {
	if raw == "" {
		return nil
	}
	given, err := url.ParseQuery(raw)
	if err != nil {
		return invalid("url.query", "must be percent-encoded pairs separated by &")
	}
	seen := make(map[protoreflect.FieldNumber]bool, len(given))
	for name, values := range given {
		fd, ok := rt.params[name]
		if !ok {
			return rt.unknownParameter()
		}
		if seen[fd.Number()] || (len(values) > 1 && !fd.IsList()) {
			return invalid(string(fd.Name()), "must not be repeated")
		}
		seen[fd.Number()] = true
		for _, text := range values {
			value, violation := parseParam(fd, text)
			switch {
			case violation != "":
				return invalid(string(fd.Name()), violation)
			case fd.IsList():
				request.Mutable(fd).List().Append(value)
			default:
				request.Set(fd, value)
			}
		}
	}
	return nil
}

// unknownParameter does not name the parameter: the name may be a value that was misplaced before
// the equals sign.
func (rt *route) unknownParameter() *refusal {
	description := "must be empty: this method has no query parameters"
	if names := rt.paramNames(); len(names) > 0 {
		description = "must contain only these parameters: " + strings.Join(names, ", ")
	}
	r := invalid("url.query", description)
	r.http, r.message = http.StatusBadRequest, "the request has query parameters that this method does not have"
	return r
}

// maskPaths matches the paths of a mask. The part after the first dot may be the key of a label.
var maskPaths = regexp.MustCompile(`^[A-Za-z0-9_]+(\.[A-Za-z0-9_.-]+)?(,[A-Za-z0-9_]+(\.[A-Za-z0-9_.-]+)?)*$`)

// parseParam returns the value of a parameter, or a violation.
func parseParam(fd protoreflect.FieldDescriptor, text string) (value protoreflect.Value, violation string) {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		if text != "true" && text != "false" {
			return value, "must be true or false"
		}
		return protoreflect.ValueOfBool(text == "true"), ""
	case protoreflect.Int32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), checkNumber(err)
	case protoreflect.Int64Kind:
		n, err := strconv.ParseInt(text, 10, 64)
		return protoreflect.ValueOfInt64(n), checkNumber(err)
	case protoreflect.Uint32Kind:
		n, err := strconv.ParseUint(text, 10, 32)
		return protoreflect.ValueOfUint32(uint32(n)), checkNumber(err)
	case protoreflect.Uint64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		return protoreflect.ValueOfUint64(n), checkNumber(err)
	case protoreflect.EnumKind:
		known := fd.Enum().Values().ByName(protoreflect.Name(text))
		if known == nil {
			return value, "must be one of " + strings.Join(enumNames(fd.Enum()), ", ")
		}
		return protoreflect.ValueOfEnum(known.Number()), ""
	case protoreflect.MessageKind:
		if isTime(fd) {
			return parseTime(text)
		}
		return parseMask(text)
	default:
		// A string that is not UTF-8 would fail when the call is marshaled.
		if !utf8.ValidString(text) {
			return value, "must be UTF-8"
		}
		return protoreflect.ValueOfString(text), ""
	}
}

func checkNumber(err error) string {
	if err != nil {
		return "must be an integer in the range of its type"
	}
	return ""
}

func enumNames(enum protoreflect.EnumDescriptor) []string {
	var names []string
	for i := range enum.Values().Len() {
		names = append(names, string(enum.Values().Get(i).Name()))
	}
	return names
}

func parseTime(text string) (value protoreflect.Value, violation string) {
	const malformed = "must be a time such as 2026-01-02T15:04:05Z"
	if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
		return value, malformed
	}
	stamp, err := runtime.Timestamp(text) // as in JSON
	if err != nil {
		return value, malformed
	}
	return protoreflect.ValueOfMessage(stamp.ProtoReflect()), ""
}

// parseMask reads paths in either spelling: JSON spells them in camelCase.
func parseMask(text string) (value protoreflect.Value, violation string) {
	mask := new(fieldmaskpb.FieldMask)
	if text == "" {
		return protoreflect.ValueOfMessage(mask.ProtoReflect()), ""
	}
	if !maskPaths.MatchString(text) {
		return value, "must be field names separated by commas"
	}
	var snake strings.Builder
	for _, c := range []byte(text) {
		if 'A' <= c && c <= 'Z' {
			snake.WriteByte('_')
			c += 'a' - 'A'
		}
		snake.WriteByte(c)
	}
	mask.Paths = strings.Split(snake.String(), ",")
	return protoreflect.ValueOfMessage(mask.ProtoReflect()), ""
}
