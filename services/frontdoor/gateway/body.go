package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
)

// readBody reads the body of a request to the route, or returns a refusal. The caller must call
// give when the request is done, in both cases: it returns the body's share to the budget. The
// message that is made of the body needs as much.
func (g *gateway) readBody(rt *route, r *http.Request) (text []byte, give func(), refused *refusal) {
	give = func() {}
	if r.ContentLength == 0 {
		return nil, give, nil
	}
	if !rt.takesBody {
		if n, _ := io.ReadFull(r.Body, make([]byte, 1)); n > 0 {
			return nil, give, invalid("http.body", "must be empty: this method has no body")
		}
		return nil, give, nil
	}
	if refused := checkMedia(r.Header); refused != nil {
		return nil, give, refused
	}
	limit := g.cfg.MaxBodyBytes
	if r.ContentLength > limit {
		return nil, give, bodyTooLarge(limit)
	}
	size := r.ContentLength
	if size < 0 { // the length is unknown
		size = limit
	}
	taken, err := g.bodies.Take(auth.OriginOf(r.RemoteAddr), int(size))
	if err != nil {
		return nil, give, crowded(err)
	}
	give = taken.Give
	text, err = readAll(r, limit)
	switch {
	case int64(len(text)) > limit:
		return nil, give, bodyTooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, give, deadline(http.StatusRequestTimeout)
	case err != nil:
		return nil, give, malformedJSON("")
	}
	return text, give, nil
}

// readAll reads a body, but at most one byte more than the limit.
func readAll(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(io.LimitReader(r.Body, limit+1))
	}
	text := make([]byte, r.ContentLength)
	n, err := io.ReadFull(r.Body, text)
	return text[:n], err
}

// checkMedia accepts a media type of JSON, or none. Any other type, such as a form, was not meant
// for this API.
func checkMedia(h http.Header) *refusal {
	if encodings := h.Values("Content-Encoding"); len(encodings) > 0 && !strings.EqualFold(encodings[0], "identity") {
		return unsupportedMedia("http.content-encoding", "must be absent: compressed bodies are not supported")
	}
	types := h.Values("Content-Type")
	if len(types) == 0 || (len(types) == 1 && types[0] == jsonMedia) {
		return nil
	}
	media, params, err := mime.ParseMediaType(types[0])
	charset := params["charset"]
	if err != nil || len(types) > 1 || media != jsonMedia || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return unsupportedMedia("http.content-type", "must be "+jsonMedia)
	}
	return nil
}

// parse sets the fields of the body, or returns a refusal. For a PATCH without a mask it sets the
// mask, too. It erases the body.
//
// A body that is the whole request may be empty, because all fields of some methods are optional. A
// body that is a resource may not, because it would be taken for an empty resource.
func (rt *route) parse(text []byte, request protoreflect.Message) *refusal {
	if !rt.takesBody {
		return nil
	}
	defer func() { clear(text) }()
	if len(bytes.TrimSpace(text)) == 0 {
		if rt.body == nil {
			return nil
		}
		return malformedJSON("1:1")
	}
	msg := rt.bodyOf(request).Interface()
	if err := unmarshalOptions.Unmarshal(text, msg); err != nil {
		full, refused := rt.readAgain(text, msg, err)
		if refused != nil {
			return refused
		}
		text = full
	}
	return rt.addMask(text, msg, request)
}

// readAgain reads a body that protojson refused. It returns the body with the full names of enum
// values, and reads it into the message; or it returns a refusal.
func (rt *route) readAgain(text []byte, msg proto.Message, refused error) ([]byte, *refusal) {
	prefix := ""
	if rt.body != nil {
		prefix = string(rt.body.Name())
	}
	x, whole := explain(text, msg.ProtoReflect().Descriptor(), prefix)
	switch {
	case x.wrong != nil:
		r := malformedJSON(lineAndColumn(text, x.wrongAt))
		r.violations = []fault.Violation{*x.wrong}
		return nil, r
	case len(x.short) == 0:
		return nil, malformedJSON(position(refused, text))
	case !whole:
		return nil, malformedJSON(lineAndColumn(text, x.at))
	}
	text = x.writtenOut()
	if err := unmarshalOptions.Unmarshal(text, msg); err != nil {
		return nil, malformedJSON("")
	}
	return text, nil
}

// addMask adds a mask to a PATCH that has none: the fields of the body, except for those that
// cannot change. Otherwise a client that reads a resource, changes it, and sends it back would be
// refused for its name and its etag.
func (rt *route) addMask(text []byte, msg proto.Message, request protoreflect.Message) *refusal {
	if rt.mask == nil || hasPaths(request, rt.mask) {
		return nil
	}
	all, err := runtime.FieldMaskFromRequestBody(bytes.NewReader(text), msg)
	if err != nil {
		return malformedJSON("")
	}
	changes := new(fieldmaskpb.FieldMask)
	for _, path := range all.GetPaths() {
		top, _, _ := strings.Cut(path, ".")
		if changeable(msg.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(top))) {
			changes.Paths = append(changes.Paths, path)
		}
	}
	if len(changes.GetPaths()) == 0 && len(all.GetPaths()) > 0 {
		return invalid(string(rt.mask.Name()), "the body must contain a field that can change")
	}
	request.Set(rt.mask, protoreflect.ValueOfMessage(changes.ProtoReflect()))
	return nil
}

// hasPaths reports whether the field, which is a mask, has a path.
func hasPaths(request protoreflect.Message, field protoreflect.FieldDescriptor) bool {
	mask, ok := request.Get(field).Message().Interface().(*fieldmaskpb.FieldMask)
	return ok && len(mask.GetPaths()) > 0
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
