//go:build deploy || release

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command runs a program and returns its standard output. It fails the test if the program fails.
func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := try(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}

// try runs a program, with .bin first in the path. The error contains the output of the program.
func try(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	tools, err := filepath.Abs("../../.bin")
	check(t, err)
	if path := filepath.Join(tools, name); !strings.ContainsRune(name, filepath.Separator) {
		if _, err := os.Stat(path); err == nil {
			name = path
		}
	}
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w\n%s%s", err, out, stderr.String())
	}
	return string(out), err
}
