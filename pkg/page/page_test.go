package page_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/page"
)

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func TestSizeStaysWithinBounds(t *testing.T) {
	t.Parallel()
	for requested, want := range map[int32]int{-1: 50, 0: 50, 1: 1, 50: 50, 1000: 1000, 1001: 1000, 1<<31 - 1: 1000} {
		if got := page.Size(requested); got != want {
			t.Errorf("Size(%d) = %d, want %d", requested, got, want)
		}
	}
}

func TestTokenOpensForTheSameRequest(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t, 1, noon)
	binding := bind(t, "ann", wrapperspb.String("request"))
	token := sealer.Seal([]byte("cursor"), binding)
	// Another replica with the same key, a day later.
	later := newSealer(t, 1, noon.Add(page.MaxAge))
	got, err := later.Open(token, bind(t, "ann", wrapperspb.String("request")))
	if err != nil || string(got) != "cursor" {
		t.Errorf("Open() = %q, %v, want the cursor", got, err)
	}
	if again := sealer.Seal([]byte("cursor"), binding); again == token {
		t.Error("the same cursor gives the same token twice")
	}
}

func TestTokenShowsNoCursor(t *testing.T) {
	t.Parallel()
	token := newSealer(t, 1, noon).Seal([]byte("canary-4711"), bind(t, "ann", wrapperspb.String("request")))
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatalf("token %q is no base64url: %v", token, err)
	}
	if bytes.Contains(raw, []byte("canary")) {
		t.Error("the token shows its cursor")
	}
}

func TestEmptyTokenIsStartAndEnd(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t, 1, noon)
	if got := sealer.Seal(nil, nil); got != "" {
		t.Errorf("Seal(no cursor) = %q, want no token", got)
	}
	if got, err := sealer.Open("", nil); got != nil || err != nil {
		t.Errorf("Open(no token) = %q, %v, want no cursor", got, err)
	}
}

func TestBentTokenIsRefusedWithoutSayingWhy(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t, 1, noon)
	binding := bind(t, "ann", wrapperspb.String("request"))
	token := sealer.Seal([]byte("cursor"), binding)
	middle := len(token) / 2
	flipped := token[:middle] + string(flip(token[middle])) + token[middle+1:]
	tests := []struct {
		name    string
		sealer  *page.Sealer
		token   string
		binding page.Binding
	}{
		{"another caller", sealer, token, bind(t, "bob", wrapperspb.String("request"))},
		{"another request", sealer, token, bind(t, "ann", wrapperspb.String("other"))},
		{"another kind of request", sealer, token, bind(t, "ann", wrapperspb.Bytes([]byte("request")))},
		{"no binding", sealer, token, nil},
		{"another key", newSealer(t, 2, noon), token, binding},
		{"more than a day later", newSealer(t, 1, noon.Add(page.MaxAge+time.Second)), token, binding},
		{"long before it was made", newSealer(t, 1, noon.Add(-time.Hour)), token, binding},
		{"a changed bit", sealer, flipped, binding},
		{"cut short", sealer, token[:len(token)-4], binding},
		{"made longer", sealer, token + "AAAA", binding},
		{"padded", sealer, token + "=", binding},
		{"with a line break", sealer, token[:4] + "\n" + token[4:], binding},
		{"no base64", sealer, "canary-4711!", binding},
		{"long", sealer, strings.Repeat("A", 1<<16), binding},
	}
	want := refusal(t, sealer, "x", binding)
	for _, tt := range tests {
		if got := refusal(t, tt.sealer, tt.token, tt.binding); got != want {
			t.Errorf("%s: Open() = %q, want %q as for all", tt.name, got, want)
		}
	}
}

func TestBindingTellsPartsApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, caller := range []string{"", "a", "ab"} {
		for _, req := range []proto.Message{
			wrapperspb.String(""), wrapperspb.String("b"), wrapperspb.String("ab"), wrapperspb.Bytes([]byte("b")),
			timestamppb.New(noon), durationpb.New(time.Duration(noon.Unix()) * time.Second),
		} {
			name := caller + " " + string(req.ProtoReflect().Descriptor().FullName()) + " " + req.(interface{ String() string }).String()
			binding := string(bind(t, caller, req))
			if other, ok := seen[binding]; ok {
				t.Errorf("%q and %q have the same binding", name, other)
			}
			seen[binding] = name
		}
	}
}

func FuzzOpen(f *testing.F) {
	sealer := newSealer(f, 1, noon)
	binding := bind(f, "ann", wrapperspb.String("request"))
	token := sealer.Seal([]byte("cursor"), binding)
	for _, seed := range []string{"", "A", "====", token, token[1:], token + "A", strings.Repeat("_", 37)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		cursor, err := sealer.Open(token, binding)
		switch {
		case err != nil:
			if !fault.Is(err, fault.InvalidPageToken) {
				t.Errorf("Open(%q) = %v, want INVALID_PAGE_TOKEN", token, err)
			}
		case token == "":
			if cursor != nil {
				t.Errorf("Open(no token) = %q, want no cursor", cursor)
			}
		case string(cursor) != "cursor":
			t.Errorf("Open(%q) = %q, which was never sealed", token, cursor)
		}
	})
}

func newSealer(t testing.TB, key byte, now time.Time) *page.Sealer {
	t.Helper()
	sealer, err := page.NewSealer([32]byte{key}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func bind(t testing.TB, caller string, req proto.Message) page.Binding {
	t.Helper()
	binding, err := page.Bind(caller, req)
	if err != nil {
		t.Fatal(err)
	}
	return binding
}

// refusal returns the text of the error that opening a token gives.
func refusal(t testing.TB, sealer *page.Sealer, token string, binding page.Binding) string {
	t.Helper()
	cursor, err := sealer.Open(token, binding)
	if err == nil {
		t.Errorf("Open(%.40q) = %q, want an error", token, cursor)
		return ""
	}
	if !fault.Is(err, fault.InvalidPageToken) {
		t.Errorf("Open(%.40q) = %v, want INVALID_PAGE_TOKEN", token, err)
	}
	return err.Error()
}

// flip returns another character of base64url.
func flip(c byte) byte {
	if c == 'A' {
		return 'B'
	}
	return 'A'
}
