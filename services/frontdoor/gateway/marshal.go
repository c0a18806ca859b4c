package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// maxDepth is the maximum nesting depth of messages in a body.
const maxDepth = 64

// jsonMedia is the media type of requests and responses.
const jsonMedia = "application/json"

// unmarshalOptions are strict: unknown fields and duplicates are errors.
var unmarshalOptions = protojson.UnmarshalOptions{RecursionLimit: maxDepth}

// marshalOptions write camelCase names, enums by name, and fields with their default value, so that
// an empty list is `[]` and a count of zero is `0` instead of missing.
var marshalOptions = protojson.MarshalOptions{EmitDefaultValues: true}

// buffers are for responses. They are erased before they are returned, because a response may
// contain a decrypted message.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the maximum size of a buffer that is kept for the next response.
const maxPooled = 64 << 10

// answer writes a message as the response.
func (g *gateway) answer(w *response, message proto.Message) {
	buffer, _ := buffers.Get().(*[]byte)
	raw, err := marshalOptions.MarshalAppend((*buffer)[:0], message)
	if err != nil {
		g.refuse(w, internal())
		return
	}
	text := line(raw)
	writeJSON(w, http.StatusOK, text)
	clear(raw)
	clear(text) // another array, if raw had no room for the newline
	if cap(raw) <= maxPooled {
		*buffer = raw
		buffers.Put(buffer)
	}
}

func marshalStatus(st *statuspb.Status) ([]byte, error) {
	raw, err := protojson.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("marshal status: %w", err)
	}
	return line(raw), nil
}

// line makes one line of the JSON of protojson, in place, and ends it with a newline for terminals.
// protojson inserts spaces on purpose, in some programs. Without them, responses can be compared.
func line(raw []byte) []byte {
	out := raw[:0]
	quoted, escaped := false, false
	for _, c := range raw {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			continue
		}
		out = append(out, c)
	}
	return append(out, '\n')
}

var jsonType = []string{jsonMedia}

// writeJSON writes a response in one piece.
func writeJSON(w http.ResponseWriter, httpStatus int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(httpStatus)
	_, _ = w.Write(body) // the client has disconnected, so no one can receive the error
}
