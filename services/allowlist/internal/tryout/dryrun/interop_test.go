//go:build interop

package dryrun_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/dryrun"
)

// These tests need node and a JDK. They run the programs of dry runs, which must print
// the sample.

func TestInteropProgramsOfPresetsOpenTheirMessages(t *testing.T) {
	t.Parallel()
	var javas []compiled
	for _, preset := range presets(t) {
		for _, direction := range []payload.Direction{payload.Request, payload.Response} {
			name := fmt.Sprintf("%s %d", preset.GetId(), direction)
			sample := sampleOf(t, preset.GetEncryption(), direction)
			result, err := dryrun.Throwaway(sample)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if len(result.Programs) == 0 && preset.GetId() != "openpgp" {
				t.Errorf("%s has no program", name)
			}
			for _, p := range result.Programs {
				if p.Language == "java" {
					javas = append(javas, compiled{name: name, code: p.Code, want: sample.Body})
					continue
				}
				check(t, name+" in node", p.Code, sample.Body, runNode(t, p.Code))
			}
		}
	}
	runJava(t, javas)
}

func check(t *testing.T, name, code string, want, got []byte) {
	t.Helper()
	if !sameDocument(want, got) {
		t.Errorf("%s prints %q, want %q\n%s", name, got, want, code)
	}
}

func runNode(t *testing.T, code string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "open.js")
	write(t, file, code)
	return run(t, "node", file)
}

// compiled is a Java program with what it prints.
type compiled struct {
	name, code string
	want       []byte
}

// runJava compiles all programs at once, each in a package of its own, and runs them in
// one machine: starting one takes a second.
func runJava(t *testing.T, programs []compiled) {
	t.Helper()
	folder := t.TempDir()
	files := []string{"-d", filepath.Join(folder, "classes")}
	var calls strings.Builder
	for i, p := range programs {
		pkg := fmt.Sprintf("p%d", i)
		file := filepath.Join(folder, pkg, "Open.java")
		write(t, file, "package "+pkg+";\n"+p.code)
		files = append(files, file)
		fmt.Fprintf(&calls, "    try { %s.Open.main(args); } catch (Exception e) { System.out.print(e); }\n    System.out.write(0);\n", pkg)
	}
	all := filepath.Join(folder, "All.java")
	write(t, all, "public class All {\n  public static void main(String[] args) throws Exception {\n"+calls.String()+"    System.out.flush();\n  }\n}\n")
	run(t, "javac", append(files, all)...)
	outputs := bytes.Split(run(t, "java", "-cp", filepath.Join(folder, "classes"), "All"), []byte{0})
	if len(outputs) != len(programs)+1 {
		t.Fatalf("%d programs printed %d texts", len(programs), len(outputs)-1)
	}
	for i, p := range programs {
		check(t, p.name+" in Java", p.code, p.want, outputs[i])
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a program and returns what it prints, or why it failed.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return []byte(err.Error() + "\n" + stderr.String())
	}
	return out
}
