package partnertest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// RunNode runs JavaScript programs in one process, and returns the output of each, followed by any
// output after the last one.
func RunNode(t testing.TB, programs []string) [][]byte {
	t.Helper()
	folder := t.TempDir()
	var calls strings.Builder
	for i, code := range programs {
		writeFile(t, filepath.Join(folder, fmt.Sprintf("p%d.js", i)), code)
		fmt.Fprintf(&calls, "try { require('./p%d.js'); } catch (e) { process.stdout.write(e.stack); }\nprocess.stdout.write('\\0');\n", i)
	}
	all := filepath.Join(folder, "all.js")
	writeFile(t, all, calls.String())
	return bytes.Split(output(t, "node", all), []byte{0})
}

// RunPython runs Python programs in one process, and returns the output of each, followed by any
// output after the last one.
func RunPython(t testing.TB, programs []string) [][]byte {
	t.Helper()
	folder := t.TempDir()
	var calls strings.Builder
	calls.WriteString("import runpy, sys, traceback\n")
	for i, code := range programs {
		file := filepath.Join(folder, fmt.Sprintf("p%d.py", i))
		writeFile(t, file, code)
		fmt.Fprintf(&calls, "try: runpy.run_path(%q)\nexcept Exception: sys.stdout.buffer.write(traceback.format_exc().encode())\n", file)
		calls.WriteString("sys.stdout.buffer.write(b'\\0')\n")
	}
	all := filepath.Join(folder, "all.py")
	writeFile(t, all, calls.String())
	return bytes.Split(output(t, "python3", all), []byte{0})
}

// RunJava compiles Java programs with a class Open, each in its own package, runs them in one
// process, and returns the output of each, followed by any output after the last one.
func RunJava(t testing.TB, programs []string) [][]byte {
	t.Helper()
	folder := t.TempDir()
	arguments := []string{"-d", filepath.Join(folder, "classes")}
	var calls strings.Builder
	for i, code := range programs {
		file := filepath.Join(folder, fmt.Sprint("p", i), "Open.java")
		writeFile(t, file, fmt.Sprintf("package p%d;\n%s", i, code))
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

// RunShell runs programs for bash, and returns the output of each.
func RunShell(t testing.TB, programs []string) [][]byte {
	t.Helper()
	printed := make([][]byte, len(programs), len(programs)+1)
	for i, code := range programs {
		file := filepath.Join(t.TempDir(), "open.sh")
		writeFile(t, file, code)
		printed[i] = output(t, "bash", file)
	}
	return append(printed, nil) // nothing after the last one
}

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// output runs a program and returns its output, or why it failed.
func output(t testing.TB, name string, args ...string) []byte {
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
