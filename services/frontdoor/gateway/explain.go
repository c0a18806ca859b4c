package gateway

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/fault"
)

// A body that protojson refuses is read a second time, guided by the descriptor of its message.
// That identifies the invalid field and its valid values. It also finds the short names of enum
// values, such as `AES_256_GCM` for `ALGORITHM_AES_256_GCM`, and replaces them with the full
// names.
//
// An error names fields of the contract. It repeats an unknown name only if it looks like the name
// of a field, and never a value: either may be a misplaced secret. Apart from names, nothing of
// the body is copied.

// maxShort is the maximum number of short names in a body. It limits the growth of the body.
const maxShort = 256

// An explainer reads one body.
type explainer struct {
	body []byte
	at   int
	// wrong is the violation and wrongAt its offset; nil if there is no violation, or a syntax error.
	wrong   *fault.Violation
	wrongAt int
	short   []shortName
}

// A shortName is the position of an enum value without its prefix.
type shortName struct {
	at     int
	prefix string
}

// explain reads a body that should contain a message, which is the field of the request at path;
// empty: the request itself. It reports whether it has read the whole body.
func explain(body []byte, md protoreflect.MessageDescriptor, path string) (x *explainer, whole bool) {
	x = &explainer{body: body}
	if !x.message(md, path, 0) {
		return x, false
	}
	x.space()
	return x, x.at == len(body)
}

// writtenOut returns the body with the full names of enum values, and erases the original.
func (x *explainer) writtenOut() []byte {
	extra := 0
	for _, s := range x.short {
		extra += len(s.prefix)
	}
	out, from := make([]byte, 0, len(x.body)+extra), 0
	for _, s := range x.short {
		out = append(append(out, x.body[from:s.at]...), s.prefix...)
		from = s.at
	}
	out = append(out, x.body[from:]...)
	clear(x.body)
	return out
}

// refuse records a violation at an offset.
func (x *explainer) refuse(at int, path, description string) bool {
	if path == "" {
		path = "http.body"
	}
	x.wrong, x.wrongAt = &fault.Violation{Field: path, Description: description}, at
	return false
}

// message reads an object with the fields of a message.
func (x *explainer) message(md protoreflect.MessageDescriptor, path string, depth int) bool {
	if depth > maxDepth {
		return false
	}
	seen := make(map[protoreflect.FieldNumber]bool)
	chosen := make(map[protoreflect.Name]protoreflect.FieldDescriptor)
	return x.members(path, func(at int, name string) bool {
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			fd = md.Fields().ByTextName(name)
		}
		switch {
		case fd == nil:
			return x.refuse(at, path, unknownField(md, name))
		case seen[fd.Number()]:
			return x.refuse(at, join(path, fd), "must not be repeated")
		}
		seen[fd.Number()] = true
		if choice := fd.ContainingOneof(); choice != nil && !choice.IsSynthetic() && !x.isNull() {
			if other := chosen[choice.Name()]; other != nil {
				return x.refuse(at, join(path, fd), "must not be combined with "+other.JSONName()+"; choose one of "+listed(choices(choice), ""))
			}
			chosen[choice.Name()] = fd
		}
		return x.field(fd, join(path, fd), depth)
	})
}

// members reads an object. It calls member at each value.
func (x *explainer) members(path string, member func(at int, name string) bool) bool {
	if x.space(); !x.take('{') {
		return x.unlike(path, "must be an object")
	}
	for x.space(); !x.take('}'); x.space() {
		at := x.at
		raw, ok := x.text()
		var name string
		if x.space(); !ok || !utf8.Valid(raw) || json.Unmarshal(raw, &name) != nil || !x.take(':') {
			return false
		}
		x.space()
		if !member(at, name) {
			return false
		}
		if x.space(); !x.take(',') && x.peek() != '}' {
			return false
		}
	}
	return true
}

// field reads the value of a field.
func (x *explainer) field(fd protoreflect.FieldDescriptor, path string, depth int) bool {
	switch {
	case x.isNull():
		x.at += len(null)
		return true
	case fd.IsMap():
		return x.members(path, func(int, string) bool { return x.single(fd.MapValue(), path, depth) })
	case !fd.IsList():
		return x.single(fd, path, depth)
	case !x.take('['):
		return x.unlike(path, "must be a list")
	}
	i := 0
	for x.space(); !x.take(']'); x.space() {
		if !x.single(fd, path+"["+strconv.Itoa(i)+"]", depth) {
			return false
		}
		if x.space(); !x.take(',') && x.peek() != ']' {
			return false
		}
		i++
	}
	return true
}

// base64Text matches base64 in either alphabet, the form of bytes.
var base64Text = regexp.MustCompile(`^"[A-Za-z0-9+/_-]*={0,2}"$`)

// single reads a value that is neither a list nor a map.
func (x *explainer) single(fd protoreflect.FieldDescriptor, path string, depth int) bool {
	at := x.at
	switch kind := fd.Kind(); kind {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if fd.Message().FullName().Parent() == "google.protobuf" {
			return x.known(fd, path)
		}
		return x.message(fd.Message(), path, depth+1)
	case protoreflect.EnumKind:
		return x.enum(fd.Enum(), path)
	case protoreflect.BoolKind:
		if word := string(x.word()); word != "true" && word != "false" {
			return x.unlikeAt(at, path, "must be true or false")
		}
		return true
	case protoreflect.StringKind, protoreflect.BytesKind:
		raw, ok := x.text()
		switch {
		case !ok:
			return x.unlikeAt(at, path, "must be a string")
		case kind == protoreflect.BytesKind && !base64Text.Match(raw):
			return x.refuse(at, path, "must be base64")
		}
		return true
	default:
		return x.number(path)
	}
}

// known reads one of the well-known messages that are not objects in JSON.
func (x *explainer) known(fd protoreflect.FieldDescriptor, path string) bool {
	at := x.at
	if _, ok := x.text(); ok {
		return true
	}
	switch fd.Message().Name() {
	case "Timestamp":
		return x.unlikeAt(at, path, "must be a time such as 2026-01-02T15:04:05Z")
	case "Duration":
		return x.unlikeAt(at, path, "must be a duration such as 300s")
	case "FieldMask":
		return x.unlikeAt(at, path, "must be field names separated by commas")
	default:
		return false
	}
}

// enum reads the name or the number of an enum's value.
func (x *explainer) enum(ed protoreflect.EnumDescriptor, path string) bool {
	at := x.at
	if c := x.peek(); c == '-' || '0' <= c && c <= '9' {
		return x.number(path)
	}
	raw, ok := x.text()
	if !ok {
		return x.unlikeAt(at, path, "must be one of "+listed(valuesOf(ed), ""))
	}
	name, prefix := string(raw[1:len(raw)-1]), prefixOf(ed)
	switch {
	case ed.Values().ByName(protoreflect.Name(name)) != nil:
		return true
	case prefix != "" && len(x.short) < maxShort && ed.Values().ByName(protoreflect.Name(prefix+name)) != nil:
		x.short = append(x.short, shortName{at + 1, prefix})
		return true
	}
	return x.refuse(at, path, "must be one of "+listed(valuesOf(ed), name))
}

// number reads a number, which may be quoted.
func (x *explainer) number(path string) bool {
	at := x.at
	text, quoted := x.text()
	if !quoted {
		text = x.word()
	}
	if _, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64); err != nil {
		return x.unlikeAt(at, path, "must be a number")
	}
	return true
}

// unlike refuses a value of the wrong kind. Anything that is not a value is a syntax error.
func (x *explainer) unlike(path, description string) bool { return x.unlikeAt(x.at, path, description) }

func (x *explainer) unlikeAt(at int, path, description string) bool {
	if x.at = at; x.peek() == '"' {
		if _, closed := x.text(); !closed {
			return false
		}
	}
	if at < len(x.body) && bytes.IndexByte([]byte(`"{[-0123456789tfn`), x.body[at]) >= 0 {
		return x.refuse(at, path, description)
	}
	return false
}

const null = "null"

func (x *explainer) isNull() bool { return bytes.HasPrefix(x.body[x.at:], []byte(null)) }

func (x *explainer) peek() byte {
	if x.at < len(x.body) {
		return x.body[x.at]
	}
	return 0
}

func (x *explainer) take(c byte) bool {
	if x.peek() != c {
		return false
	}
	x.at++
	return true
}

func (x *explainer) space() {
	for x.at < len(x.body) && strings.IndexByte(" \t\r\n", x.body[x.at]) >= 0 {
		x.at++
	}
}

// text reads a string and returns it unchanged, with its quotes.
func (x *explainer) text() ([]byte, bool) {
	start := x.at
	if x.peek() != '"' {
		return nil, false
	}
	for i := start + 1; i < len(x.body); i++ {
		switch x.body[i] {
		case '\\':
			i++
		case '"':
			x.at = i + 1
			return x.body[start:x.at], true
		}
	}
	return nil, false
}

// word reads a number or a word such as true.
func (x *explainer) word() []byte {
	start := x.at
	for x.at < len(x.body) && strings.IndexByte(" \t\r\n,:]}[{\"", x.body[x.at]) < 0 {
		x.at++
	}
	return x.body[start:x.at]
}

// join returns the path of a field in a message.
func join(path string, fd protoreflect.FieldDescriptor) string {
	if path == "" {
		return string(fd.Name())
	}
	return path + "." + string(fd.Name())
}
