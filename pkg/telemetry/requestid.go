package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"github.com/google/uuid"
)

// RequestIDHeader is the header with the request ID, in responses and optionally in requests.
const RequestIDHeader = "x-request-id"

// RequestIDKey is the context key of a request ID, which is a *string. A context of a request can
// answer it from its own fields. Other code calls [WithRequestID] and [RequestID].
type RequestIDKey struct{}

// NewRequestID returns a new ID for a request that arrives now: a UUID of version 7, so that IDs sort
// by time. IDs of the same millisecond are unordered, because ordering them would make requests wait
// for each other.
func NewRequestID(now time.Time) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16)
	rand.Read(id[6:])
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562
	return id.String()
}

// ParseRequestID returns a caller's request ID in canonical form. Only a UUID is a request ID,
// because any other text could carry a value into the log.
func ParseRequestID(text string) (string, bool) {
	// Parse also accepts braces, urn:, and bare hexadecimal.
	if len(text) != len(uuid.Nil.String()) {
		return "", false
	}
	if _, err := uuid.Parse(text); err != nil {
		return "", false
	}
	return strings.ToLower(text), true
}

// WithRequestID returns a context with the ID of a request.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, RequestIDKey{}, &id)
}

// RequestID returns the ID of the request of ctx, or an empty string.
func RequestID(ctx context.Context) string {
	if id, ok := ctx.Value(RequestIDKey{}).(*string); ok {
		return *id
	}
	return ""
}
