package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/telemetry"
)

// output is the output of a log. While it is stuck, writes wait.
type output struct {
	stuck sync.Mutex
	mutex sync.Mutex
	text  bytes.Buffer
	calls int
}

func (o *output) Write(p []byte) (int, error) {
	o.stuck.Lock()
	defer o.stuck.Unlock()
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.calls++
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}

func observing(t *testing.T) (*telemetry.Telemetry, *output) {
	t.Helper()
	out := new(output)
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", out)
	if err != nil {
		t.Fatal(err)
	}
	observed.Flush()
	return observed, out
}

func TestLinesAreWrittenTogetherAndSoon(t *testing.T) {
	t.Parallel()
	observed, out := observing(t)
	before := out.calls
	for range 100 {
		observed.Log.Info("a line")
	}
	deadline := time.Now().Add(10 * time.Second)
	for strings.Count(out.String(), "a line") < 100 {
		if time.Now().After(deadline) {
			t.Fatal("the lines were not written")
		}
		time.Sleep(time.Millisecond)
	}
	if n := out.calls - before; n > 50 {
		t.Errorf("100 lines took %d writes", n)
	}
}

func TestWarningsAndErrorsAreWrittenAtOnce(t *testing.T) {
	t.Parallel()
	for _, level := range []slog.Level{slog.LevelWarn, slog.LevelError} {
		observed, out := observing(t)
		derived := observed.Log.With("a", 1).WithGroup("g")
		observed.Log.Info("before")
		derived.Log(t.Context(), level, "urgent")
		if text := out.String(); !strings.Contains(text, "before") || !strings.Contains(text, "urgent") {
			t.Errorf("%v: the output is %q when the call returns, want both lines", level, text)
		}
	}
}

func TestCloseWritesTheLastLines(t *testing.T) {
	t.Parallel()
	observed, out := observing(t)
	observed.Log.Info("the last line")
	if err := observed.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "the last line") {
		t.Error("Close() lost the last line")
	}
}

func TestStuckOutputDropsAndCountsLines(t *testing.T) {
	t.Parallel()
	observed, out := observing(t)
	out.stuck.Lock()
	begin, text := time.Now(), strings.Repeat("x", 100_000)
	for range 30 { // three times what may wait, with what is being written
		observed.Log.Info("a long line", "text", text)
	}
	observed.Log.Error("an error")
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("callers waited %v for an output that is stuck", took)
	}
	out.stuck.Unlock()
	observed.Flush()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var dropped float64
	for _, line := range lines {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("a line is not whole: %.100s", line)
		}
		if strings.HasPrefix(got["msg"].(string), "log lines were dropped") {
			dropped += got["lines"].(float64)
		}
	}
	written := strings.Count(out.String(), text)
	if dropped < 9 || written < 9 {
		t.Errorf("%v lines were dropped, and %d written, want some of each", dropped, written)
	}
	families, err := observed.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "keyward_log_dropped_lines_total" {
			if got := family.GetMetric()[0].GetCounter().GetValue(); got != dropped {
				t.Errorf("keyward_log_dropped_lines_total = %v, want %v", got, dropped)
			}
			return
		}
	}
	t.Error("dropped lines are not counted")
}
