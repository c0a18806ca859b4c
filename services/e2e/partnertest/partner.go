// Package partnertest runs programs in interoperability tests: those that stand for a
// partner, with the packages from npm that `make interop` installs for all tests, and those
// that are made for one.
package partnertest

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// folder is that of the programs, seen from the packages of payload.
const folder = "../../../../e2e/testdata/interop/units"

// Ask gives jobs to a program, and reads its answers to them.
func Ask(t testing.TB, program string, jobs, answers any) {
	t.Helper()
	input, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	text := Run(t, "", input, "node", filepath.Join(filepath.FromSlash(folder), program))
	if err := json.Unmarshal(text, answers); err != nil {
		t.Fatalf("%s answers %.200q: %v", program, text, err)
	}
}

// Run runs a program in a folder, empty for the package's own, and returns its output.
func Run(t testing.TB, folder string, input []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdin = folder, bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return out
}
