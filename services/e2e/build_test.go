package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEachProgramReportsItsBuild(t *testing.T) {
	t.Parallel()
	folder, err := programs()
	check(t, err)
	for _, program := range []string{"vault", "allowlist", "gateway", "standalone"} {
		out, err := exec.CommandContext(t.Context(), filepath.Join(folder, program), "--version").Output()
		check(t, err)
		want := regexp.MustCompile(`^` + program + ` version \S+ \(commit \S+, .*, go1\.\S+, \w+/\w+\)\n$`)
		if !want.Match(out) {
			t.Errorf("%s --version = %q, want %v", program, out, want)
		}
	}
}

func TestTheBuildIsOnTheMetricsPort(t *testing.T) {
	t.Parallel()
	p := start(t, "standalone", "--dir", t.TempDir(), "--grpc", "127.0.0.1:0", "--json", "127.0.0.1:0",
		"--metrics", "127.0.0.1:0", "--log-level", "info")
	metrics := p.waitFor("metrics")
	p.waitFor("Keyward is ready")
	if got := string(scrape(t, metrics)); !strings.Contains(got, "keyward_build_info{commit=") {
		t.Error("the metrics lack keyward_build_info")
	}
	first, _, _ := strings.Cut(p.errors(), "\n")
	if !strings.Contains(first, `"msg":"starting"`) || !strings.Contains(first, `"version":"`) {
		t.Errorf("the first line of the log is %s, want the build", first)
	}
}

// errors returns the standard error output so far.
func (p *process) errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}
