//go:build interop

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// A snippet is a program of a dry run, and the trial whose plaintext it must print.
type snippet struct {
	trial *trial
	code  string
}

// TestInteropProgramsOfDryRunsOpenTheirMessages has every configuration that another tool
// made a known answer for tried with throw-away keys, and runs the programs that come
// with the result. Needs node; with a JDK, Java too.
func TestInteropProgramsOfDryRunsOpenTheirMessages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var vectors []vector
	for _, folder := range vectorFolders() {
		vectors = append(vectors, readVectors(t, folder)...)
	}
	programs := make(map[string][]snippet)
	for _, v := range vectors {
		if _, outside := outsideTheModel()[v.ID]; outside || v.Expect != "accept" {
			continue
		}
		trial := newTrial(t, b, v)
		for language, code := range trial.programs() {
			programs[language] = append(programs[language], snippet{trial, code})
		}
	}
	judge(t, programs["node"], runNode(t, programs["node"]))
	if _, err := exec.LookPath("javac"); err != nil {
		t.Log("there is no JDK: the programs in Java are not run")
		return
	}
	judge(t, programs["java"], runJava(t, programs["java"]))
}

// judge checks what programs printed.
func judge(t *testing.T, programs []snippet, printed [][]byte) {
	t.Helper()
	if len(printed) != len(programs)+1 || len(programs) < 100 {
		t.Fatalf("%d programs printed %d texts, and this:\n%s", len(programs), len(printed)-1, printed[len(printed)-1])
	}
	for i, p := range programs {
		before := t.Failed()
		p.trial.same("the program of "+p.trial.v.ID, string(printed[i]), p.trial.input())
		if !before && t.Failed() {
			t.Logf("the first program that fails:\n%s", p.code)
		}
	}
}

// programs tries the vector's configuration, and returns the programs by language.
func (t *trial) programs() map[string]string {
	t.Helper()
	request := &allowlistv1.TestEncryptionRequest{
		Name: t.workspace + "/endpoints/-", Encryption: t.encryption(), Kind: t.kind, Body: []byte(t.input()), Context: t.context(),
	}
	tested, err := t.owner.TestEncryption(t.Context(), request)
	if errorReason(err) == "LEGACY_NOT_ACKNOWLEDGED" {
		acknowledge(t, request.GetEncryption(), errorMetadata(err)["flags"])
		tested, err = t.owner.TestEncryption(t.Context(), request)
	}
	if err != nil {
		t.Errorf("TestEncryption of %s: %v", t.v.ID, describe(err))
		return nil
	}
	if !tested.GetOpened() {
		t.Errorf("%s: our own decryption does not give the sample back", t.v.ID)
	}
	if len(tested.GetSnippets()) == 0 && t.p.Kind != "pgp" {
		t.Errorf("%s has no program", t.v.ID)
	}
	programs := make(map[string]string)
	for _, s := range tested.GetSnippets() {
		programs[s.GetLanguage()] = s.GetCode()
	}
	return programs
}

// runNode runs all programs in one process, and returns what each printed.
func runNode(t *testing.T, programs []snippet) [][]byte {
	t.Helper()
	folder := t.TempDir()
	var calls strings.Builder
	for i, p := range programs {
		writeFile(t, filepath.Join(folder, fmt.Sprintf("p%d.js", i)), p.code)
		fmt.Fprintf(&calls, "try { require('./p%d.js'); } catch (e) { process.stdout.write(e.stack); }\nprocess.stdout.write('\\0');\n", i)
	}
	all := filepath.Join(folder, "all.js")
	writeFile(t, all, calls.String())
	return bytes.Split(output(t, "node", all), []byte{0})
}

// runJava compiles all programs, each in a package of its own, runs them in one process,
// and returns what each printed.
func runJava(t *testing.T, programs []snippet) [][]byte {
	t.Helper()
	folder := t.TempDir()
	arguments := []string{"-d", filepath.Join(folder, "classes")}
	var calls strings.Builder
	for i, p := range programs {
		file := filepath.Join(folder, fmt.Sprint("p", i), "Open.java")
		writeFile(t, file, fmt.Sprintf("package p%d;\n%s", i, p.code))
		arguments = append(arguments, file)
		fmt.Fprintf(&calls, "try { p%d.Open.main(args); } catch (Exception e) { System.out.print(e); }\nSystem.out.write(0);\n", i)
	}
	all := filepath.Join(folder, "All.java")
	writeFile(t, all, "public class All { public static void main(String[] args) throws Exception {\n"+calls.String()+"System.out.flush(); } }\n")
	if said := output(t, "javac", append(arguments, all)...); len(said) > 0 {
		t.Fatalf("javac: %s", said)
	}
	return bytes.Split(output(t, "java", "-cp", filepath.Join(folder, "classes"), "All"), []byte{0})
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// output runs a program and returns what it prints, or why it failed.
func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	printed, err := cmd.Output()
	if err != nil {
		return []byte(err.Error() + "\n" + stderr.String())
	}
	return printed
}
