package telemetry

import (
	"fmt"
	"runtime"
	"strings"
)

const maxFrames = 48

// Stack returns the functions and lines of the call stack, innermost first, without the innermost
// skip functions; 0 starts with the caller of Stack.
//
// Unlike the stack of package debug, it contains no arguments, which could be parts of a key.
func Stack(skip int) []string {
	pcs := make([]uintptr, maxFrames)
	return Frames(pcs[:runtime.Callers(skip+2, pcs)])
}

// Frames is [Stack] for the stack that runtime.Callers recorded elsewhere.
func Frames(pcs []uintptr) []string {
	if len(pcs) == 0 {
		return nil
	}
	var stack []string
	frames := runtime.CallersFrames(pcs)
	for {
		frame, more := frames.Next()
		stack = append(stack, fmt.Sprintf("%s:%d", strings.TrimPrefix(frame.Function, "github.com/keyward/keyward/"), frame.Line))
		if !more {
			return stack
		}
	}
}
