package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

// maxDepth is the maximum nesting depth of messages in a body.
const maxDepth = 64

// unmarshalOptions are strict: unknown fields and duplicates are errors.
func unmarshalOptions() protojson.UnmarshalOptions {
	return protojson.UnmarshalOptions{RecursionLimit: maxDepth}
}

// A marshaler writes the JSON of the front door: camelCase names, enums by name, and fields with
// their default value present, so that an empty list is `[]` and a count of zero is `0` instead of
// missing. protojson inserts random spaces on purpose. The marshaler removes them, so that
// responses can be compared, and ends with a newline for terminals.
type marshaler struct{ runtime.JSONPb }

func newMarshaler() *marshaler {
	return &marshaler{runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{EmitDefaultValues: true},
		UnmarshalOptions: unmarshalOptions(),
	}}
}

// Marshal returns v as one line of JSON.
func (m *marshaler) Marshal(v any) ([]byte, error) {
	raw, err := m.JSONPb.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("marshal response: %w", err)
	}
	return line(raw)
}

func marshalStatus(st *statuspb.Status) ([]byte, error) {
	raw, err := protojson.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("marshal status: %w", err)
	}
	return line(raw)
}

func line(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(raw) + 1)
	if err := json.Compact(&out, raw); err != nil {
		return nil, fmt.Errorf("compact JSON: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
