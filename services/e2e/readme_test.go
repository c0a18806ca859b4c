//go:build readme

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An example is one fenced block of commands in a page, with the following block of output, if
// there is one.
type example struct {
	line     int
	commands string
	output   string
}

// TestReadmeCommandsPrintWhatItSays runs every `sh` block of README.md in one shell, next to a
// standalone that is started like `make run`. A `text` block right after a block of commands is
// their expected output; `…` in it matches anything.
func TestReadmeCommandsPrintWhatItSays(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := parseExamples(string(readme))
	if len(examples) < 5 {
		t.Fatalf("README.md has %d examples that run, want at least 5", len(examples))
	}
	folder := t.TempDir()
	tools, err := filepath.Abs("../../.bin")
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "standalone", "--dir", filepath.Join(folder, ".keyward"))
	p.waitFor("Keyward is ready")

	built, err := programs()
	check(t, err)
	check(t, os.Symlink(built, filepath.Join(folder, "bin")))
	shell{page: "README.md", folder: folder, path: []string{tools}}.try(t, examples)
}

// A shell runs the examples of a page.
type shell struct {
	page   string
	folder string
	path   []string // before the path of the test
	env    []string
}

// try runs all commands in one shell, so that variables persist, and compares the output of each
// block with the page.
func (s shell) try(t *testing.T, examples []example) {
	t.Helper()
	outputs := s.run(t, examples)
	for i, ex := range examples {
		if ex.output != "" && !printed(ex.output, outputs[i]) {
			t.Errorf("%s:%d: the commands\n%s\nprint\n%s\nnot\n%s", s.page, ex.line, ex.commands, outputs[i], ex.output)
		}
	}
}

// run returns the output of each block.
func (s shell) run(t *testing.T, examples []example) []string {
	t.Helper()
	const marker = "----8<---- end of block"
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	for i, ex := range examples {
		fmt.Fprintf(&script, "%s\necho; echo '%s %d'\n", ex.commands, marker, i)
	}
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Dir = s.folder
	path := append(slices.Clone(s.path), os.Getenv("PATH"))
	cmd.Env = append(append(os.Environ(), "PATH="+strings.Join(path, string(os.PathListSeparator))), s.env...)
	cmd.Stdin = strings.NewReader(script.String())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	outputs := strings.Split(stdout.String(), marker)
	if err != nil {
		done := len(outputs) - 1
		t.Fatalf("%s:%d: the commands\n%s\nfail: %v\n%s%s", s.page, examples[done].line, examples[done].commands, err, outputs[done], stderr.String())
	}
	for i := 1; i < len(outputs); i++ {
		_, outputs[i], _ = strings.Cut(outputs[i], "\n")
	}
	return outputs
}

func parseExamples(readme string) []example {
	var examples []example
	var block []string
	language, start, follows := "", 0, false
	for i, line := range strings.Split(readme, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && language == "":
			language, start, block = fence+" ", i+1, nil
		case isFence:
			text := strings.Join(block, "\n")
			switch language {
			case "sh ":
				examples = append(examples, example{line: start, commands: text})
				follows = true
			case "text ":
				if follows {
					examples[len(examples)-1].output = text
				}
				follows = false
			default:
				follows = false
			}
			language = ""
		case language != "":
			block = append(block, line)
		case strings.TrimSpace(line) != "" && !strings.HasSuffix(line, ":"):
			follows = false // prose between commands and a block that does not belong to them
		}
	}
	return examples
}

// printed reports whether output matches the pattern, ignoring white space at the ends.
func printed(pattern, output string) bool {
	quoted := regexp.QuoteMeta(strings.TrimSpace(pattern))
	expression := "(?s)^" + strings.ReplaceAll(quoted, "…", ".*") + "$"
	return regexp.MustCompile(expression).MatchString(strings.TrimSpace(output))
}

// TestReadmeConfigurationsAreAccepted checks the configuration files in README.md with the
// programs.
func TestReadmeConfigurationsAreAccepted(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	check(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	configurations := make(map[string]string)
	for _, block := range blocks {
		switch text := block[1]; {
		case strings.Contains(text, "key_file:"):
			vault, _, _ := strings.Cut(text, "\nvault:")
			configurations["vault"], configurations["allowlist"] = vault, text
		case strings.Contains(text, "allowed_hosts:"):
			configurations["gateway"] = text
		}
	}
	folder, err := programs()
	check(t, err)
	for _, program := range []string{"vault", "allowlist", "gateway"} {
		path := filepath.Join(t.TempDir(), program+".yaml")
		check(t, os.WriteFile(path, []byte(configurations[program]), 0o600))
		if out, err := exec.CommandContext(t.Context(), filepath.Join(folder, program), "check", "--config", path).CombinedOutput(); err != nil {
			t.Errorf("%s check of README.md's configuration: %v\n%s", program, err, out)
		}
	}
}

// TestReadmeNamesGoalsThatMakeKnows checks that each target has a rule of exactly its name.
// Otherwise it is "up to date" where a file of that name exists, and an error in a fresh clone.
func TestReadmeNamesGoalsThatMakeKnows(t *testing.T) {
	pages := readFile(t, "../../README.md") + readFile(t, "../../docs/install.md")
	pins, err := filepath.Glob("../../tools/*/go.mod")
	check(t, err)
	goals := regexp.MustCompile("`make ([a-z./-]+)( [a-z]+)?`").FindAllStringSubmatch(pages, -1)
	if len(goals) < 6 {
		t.Fatalf("README.md and docs/install.md name %d goals, want at least 6", len(goals))
	}
	for _, goal := range goals {
		args := []string{"-C", "../..", "--no-print-directory", "--dry-run"}
		for _, pin := range pins {
			args = append(args, "--what-if="+strings.TrimPrefix(pin, "../../")) // no tool is installed
		}
		args = append(args, strings.Fields(goal[1]+goal[2])...)
		out, err := exec.CommandContext(t.Context(), "make", args...).CombinedOutput()
		unknown := strings.Contains(goal[1], "/") && strings.Contains(string(out), "Nothing to be done")
		if err != nil || unknown {
			t.Errorf("%s: %v\n%s", goal[0], err, out)
		}
	}
}

// TestDeployReadmeInstallsIntoAPlainSystem runs the lines of deploy/README.md that install files,
// in a folder with only the folders that systemd provides.
func TestDeployReadmeInstallsIntoAPlainSystem(t *testing.T) {
	readme, err := os.ReadFile("../../deploy/README.md")
	check(t, err)
	lines := regexp.MustCompile("(?m)^install .*$").FindAllString(string(readme), -1)
	if len(lines) < 5 {
		t.Fatalf("deploy/README.md installs %d times, want at least 5", len(lines))
	}
	folder := t.TempDir()
	check(t, os.CopyFS(filepath.Join(folder, "deploy"), os.DirFS("../../deploy")))
	check(t, os.MkdirAll(filepath.Join(folder, "etc/systemd/system"), 0o700))
	check(t, os.Mkdir(filepath.Join(folder, "bin"), 0o700))
	for _, file := range []string{"bin/vault", "bin/allowlist", "bin/gateway", "vault.key"} {
		check(t, os.WriteFile(filepath.Join(folder, file), nil, 0o600))
	}
	for _, line := range lines {
		line, _, _ = strings.Cut(line, "&&")
		line = strings.ReplaceAll(line, " /", " ./")
		line = regexp.MustCompile(` -g \S+`).ReplaceAllString(line, "") // only root can do that
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
}
