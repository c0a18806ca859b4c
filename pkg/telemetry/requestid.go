package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"github.com/google/uuid"
)

// RequestIDHeader carries the request id to the caller, and from one who has one.
const RequestIDHeader = "x-request-id"

type requestIDKey struct{}

// NewRequestID returns a fresh id: a UUID of version 7, so that ids sort by time. Those
// of one millisecond are in no order, for which requests would have to wait for each other.
func NewRequestID() string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(id[6:])
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562
	return id.String()
}

// ParseRequestID returns a caller's request id in its one spelling. Nothing but a
// UUID is a request id: any other text could carry a value into the log.
func ParseRequestID(text string) (string, bool) {
	// Parse also takes braces, urn: and bare hex.
	if len(text) != len(uuid.Nil.String()) {
		return "", false
	}
	if _, err := uuid.Parse(text); err != nil {
		return "", false
	}
	return strings.ToLower(text), true
}

// WithRequestID returns a context that carries the id of a request.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request that ctx belongs to, or nothing.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
