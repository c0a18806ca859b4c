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

// TestReadmeCommandsPrintWhatItSays runs the `sh` blocks of each page in one shell, either next to
// a standalone that is started like `make run`, or by themselves. A `text` block right after a
// block of commands is their expected output; `…` in it matches anything.
func TestReadmeCommandsPrintWhatItSays(t *testing.T) {
	tools, err := filepath.Abs("../../.bin")
	check(t, err)
	built, err := programs()
	check(t, err)
	for _, p := range readPages(t) {
		where, ok := p.setting()
		if !ok || where.kind == "machine" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			folder := t.TempDir()
			s := shell{page: p.name, folder: folder, path: []string{tools}}
			check(t, os.Symlink(built, filepath.Join(folder, "bin")))
			if where.kind == "standalone" {
				standalone := start(t, "standalone", "--dir", filepath.Join(folder, ".keyward"))
				standalone.waitFor("Keyward is ready")
				defer standalone.stop() // the next page's needs the same ports
			}
			examples := p.examples()
			if where.after != "" {
				s.before = readPage(t, where.after).examples()
			}
			s.try(t, examples)
		})
	}
}

// A shell runs the examples of a page.
type shell struct {
	page   string
	folder string
	path   []string // before the path of the test
	env    []string
	before []example // of another page, which run first
}

// try runs all commands in one shell, so that variables persist, and compares the output of each
// block with the page.
func (s shell) try(t *testing.T, examples []example) {
	t.Helper()
	outputs := s.run(t, slices.Concat(s.before, examples))[len(s.before):]
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

// printed reports whether output is what the pattern says, white space at the ends aside.
func printed(pattern, output string) bool {
	quoted := regexp.QuoteMeta(strings.TrimSpace(pattern))
	expression := "(?s)^" + strings.ReplaceAll(quoted, "…", ".*") + "$"
	return regexp.MustCompile(expression).MatchString(strings.TrimSpace(output))
}

// TestReadmeConfigurationsAreAccepted gives the programs the configuration files that
// docs/configuration.md shows.
func TestReadmeConfigurationsAreAccepted(t *testing.T) {
	configurations := make(map[string]string)
	for _, b := range readPage(t, "docs/configuration.md").blocks() {
		switch {
		case b.language != "yaml":
		case strings.Contains(b.text, "key_file:"):
			vault, _, _ := strings.Cut(b.text, "\nvault:")
			configurations["vault"], configurations["allowlist"] = vault, b.text
		case strings.Contains(b.text, "allowed_hosts:"):
			configurations["gateway"] = b.text
		}
	}
	folder, err := programs()
	check(t, err)
	for _, program := range []string{"vault", "allowlist", "gateway"} {
		path := filepath.Join(t.TempDir(), program+".yaml")
		check(t, os.WriteFile(path, []byte(configurations[program]), 0o600))
		if out, err := exec.CommandContext(t.Context(), filepath.Join(folder, program), "check", "--config", path).CombinedOutput(); err != nil {
			t.Errorf("%s check of the page's configuration: %v\n%s", program, err, out)
		}
	}
}

// TestReadmeNamesGoalsThatMakeKnows checks that each target has a rule of exactly its name.
// Otherwise it is "up to date" where a file of that name exists, and an error in a fresh clone.
func TestReadmeNamesGoalsThatMakeKnows(t *testing.T) {
	var text strings.Builder
	for _, p := range readPages(t) {
		text.WriteString(p.text)
	}
	pins, err := filepath.Glob("../../tools/*/go.mod")
	check(t, err)
	goals := regexp.MustCompile("`make ([a-z./-]+)( [a-z]+)?`").FindAllStringSubmatch(text.String(), -1)
	if len(goals) < 6 {
		t.Fatalf("the pages name %d goals, want at least 6", len(goals))
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
