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

// A printing is a program with what it has to print.
type printing struct {
	name, code string
	want       []byte
}

// TestInteropProgramsOfPresetsOpenTheirMessages needs node; with a JDK,
// Java too.
func TestInteropProgramsOfPresetsOpenTheirMessages(t *testing.T) {
	t.Parallel()
	programs := make(map[string][]printing)
	for _, preset := range presets(t) {
		for _, direction := range []payload.Direction{payload.Request, payload.Response} {
			name := fmt.Sprintf("%s %d", preset.GetId(), direction)
			sample := sampleOf(t, preset.GetEncryption(), direction)
			result, err := dryrun.Throwaway(sample)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !result.Opened {
				t.Errorf("%s: our own decryption does not give the sample back", name)
			}
			if len(result.Programs) == 0 && preset.GetId() != "openpgp" {
				t.Errorf("%s has no program", name)
			}
			for _, p := range result.Programs {
				programs[p.Language] = append(programs[p.Language], printing{name, p.Code, sample.Body})
			}
		}
	}
	for name, sample := range awkward(t) {
		for _, p := range throwaway(t, sample).Programs {
			programs[p.Language] = append(programs[p.Language], printing{name, p.Code, sample.Body})
		}
	}
	judge(t, programs["node"], runNode(t, programs["node"]))
	if _, err := exec.LookPath("javac"); err != nil {
		t.Log("there is no JDK: the programs in Java are not run")
		return
	}
	judge(t, programs["java"], runJava(t, programs["java"]))
}

// awkward are samples with what a program must not stumble over.
func awkward(t *testing.T) map[string]dryrun.Sample {
	t.Helper()
	data := ` blobs { key: "data" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } encoding: ENCODING_%s } }`
	base64, raw, lines := fmt.Sprintf(data, "BASE64"), fmt.Sprintf(data, "RAW"), fmt.Sprintf(data, "BASE64_MIME")
	long := strings.Repeat("0123456789 é\n", 20)
	return map[string]dryrun.Sample{
		"a template of quotes":    sampleFor(t, shared+`envelope { `+base64+` text: "'\"\\ /*x*/ // $`+"`"+`\n<${data}>\u00e9" }`, "a text"),
		"members of quotes":       sampleFor(t, shared+`envelope { `+base64+` json: "{\"a\\\"'\\\\b\":[{\"\\u00e9\":\"<${data}>\"},null,\"${*}\"]}" }`, "a text"),
		"bytes":                   sampleFor(t, shared+`envelope { `+raw+` text: "${data}" }`, "a text"),
		"nothing":                 sampleFor(t, shared, ""),
		"paths of quotes":         sampleFor(t, shared+`selection { fields { paths: "$['it\\'s \"a\" \\\\']" } }`, `{"it's \"a\" \\": [1.10, 12345678901234567890]}`),
		"an object in a document": sampleFor(t, shared+`selection { object { path: "$.a[1]" } } envelope { `+base64+` json: "{\"x\":\"${data}\"}" }`, `{"a": [1, {"n": 1.10}, 2] , "b":"]}"}`),
		"lines":                   sampleFor(t, shared+`envelope { `+lines+` text: "<${data}>" }`, long),
		"lines in a document":     sampleFor(t, shared+`envelope { `+lines+` json: "{\"x\":\"${data}\"}" }`, long),
		"lines in lines":          sampleFor(t, shared+`envelope { `+lines+` text: "${data}" encoding: ENCODING_BASE64_MIME }`, long),
		"lines in fields":         sampleFor(t, shared+`selection { fields { paths: "$.a" } } envelope { `+lines+` text: "${data}" }`, `{"a":"`+strings.Repeat("x", 100)+`"}`),
		"a large body":            sampleFor(t, shared, strings.Repeat("0123456789 é\n", 4000)),
	}
}

// judge checks what programs printed.
func judge(t *testing.T, programs []printing, printed [][]byte) {
	t.Helper()
	if len(printed) != len(programs)+1 || len(programs) < 50 {
		t.Fatalf("%d programs printed %d texts, and this:\n%s", len(programs), len(printed)-1, printed[len(printed)-1])
	}
	for i, p := range programs {
		if !sameDocument(p.want, printed[i]) {
			t.Errorf("%s prints %q, want %q\n%s", p.name, printed[i], p.want, p.code)
		}
	}
}

// runNode runs all programs in one process, and returns what each printed.
func runNode(t *testing.T, programs []printing) [][]byte {
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
func runJava(t *testing.T, programs []printing) [][]byte {
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
