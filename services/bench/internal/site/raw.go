package site

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// Raw is a codec for messages that are already encoded: requests are []byte and responses *[]byte.
// With it, the load generator does the same work for Keyward and for a limit. Servers see protobuf.
type Raw struct{}

var _ encoding.CodecV2 = Raw{}

// Marshal implements encoding.CodecV2.
func (Raw) Marshal(v any) (mem.BufferSlice, error) {
	message, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("encode %T: want []byte", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(message)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (Raw) Unmarshal(data mem.BufferSlice, v any) error {
	message, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("decode %T: want *[]byte", v)
	}
	*message = data.Materialize()
	return nil
}

// Name implements encoding.CodecV2.
func (Raw) Name() string { return "proto" }
