package e2e

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// These tests check the repository itself, for its developers.

const repositoryRoot = "../.."

// tracked returns the files of the repository with a given base name.
func tracked(t testing.TB, name string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", "--", name, "*/"+name)
	cmd.Dir = repositoryRoot
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("not a git repository: %v", err)
	}
	return strings.Fields(string(out))
}

func TestDependabotCoversEveryModuleAndPackage(t *testing.T) {
	t.Parallel()
	var config struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
		}
	}
	check(t, yaml.Unmarshal([]byte(readFile(t, repositoryRoot+"/.github/dependabot.yml")), &config))
	covered := make(map[string][]string)
	for _, update := range config.Updates {
		covered[update.Ecosystem] = append(append(covered[update.Ecosystem], update.Directories...), update.Directory)
	}
	for ecosystem, name := range map[string]string{"gomod": "go.mod", "npm": "package.json", "docker": "Dockerfile"} {
		files := tracked(t, name)
		if len(files) == 0 {
			t.Errorf("found no %s", name)
		}
		for _, file := range files {
			folder := "/" + path.Dir(file)
			if !slices.ContainsFunc(covered[ecosystem], func(pattern string) bool { ok, _ := path.Match(pattern, folder); return ok }) {
				t.Errorf("dependabot.yml does not list %s under %s", folder, ecosystem)
			}
		}
	}
	if len(covered["github-actions"]) == 0 {
		t.Error("dependabot.yml does not update the actions")
	}
}

func TestTheWorkflowRunsCIWithFewRights(t *testing.T) {
	t.Parallel()
	var workflow struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Permissions map[string]string
			Steps       []struct{ Uses, Run string }
		}
	}
	check(t, yaml.Unmarshal([]byte(readFile(t, repositoryRoot+"/.github/workflows/ci.yml")), &workflow))
	if len(workflow.Permissions) != 1 || workflow.Permissions["contents"] != "read" {
		t.Errorf("the permissions are %v, want only to read contents", workflow.Permissions)
	}
	pinned := regexp.MustCompile(`@v\d+\.\d+\.\d+$`)
	runs := false
	for name, job := range workflow.Jobs {
		if job.Permissions != nil {
			t.Errorf("the job %s has permissions of its own: %v", name, job.Permissions)
		}
		for _, step := range job.Steps {
			runs = runs || step.Run == ".ci/run"
			if step.Uses != "" && !pinned.MatchString(step.Uses) {
				t.Errorf("%s is not pinned to a version", step.Uses)
			}
		}
	}
	if !runs {
		t.Error("no step calls .ci/run")
	}
}

func TestCodeOwnersNameFoldersThatExist(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(readFile(t, repositoryRoot+"/.github/CODEOWNERS")) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") || fields[0] == "*" {
			continue
		}
		if _, err := os.Stat(filepath.Join(repositoryRoot, fields[0])); err != nil {
			t.Errorf("CODEOWNERS names %s, which does not exist", fields[0])
		}
		if len(fields) < 2 {
			t.Errorf("%s has no owner", fields[0])
		}
	}
}

// TestTheChangelogIsKept checks that CHANGELOG.md follows Keep a Changelog, and that the contract
// of the newest release is the one that `make breaking` compares with.
func TestTheChangelogIsKept(t *testing.T) {
	t.Parallel()
	text := readFile(t, repositoryRoot+"/CHANGELOG.md")
	if !strings.Contains(text, "\n## [Unreleased]\n") {
		t.Error("CHANGELOG.md has no section Unreleased")
	}
	kinds := []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Contract"}
	for _, kind := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(kinds, kind[1]) {
			t.Errorf("CHANGELOG.md has a section %q, want one of %v", kind[1], kinds)
		}
	}
	versions := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$`).FindAllStringSubmatch(text, -1)
	if len(versions) == 0 {
		t.Fatal("CHANGELOG.md lists no release")
	}
	for _, version := range versions {
		if !strings.Contains(text, "\n["+version[1]+"]: https://") {
			t.Errorf("CHANGELOG.md has no link for %s", version[1])
		}
	}
	if _, err := os.Stat(repositoryRoot + "/proto/released/v" + versions[0][1] + ".binpb.gz"); err != nil {
		t.Errorf("the contract of %s is not stored: run make contract", versions[0][1])
	}
}

func TestPagesOfTheRepositoryLinkToFilesThatExist(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#: ]+)\)`)
	for _, page := range []string{"CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "examples/README.md"} {
		for _, to := range link.FindAllStringSubmatch(readFile(t, filepath.Join(repositoryRoot, page)), -1) {
			if _, err := os.Stat(filepath.Join(repositoryRoot, filepath.Dir(page), to[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, to[1])
			}
		}
	}
}
