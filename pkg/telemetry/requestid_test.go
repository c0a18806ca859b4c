package telemetry_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/keyward/keyward/pkg/telemetry"
)

func TestRequestIDsAreFreshAndParse(t *testing.T) {
	t.Parallel()
	a, b := telemetry.NewRequestID(time.Now()), telemetry.NewRequestID(time.Now())
	if a == b {
		t.Errorf("NewRequestID() returned %q twice", a)
	}
	if got, ok := telemetry.ParseRequestID(a); !ok || got != a {
		t.Errorf("ParseRequestID(%q) = %q, %v, want the same", a, got, ok)
	}
	ctx := telemetry.WithRequestID(t.Context(), a)
	if got := telemetry.RequestID(ctx); got != a {
		t.Errorf("RequestID() = %q, want %q", got, a)
	}
	if got := telemetry.RequestID(t.Context()); got != "" {
		t.Errorf("RequestID() outside of a request = %q, want nothing", got)
	}
}

// Ids that sort by time let a reader of the log find the requests around one.
func TestRequestIDIsAUUIDThatTellsTheTime(t *testing.T) {
	t.Parallel()
	for range 1000 {
		before := time.Now().UnixMilli()
		id, err := uuid.Parse(telemetry.NewRequestID(time.Now()))
		if err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 {
			t.Fatalf("NewRequestID() = %v (version %d, variant %v), %v, want a UUID of version 7", id, id.Version(), id.Variant(), err)
		}
		made := int64(binary.BigEndian.Uint64(id[:]) >> 16)
		if after := time.Now().UnixMilli(); made < before || made > after {
			t.Fatalf("NewRequestID() = %v, which says %d ms, want from %d to %d", id, made, before, after)
		}
	}
}

func BenchmarkNewRequestID(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			telemetry.NewRequestID(time.Now())
		}
	})
}

func FuzzParseRequestID(f *testing.F) {
	for _, seed := range []string{
		"", "0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f", "0198C5A2-7D3E-7C11-9A01-2F3B4C5D6E7F",
		"{0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f}", "urn:uuid:0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f",
		"0198c5a27d3e7c119a012f3b4c5d6e7f", "my password is in this request idddd", strings.Repeat("-", 36),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := telemetry.ParseRequestID(text)
		if !ok {
			if id != "" {
				t.Errorf("ParseRequestID(%q) = %q, false, want nothing", text, id)
			}
			return
		}
		if len(id) != 36 || strings.Trim(id, "0123456789abcdef-") != "" || !strings.EqualFold(id, text) {
			t.Errorf("ParseRequestID(%q) = %q, want a UUID in small letters", text, id)
		}
	})
}
