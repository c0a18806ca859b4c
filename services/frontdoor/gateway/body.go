package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
)

// readBody returns the body of a request to the route, or a refusal.
func (g *gateway) readBody(rt *route, c *call) ([]byte, *refusal) {
	r := c.outer
	if r.ContentLength == 0 {
		return nil, nil
	}
	if !rt.takesBody {
		if n, _ := io.ReadFull(r.Body, make([]byte, 1)); n > 0 {
			return nil, invalid("http.body", "must be empty: this method has no body")
		}
		return nil, nil
	}
	if refused := checkMedia(r.Header); refused != nil {
		return nil, refused
	}
	limit := g.cfg.MaxBodyBytes
	tooMuch := tooLarge(http.StatusRequestEntityTooLarge, "the request is larger than the limit", "limit_bytes", limit)
	if r.ContentLength > limit {
		return nil, tooMuch
	}
	size := r.ContentLength
	if size < 0 { // the length is unknown
		size = limit
	}
	taken, err := g.bodies.Take(auth.OriginOf(r.RemoteAddr), int(size))
	if err != nil {
		return nil, crowded(err)
	}
	c.give = taken.Give
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	switch {
	case int64(len(body)) > limit:
		return nil, tooMuch
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, deadline(http.StatusRequestTimeout)
	case err != nil:
		return nil, malformedJSON("")
	}
	return body, nil
}

// checkMedia accepts a media type of JSON, or none. Any other type, such as a form, was not meant
// for this API.
func checkMedia(h http.Header) *refusal {
	if encodings := h.Values("Content-Encoding"); len(encodings) > 0 && !strings.EqualFold(encodings[0], "identity") {
		return unsupportedMedia("http.content-encoding", "must be absent: compressed bodies are not supported")
	}
	types := h.Values("Content-Type")
	if len(types) == 0 {
		return nil
	}
	media, params, err := mime.ParseMediaType(types[0])
	charset := params["charset"]
	if err != nil || len(types) > 1 || media != "application/json" || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return unsupportedMedia("http.content-type", "must be application/json")
	}
	return nil
}

// checkBody decodes a body in the same way as the generated code, because the errors of the
// generated code repeat input. For a PATCH it adds the mask to the query. A body that is the whole
// request may be empty, because all fields of some methods are optional. A body that is a resource
// may not, because the generated code would make an empty resource of it. It returns the body for
// the generated code, with the full names of enum values.
func (rt *route) checkBody(body []byte, path map[string]string, query url.Values) ([]byte, *refusal) {
	if !rt.takesBody {
		return body, nil
	}
	if len(bytes.TrimSpace(body)) == 0 {
		if rt.body == nil {
			return body, nil
		}
		return nil, malformedJSON("1:1")
	}
	msg := rt.newBody()
	if err := unmarshalOptions().Unmarshal(body, msg); err != nil {
		var refused *refusal
		if body, msg, refused = rt.readAgain(body, err); refused != nil {
			return nil, refused
		}
	}
	for variable, fd := range rt.inBody {
		if name := msg.ProtoReflect().Get(fd).String(); name != "" && name != path[variable] {
			return nil, invalid(variable, "must be absent or equal the name in the path")
		}
	}
	return body, rt.addMask(body, msg, query)
}

// readAgain reads a body that protojson refused. It returns the body with the full names of enum
// values, and its message; or a refusal.
func (rt *route) readAgain(body []byte, refused error) ([]byte, proto.Message, *refusal) {
	prefix := ""
	if rt.body != nil {
		prefix = string(rt.body.Name())
	}
	msg := rt.newBody()
	x, whole := explain(body, msg.ProtoReflect().Descriptor(), prefix)
	switch {
	case x.wrong != nil:
		r := malformedJSON(lineAndColumn(body, x.wrongAt))
		r.violations = []fault.Violation{*x.wrong}
		return nil, nil, r
	case len(x.short) == 0:
		return nil, nil, malformedJSON(position(refused, body))
	case !whole:
		return nil, nil, malformedJSON(lineAndColumn(body, x.at))
	}
	body = x.writtenOut()
	if err := unmarshalOptions().Unmarshal(body, msg); err != nil {
		return nil, nil, malformedJSON("")
	}
	return body, msg, nil
}

// addMask adds a mask to a PATCH that has none. The generated code would put all fields of the
// body into its mask, so that a client that reads a resource, changes it, and sends it back would
// be refused for its name and its etag.
func (rt *route) addMask(body []byte, msg proto.Message, query url.Values) *refusal {
	mask := rt.maskField()
	if mask == nil || query.Get(string(mask.Name())) != "" {
		return nil
	}
	all, err := runtime.FieldMaskFromRequestBody(bytes.NewReader(body), msg)
	if err != nil {
		return malformedJSON("")
	}
	var changes []string
	for _, path := range all.GetPaths() {
		top, _, _ := strings.Cut(path, ".")
		if changeable(msg.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(top))) {
			changes = append(changes, path)
		}
	}
	if len(changes) == 0 && len(all.GetPaths()) > 0 {
		return invalid(string(mask.Name()), "the body must contain a field that can change")
	}
	query.Set(string(mask.Name()), strings.Join(changes, ","))
	return nil
}

// maskField returns the update mask field of the request, or nil.
func (rt *route) maskField() protoreflect.FieldDescriptor {
	if rt.key.method != http.MethodPatch || rt.body == nil {
		return nil
	}
	for _, fd := range rt.params {
		if fd.Kind() == protoreflect.MessageKind && fd.Message().FullName() == fieldMask {
			return fd
		}
	}
	return nil
}

// changeable reports whether a PATCH can change a field.
func changeable(fd protoreflect.FieldDescriptor) bool {
	if fd == nil || fd.Name() == "etag" {
		return false
	}
	behaviors, _ := proto.GetExtension(fd.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	for _, b := range behaviors {
		if b == annotations.FieldBehavior_IDENTIFIER || b == annotations.FieldBehavior_OUTPUT_ONLY {
			return false
		}
	}
	return true
}

// protojsonPosition finds the position in an error of protojson. It is anchored at the start: the
// rest of the error repeats input, which could look like a position.
var protojsonPosition = regexp.MustCompile(`^proto:[ \x{a0}](?:syntax error )?\(line (\d+:\d+)\)`)

// position returns the line and column of an error in a body, or an empty string.
func position(err error, body []byte) string {
	if found := protojsonPosition.FindStringSubmatch(err.Error()); found != nil {
		return found[1]
	}
	var raw json.RawMessage
	var syntax *json.SyntaxError
	if !errors.As(json.Unmarshal(body, &raw), &syntax) {
		return ""
	}
	return lineAndColumn(body, int(min(max(syntax.Offset, 0), int64(len(body)))))
}

// lineAndColumn returns the line and column of an offset in a body.
func lineAndColumn(body []byte, offset int) string {
	before := body[:offset]
	lineStart := bytes.LastIndexByte(before, '\n') + 1
	return strconv.Itoa(bytes.Count(before, []byte("\n"))+1) + ":" + strconv.Itoa(utf8.RuneCount(before[lineStart:])+1)
}
