package keyform_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
)

// TestInteropRemediesWork runs the commands that problems name, and parses their output. It
// answers the questions that they ask a person.
func TestInteropRemediesWork(t *testing.T) {
	t.Parallel()
	want := public(t, fixture(t, "rsa.pem"))
	for _, tt := range []struct {
		name     string // of the file in testdata
		as, made string // what the command calls the file, and what it makes
		given    string // flags for what it asks for
		password string // of what it makes
	}{
		{"rsa-encrypted.pem", "key.pem", "key-plain.pem", " -passin pass:password", ""},
		{"rsa-encrypted.der", "key.pem", "key-plain.pem", " -passin pass:password", ""},
		{"rsa-encrypted-old.pem", "key.pem", "key-plain.pem", " -passin pass:password", ""},
		{"rsa-openssh-encrypted.pem", "copy-of-key", "copy-of-key", " -P password", ""},
		{"rsa-request.pem", "request.pem", "public.pem", "", ""},
		{"rsa-certificates.p7b", "file.p7b", "certificate.pem", "", ""},
		{"rsa.jks", "keystore.jks", "key.p12", " -srcstorepass password -deststorepass password", password},
		{"rsa-ssh2.pub", "key.pub", "key.pem", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			problem := keyform.Look(fixture(t, tt.name)).Problem
			if problem == nil {
				t.Fatal("there is no problem")
			}
			made := run(t, problem, tt.given, tt.as, tt.made, fixture(t, tt.name))
			if converted, from, err := keyform.Convert(made, tt.password); err != nil {
				t.Fatal(err)
			} else if from != "" {
				made = converted
			}
			if got := public(t, made); got != want {
				t.Error("the command makes another key")
			}
		})
	}
	_, _, err := keyform.Convert(fixture(t, "rsa.p12"), "another")
	problem, ok := errors.AsType[*keyform.Problem](err)
	if !ok {
		t.Fatal(err)
	}
	if got := public(t, run(t, problem, " -passin pass:password", "key.p12", "key.pem", fixture(t, "rsa.p12"))); got != want {
		t.Error("the command makes another key of PKCS #12")
	}
	small := keyform.Look(fixture(t, "rsa512.pem")).Problem
	if _, _, err := keyform.ParsePrivate(run(t, small, "", "ignored", "key.pem", nil)); err != nil {
		t.Errorf("the command makes no RSA key: %v", err)
	}
}

// run runs the command of a remedy in a folder with a file, and returns the file that it makes.
func run(t *testing.T, problem *keyform.Problem, given, as, made string, content []byte) []byte {
	t.Helper()
	_, command, found := strings.Cut(problem.Remedy, ": ")
	if !found {
		t.Fatalf("the remedy has no command: %s", problem.Remedy)
	}
	program, _, _ := strings.Cut(command, " ")
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(program + " is not installed")
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, as), content, 0o600); err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", command+given)
	shell.Dir = folder
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	result, err := os.ReadFile(filepath.Join(folder, made))
	if err != nil {
		t.Fatal(err)
	}
	return result
}
