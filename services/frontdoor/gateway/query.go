package gateway

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// checkQuery returns the query parameters with their proto names, or a refusal. The generated code
// would ignore unknown parameters, including those that set a field of the body or of the path,
// and its errors would repeat values that do not parse.
func (rt *route) checkQuery(raw string) (url.Values, *refusal) {
	given, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalid("url.query", "must be percent-encoded pairs separated by &")
	}
	checked := make(url.Values, len(given))
	for name, values := range given {
		fd, ok := rt.params[name]
		if !ok {
			return nil, rt.unknownParameter()
		}
		field := string(fd.Name())
		if checked.Has(field) || (len(values) > 1 && !fd.IsList()) {
			return nil, invalid(field, "must not be repeated")
		}
		for _, text := range values {
			if violation := checkValue(fd, text); violation != "" {
				return nil, invalid(field, violation)
			}
			checked.Add(field, spell(fd, text))
		}
	}
	return checked, nil
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

var maskPaths = regexp.MustCompile(`^[A-Za-z0-9_]+([.,][A-Za-z0-9_]+)*$`)

// checkValue returns a violation of the value of a parameter, or an empty string.
func checkValue(fd protoreflect.FieldDescriptor, text string) string {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		if text != "true" && text != "false" {
			return "must be true or false"
		}
	case protoreflect.Int32Kind:
		return checkNumber(strconv.ParseInt(text, 10, 32))
	case protoreflect.Int64Kind:
		return checkNumber(strconv.ParseInt(text, 10, 64))
	case protoreflect.Uint32Kind:
		return checkNumber(strconv.ParseUint(text, 10, 32))
	case protoreflect.Uint64Kind:
		return checkNumber(strconv.ParseUint(text, 10, 64))
	case protoreflect.EnumKind:
		if fd.Enum().Values().ByName(protoreflect.Name(text)) == nil {
			return "must be one of " + strings.Join(enumNames(fd.Enum()), ", ")
		}
	case protoreflect.MessageKind:
		if isTime(fd) {
			if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
				return "must be a time such as 2026-01-02T15:04:05Z"
			}
			return ""
		}
		if text != "" && !maskPaths.MatchString(text) {
			return "must be field names separated by commas"
		}
	default:
		// A string that is not UTF-8 would fail when the call is marshaled.
		if !utf8.ValidString(text) {
			return "must be UTF-8"
		}
	}
	return ""
}

func checkNumber[T int64 | uint64](_ T, err error) string {
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

func isTime(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == timestamp
}

// spell returns the value of a parameter in the form that the generated code needs. It takes the
// paths of a mask unchanged, while JSON spells them in camelCase.
func spell(fd protoreflect.FieldDescriptor, text string) string {
	if fd.Kind() != protoreflect.MessageKind || isTime(fd) {
		return text
	}
	var out strings.Builder
	for _, c := range []byte(text) {
		if 'A' <= c && c <= 'Z' {
			out.WriteByte('_')
			c += 'a' - 'A'
		}
		out.WriteByte(c)
	}
	return out.String()
}
