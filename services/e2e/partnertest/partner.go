// Package partnertest runs programs for interoperability tests: programs that act as a partner,
// with the npm packages that `make interop` installs for all tests, and programs that are
// generated for a partner.
package partnertest

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// folder is the folder of the programs, relative to the packages of payload.
const folder = "../../../../e2e/testdata/interop/units"

// Ask sends jobs to a program, and reads its answers.
func Ask(t testing.TB, program string, jobs, answers any) {
	t.Helper()
	input, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	text := Run(t, "", input, "node", filepath.Join(filepath.FromSlash(folder), program))
	if err := json.Unmarshal(text, answers); err != nil {
		t.Fatalf("%s answered %.200q: %v", program, text, err)
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
