package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/telemetry"
)

// attrsOf returns the attributes of a line for package slog, whose output is the reference.
func attrsOf(r telemetry.Request) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("request_id", r.ID), slog.String("rpc", r.RPC), slog.String("code", r.Code),
		slog.Float64("ms", float64(r.Took.Microseconds())/1000),
	}
	if r.Peer != "" {
		attrs = append(attrs, slog.String("peer", r.Peer))
	}
	if r.TraceID != "" {
		attrs = append(attrs, slog.String("trace_id", r.TraceID))
	}
	if r.Subject != "" {
		attrs = append(attrs, slog.String("subject", r.Subject), slog.String("authentication", r.Authentication), slog.String("address", r.Address))
	}
	return append(attrs, r.Failure...)
}

// logged returns the two lines that the functions write, without their times.
func logged(t testing.TB, level string, write func(*telemetry.Telemetry)) string {
	t.Helper()
	var out bytes.Buffer
	observed, err := telemetry.New(t.Context(), telemetry.Config{Log: telemetry.LogConfig{Level: level}}, "vault", &out)
	if err != nil {
		t.Fatal(err)
	}
	observed.Flush()
	out.Reset()
	write(observed)
	observed.Flush()
	return regexp.MustCompile(`"time":"[^"]+"`).ReplaceAllString(out.String(), `"time":""`)
}

func compareLine(t *testing.T, level slog.Level, r telemetry.Request) {
	t.Helper()
	got := logged(t, "info", func(o *telemetry.Telemetry) { o.LogRequest(t.Context(), level, &r) })
	want := logged(t, "info", func(o *telemetry.Telemetry) { o.Log.LogAttrs(t.Context(), level, "request", attrsOf(r)...) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line of %+v (-slog +got):\n%s", r, diff)
	}
}

func TestLineOfARequestIsThatOfSlog(t *testing.T) {
	t.Parallel()
	whole := telemetry.Request{
		ID: "0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f", RPC: "keyward.vault.v1.VaultService/GetSecret", Code: "OK",
		Took: 250 * time.Microsecond, Peer: "192.0.2.1:4711", TraceID: "0af7651916cd43dd8448eb211c80319c",
		Subject: "https://issuer.example#ann", Authentication: "oidc", Address: "[2001:db8::1]:443",
	}
	with := func(change func(*telemetry.Request)) telemetry.Request {
		r := whole
		change(&r)
		return r
	}
	for name, r := range map[string]telemetry.Request{
		"all":            whole,
		"nothing":        {},
		"no caller":      {ID: whole.ID, RPC: whole.RPC, Code: "OK", Peer: whole.Peer},
		"no time at all": with(func(r *telemetry.Request) { r.Took = 0 }),
		"hours":          with(func(r *telemetry.Request) { r.Took = 1234567 * time.Second }),
		"quotes":         with(func(r *telemetry.Request) { r.Subject = `https://i#a"b\c` }),
		"HTML":           with(func(r *telemetry.Request) { r.Subject = `<a>&'` }),
		"other scripts":  with(func(r *telemetry.Request) { r.Subject = "https://i#añ\u2028雪" }),
		"not UTF-8":      with(func(r *telemetry.Request) { r.Subject = "a\xff\b\f\n\x7f" }),
		"a failure": with(func(r *telemetry.Request) {
			r.Code, r.Failure = "Internal", []slog.Attr{slog.String("reason", "INTERNAL"), slog.Any("fields", []string{"a"})}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareLine(t, slog.LevelInfo, r)
			compareLine(t, slog.LevelDebug, r) // which is off
		})
	}
	for _, line := range []telemetry.Request{whole, {}} {
		var decoded map[string]any
		text := logged(t, "debug", func(o *telemetry.Telemetry) { o.LogRequest(t.Context(), slog.LevelDebug, &line) })
		if err := json.Unmarshal([]byte(text), &decoded); err != nil || decoded["level"] != "DEBUG" {
			t.Errorf("the line is %q, %v, want JSON of level DEBUG", text, err)
		}
	}
}

func FuzzLineOfARequest(f *testing.F) {
	f.Add("id", "a/b", "OK", int64(1500), "192.0.2.1:1", "", "https://i#s")
	f.Add("\x00", "é", `"`, int64(-1), "\\", "\u2029", "\xff")
	f.Fuzz(func(t *testing.T, id, rpc, code string, took int64, peer, trace, subject string) {
		if took < 0 || took > int64(24*time.Hour) {
			took = 0
		}
		compareLine(t, slog.LevelInfo, telemetry.Request{
			ID: id, RPC: rpc, Code: code, Took: time.Duration(took), Peer: peer, TraceID: trace,
			Subject: subject, Authentication: "oidc", Address: peer,
		})
	})
}

func TestLineOfARequestNeedsNoMemory(t *testing.T) { //nolint:paralleltest // it counts allocations
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "vault", discard{})
	if err != nil {
		t.Fatal(err)
	}
	r := telemetry.Request{ID: "id", RPC: "a/b", Code: "OK", Took: time.Millisecond, Subject: "s", Peer: "p"}
	if n := testing.AllocsPerRun(1000, func() { observed.LogRequest(t.Context(), slog.LevelInfo, &r) }); n >= 1 {
		t.Errorf("a line allocates %v times, want none", n)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
