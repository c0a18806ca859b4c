package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/failpoint"
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

// TestReleasesHaveNoFailpoints checks that no way to end a program in the middle is in it. The name of
// the empty function remains.
func TestReleasesHaveNoFailpoints(t *testing.T) {
	t.Parallel()
	folder, err := programs()
	check(t, err)
	for _, program := range []string{"vault", "allowlist", "gateway", "standalone"} {
		binary, err := os.ReadFile(filepath.Join(folder, program))
		check(t, err)
		if bytes.Contains(binary, []byte("KEYWARD_FAILPOINT")) {
			t.Errorf("%s contains the variable for failpoints", program)
		}
		for _, point := range failpoint.All() {
			if bytes.Contains(binary, []byte(point.String())) {
				t.Errorf("%s contains the failpoint %s", program, point)
			}
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
