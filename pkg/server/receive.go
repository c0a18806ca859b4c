package server

import (
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"time"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"

	"github.com/keyward/keyward/pkg/fault"
)

// A generated handler reads and decodes the request first, so that unauthenticated callers could
// fill the memory of the server, or learn that their message is malformed. In this server, reading
// is a step of the chain that follows authentication, and only the validator, which follows
// authorization, reports a message that does not decode.
//
//	handler → authenticate … receive → authorize → validate → method
//
// The step reads the message itself from the stream of the library. It therefore knows the size of
// the message before its bytes are read, and takes them from the budget first.

const (
	// maxOpenBytes is the maximum size of a request for health and reflection, which unauthenticated
	// callers may send. No budget counts these.
	maxOpenBytes = 4 << 10
	// maxArrival is the time in which the request of a stream must arrive. Other requests have their
	// deadline.
	maxArrival = 10 * time.Second
)

// uncompressed refuses compressed requests: a few bytes could expand to the maximum size.
// Responses are not compressed either, because their sizes would reveal their content.
func (r *request) uncompressed() error {
	if name := r.wire.RecvCompress(); name != "" && name != encoding.Identity {
		return fault.Field("grpc-encoding", "must be absent or identity; compressed requests are not supported")
	}
	return nil
}

// receive reads the single message of the request. A message that does not decode remains empty;
// the validator reports it.
func (r *request) receive(message any) error {
	size, err := r.announced()
	if err != nil || r.problem != nil {
		return err
	}
	if err := r.take(size); err != nil {
		return err
	}
	data, err := r.wire.Read(size)
	if err != nil {
		return unread(r, err)
	}
	defer data.Free()
	switch err := r.wire.ReadMessageHeader(r.header[:]); {
	case err == nil:
		r.problem = malformed() // there is a second one
		return nil
	case !errors.Is(err, io.EOF):
		return unread(r, err)
	}
	if err := r.server.codec.Unmarshal(data, message); err != nil {
		r.problem = malformed()
		return r.server.codec.Unmarshal(nil, message) // half of a message is no message
	}
	return nil
}

// headerBytes is the length of the prefix of a message: the compression flag and the length.
const headerBytes = 5

// announced reads the length of the message. A message that is too large is refused immediately,
// because its authorization cannot be checked without reading it.
func (r *request) announced() (size int, err error) {
	if err := r.wire.ReadMessageHeader(r.header[:]); errors.Is(err, io.EOF) {
		r.problem = malformed() // no message
		return 0, nil
	} else if err != nil {
		return 0, unread(r, err)
	}
	length, limit := int64(binary.BigEndian.Uint32(r.header[1:])), r.method.limit
	switch {
	case r.header[0] != 0:
		r.problem = malformed() // it is compressed, with nothing
		return 0, nil
	case length > int64(limit):
		return 0, tooLarge(limit)
	}
	return int(length), nil
}

func malformed() error {
	return fault.New(fault.InvalidArgument, fault.InvalidField, "the request is not a valid message for this method")
}

func tooLarge(limit int) error {
	return fault.New(fault.ResourceExhausted, fault.MessageTooLarge, "the request exceeds the maximum size for this method").
		With("limit_bytes", strconv.Itoa(limit))
}

// A codec is the library's protobuf codec. It takes a response with its [request], whose load it
// releases.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }
