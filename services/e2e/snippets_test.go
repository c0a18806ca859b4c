//go:build interop

package e2e

import (
	"os/exec"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/e2e/partnertest"
)

// A snippet is a program of a dry run, and the trial whose plaintext it must print.
type snippet struct {
	trial *trial
	code  string
}

// TestInteropProgramsOfDryRunsOpenTheirMessages runs a dry run of every configuration with a known
// answer of another tool, and runs the programs in the result. Needs node, and python3 with the
// package cryptography; with a JDK, also Java.
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
	judge(t, programs["node"], partnertest.RunNode(t, sourcesOf(programs["node"])))
	judge(t, programs["python"], partnertest.RunPython(t, sourcesOf(programs["python"])))
	if _, err := exec.LookPath("javac"); err != nil {
		t.Log("there is no JDK: the programs in Java are not run")
		return
	}
	judge(t, programs["java"], partnertest.RunJava(t, sourcesOf(programs["java"])))
}

// judge checks the output of programs.
func judge(t *testing.T, programs []snippet, printed [][]byte) {
	t.Helper()
	if len(printed) != len(programs)+1 || len(programs) < 100 {
		t.Fatalf("%d programs printed %d results, and this:\n%s", len(programs), len(printed)-1, printed[len(printed)-1])
	}
	for i, p := range programs {
		before := t.Failed()
		p.trial.same("the program of "+p.trial.v.ID, string(printed[i]), p.trial.input())
		if !before && t.Failed() {
			t.Logf("the first program that fails:\n%s", p.code)
		}
	}
}

// programs runs a dry run of the vector's configuration, and returns the programs by language.
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
		t.Errorf("%s: Keyward's own decryption does not return the sample", t.v.ID)
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

func sourcesOf(programs []snippet) []string {
	all := make([]string, len(programs))
	for i, p := range programs {
		all[i] = p.code
	}
	return all
}
