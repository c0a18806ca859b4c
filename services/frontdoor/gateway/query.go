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

// checkQuery returns the query parameters in the spelling of the proto, or why they
// are refused. The generated code would ignore unknown ones, also those that would set
// a field of the body or of the path, and repeat in its errors those that do not parse.
func (rt *route) checkQuery(raw string) (url.Values, *refusal) {
	given, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalid("url.query", "must be well-formed: pairs joined by &, with percent-encoding")
	}
	checked := make(url.Values, len(given))
	for name, values := range given {
		fd, ok := rt.params[name]
		if !ok {
			return nil, rt.unknownParameter()
		}
		field := string(fd.Name())
		if checked.Has(field) || (len(values) > 1 && !fd.IsList()) {
			return nil, invalid(field, "must be given once")
		}
		for _, text := range values {
			if finding := checkValue(fd, text); finding != "" {
				return nil, invalid(field, finding)
			}
			checked.Add(field, spell(fd, text))
		}
	}
	return checked, nil
}

// unknownParameter does not name the parameter: the name may be a value that landed
// before the equals sign.
func (rt *route) unknownParameter() *refusal {
	description := "must be empty: this method takes no query parameters"
	if names := rt.paramNames(); len(names) > 0 {
		description = "takes only " + strings.Join(names, ", ")
	}
	r := invalid("url.query", description)
	r.http, r.message = http.StatusBadRequest, "the request has query parameters that this method does not take"
	return r
}

var maskPaths = regexp.MustCompile(`^[A-Za-z0-9_]+([.,][A-Za-z0-9_]+)*$`)

// checkValue returns what the value of a parameter must be, or nothing if it is that.
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
			return "must be names of fields joined by commas"
		}
	default:
		// A string that is not UTF-8 would fail when the call is marshalled.
		if !utf8.ValidString(text) {
			return "must be UTF-8"
		}
	}
	return ""
}

func checkNumber[T int64 | uint64](_ T, err error) string {
	if err != nil {
		return "must be an integer that is in range"
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

// spell returns a parameter's value as the generated code needs it: it takes the paths
// of a mask as they are, while JSON spells them in camelCase.
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
