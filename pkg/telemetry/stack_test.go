package telemetry_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/telemetry"
)

func TestAStackNamesFunctionsAndLinesOnly(t *testing.T) {
	t.Parallel()
	stack := called([16]byte{1, 2, 3})
	if len(stack) < 2 || !strings.HasPrefix(stack[0], "pkg/telemetry_test.called:") ||
		!strings.HasPrefix(stack[1], "pkg/telemetry_test.TestAStackNamesFunctionsAndLinesOnly:") {
		t.Errorf("Stack(0) = %q, want called and its test", stack)
	}
	if skipped := telemetry.Stack(1); strings.Contains(skipped[0], "TestAStack") {
		t.Errorf("Stack(1) = %q, want the caller left out", skipped)
	}
	if none := telemetry.Frames(nil); none != nil {
		t.Errorf("Frames(nil) = %q, want nothing", none)
	}
}

//go:noinline
func called([16]byte) []string { return telemetry.Stack(0) }
