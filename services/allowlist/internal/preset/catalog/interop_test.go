//go:build interop

package catalog_test

import (
	"os/exec"
	"testing"

	"github.com/keyward/keyward/services/e2e/partnertest"
)

// TestInteropProgramsOfPagesOpenTheirSamples runs all programs of the pages of presets. It needs
// node, python3 with the package cryptography, and openssl, gpg, and jq; with a JDK, Java too.
func TestInteropProgramsOfPagesOpenTheirSamples(t *testing.T) {
	t.Parallel()
	type printing struct{ name, code, want string }
	programs := make(map[string][]printing)
	l, c := load(t)
	for _, p := range l.List() {
		for _, s := range c.Samples(p.GetId()) {
			for _, program := range s.Programs {
				programs[program.Language] = append(programs[program.Language], printing{p.GetId() + " " + s.Direction, program.Code, s.Plaintext})
			}
		}
	}
	run := map[string]func(testing.TB, []string) [][]byte{"node": partnertest.RunNode, "python": partnertest.RunPython, "shell": partnertest.RunShell}
	least := map[string]int{"node": 50, "python": 50, "java": 50, "shell": 6}
	if _, err := exec.LookPath("javac"); err == nil {
		run["java"] = partnertest.RunJava
	} else {
		t.Log("no JDK found: skipping the programs in Java")
	}
	for language, run := range run {
		all := programs[language]
		code := make([]string, len(all))
		for i, p := range all {
			code[i] = p.code
		}
		printed := run(t, code)
		if len(printed) != len(all)+1 || len(all) < least[language] {
			t.Fatalf("%d programs in %s printed %d plaintexts, and this:\n%s", len(all), language, len(printed)-1, printed[len(printed)-1])
		}
		for i, p := range all {
			if !partnertest.SameDocument([]byte(p.want), printed[i]) {
				t.Errorf("%s: the program in %s prints %q, want %q\n%s", p.name, language, printed[i], p.want, p.code)
			}
		}
	}
}
