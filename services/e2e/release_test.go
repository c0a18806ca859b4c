//go:build release

package e2e

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Tests of a release. They copy the tree, commit it there, and release the copy. They need Node,
// npm, git, jq, and the tools that `make reproducible` installs in .bin.

const releaseVersion = "v0.1.0"

// copyOfTree copies the files of the tree that git tracks or would add to a new folder, and
// commits them. Equal trees have equal commits.
func copyOfTree(t testing.TB) string {
	t.Helper()
	folder := t.TempDir()
	files := git(t, "../..", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	for name := range strings.SplitSeq(strings.TrimRight(files, "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join("../..", name))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		check(t, err)
		data, err := os.ReadFile(filepath.Join("../..", name))
		check(t, err)
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755))
		check(t, os.WriteFile(filepath.Join(folder, name), data, info.Mode().Perm()))
	}
	git(t, folder, "init", "--quiet")
	commitAll(t, folder)
	return folder
}

func commitAll(t testing.TB, folder string) {
	t.Helper()
	git(t, folder, "add", "--all")
	git(t, folder, "commit", "--quiet", "--message", "release")
}

func git(t testing.TB, folder string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.test", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.test", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// release builds the archive of one platform in a repository, and returns the folder of the
// archives. PLATFORMS chooses others.
func release(t testing.TB, repository, version string) (string, error) {
	t.Helper()
	if os.Getenv("PLATFORMS") == "" {
		t.Setenv("PLATFORMS", "linux/amd64")
	}
	out, err := try(t, filepath.Join(repository, "tools/release"), version)
	if push := "git push origin " + version + " pkg/" + version; err == nil && !strings.Contains(out, push) {
		t.Errorf("release printed %q, want the tags to push", out)
	}
	return filepath.Join(repository, "release"), err
}

func TestReleaseRefuses(t *testing.T) {
	tree := copyOfTree(t)
	change := func(name, old, new string) func() {
		return func() {
			path := filepath.Join(tree, name)
			text, err := os.ReadFile(path)
			check(t, err)
			if !strings.Contains(string(text), old) {
				t.Fatalf("%s does not contain %q", name, old)
			}
			check(t, os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644))
		}
	}
	tests := []struct {
		name    string
		version string
		change  func()
		commit  bool
		want    string
	}{
		{"an invalid version", "0.1.0", nil, false, "VERSION must be like v1.2.3"},
		{"a version that the changelog does not list", "v9.9.9", nil, false, "CHANGELOG.md has no section"},
		{"a chart of another version", releaseVersion, change("deploy/helm/keyward/Chart.yaml", `appVersion: "0.1.0"`, `appVersion: "0.0.9"`), true, "appVersion in deploy/helm/keyward/Chart.yaml is not 0.1.0"},
		{"a changed file", releaseVersion, change("README.md", "Keyward", "Backward"), false, "the working tree has changes"},
		{"a new file", releaseVersion, func() { check(t, os.WriteFile(filepath.Join(tree, "notes"), nil, 0o644)) }, false, "the working tree has changes"},
		{"modules that require another version", releaseVersion, change("pkg/go.mod", "keyward/proto v0.1.0", "keyward/proto v0.0.9"), true, "pkg/go.mod: github.com/keyward/keyward/proto v0.0.9"},
		{"a contract that differs from the stored one", releaseVersion, change("proto/keyward/access/v1/service.proto", "message GetCallerRequest {", "message GetCallerRequest { bool added = 99;"), true, "does not hold the contract of this commit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer git(t, tree, "clean", "--quiet", "--force")
			defer git(t, tree, "reset", "--quiet", "--hard", strings.TrimSpace(git(t, tree, "rev-parse", "HEAD")))
			if tt.change != nil {
				tt.change()
			}
			if tt.commit {
				commitAll(t, tree)
			}
			if _, err := release(t, tree, tt.version); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("release %s = %v, want %q", tt.version, err, tt.want)
			}
		})
	}
}

// TestReleaseIsReproducible releases twice, in two folders.
func TestReleaseIsReproducible(t *testing.T) {
	tree, clone := copyOfTree(t), filepath.Join(t.TempDir(), "elsewhere")
	git(t, tree, "clone", "--quiet", ".", clone)
	folder, err := release(t, tree, releaseVersion)
	check(t, err)
	again, err := release(t, clone, releaseVersion)
	check(t, err)
	first, second := archives(t, folder), archives(t, again)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two releases of one commit differ (-first +second):\n%s", diff)
	}
	checkSums(t, folder, first)
	for name := range first {
		checkArchive(t, filepath.Join(folder, name))
	}
}

// archives returns the digests of the archives in a folder.
func archives(t testing.TB, folder string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.tar.gz"))
	check(t, err)
	if len(paths) == 0 {
		t.Fatalf("%s contains no archive", folder)
	}
	sums := make(map[string]string)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		check(t, err)
		sum := sha256.Sum256(data)
		sums[filepath.Base(path)] = hex.EncodeToString(sum[:])
	}
	return sums
}

func checkSums(t testing.TB, folder string, want map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
	check(t, err)
	got := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got[name] = sum
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SHA256SUMS (-want +got):\n%s", diff)
	}
}

func checkArchive(t *testing.T, path string) {
	t.Helper()
	folder := t.TempDir()
	names := unpack(t, path, folder)
	if !slices.IsSorted(names) {
		t.Errorf("%s is not sorted: %v", filepath.Base(path), names)
	}
	top := strings.TrimSuffix(filepath.Base(path), ".tar.gz")
	for _, want := range []string{"LICENSE", "README.md", "CHANGELOG.md", "systemd/keyward-vault.service", "examples/vault.yaml", "sbom/console.cdx.json"} {
		if !slices.Contains(names, top+"/"+want) {
			t.Errorf("%s lacks %s", top, want)
		}
	}
	if page := command(t, "grep", "-c", "--text", "assets/index-", filepath.Join(folder, top, "gateway")); page == "0\n" {
		t.Error("the gateway does not contain the console")
	}
	checkSize(t, filepath.Join(folder, top, "vault"))
	validateBills(t, filepath.Join(folder, top, "sbom"))
	for _, program := range []string{"vault", "allowlist", "gateway", "standalone"} {
		checkBill(t, filepath.Join(folder, top, "sbom", program+".cdx.json"))
		if strings.HasSuffix(top, "_amd64") {
			got := command(t, filepath.Join(folder, top, program), "--version")
			if !strings.HasPrefix(got, program+" version "+releaseVersion+" (commit ") || !strings.Contains(got, "2026-01-02T03:04:05Z") {
				t.Errorf("%s --version = %q, want %s and its commit", program, got, releaseVersion)
			}
		}
	}
}

// checkSize reports the size of a program. The limit leaves room for new features; the clients of
// AWS KMS, Google Cloud KMS, and Vault take 6 MB of it. A program exceeds it when a dependency makes
// the linker keep every exported method.
func checkSize(t testing.TB, path string) {
	t.Helper()
	const limit = 36_000_000
	info, err := os.Stat(path)
	check(t, err)
	t.Logf("%s has %.1f MB", filepath.Base(path), float64(info.Size())/1e6)
	if info.Size() > limit {
		t.Errorf("%s has %d bytes, want at most %d", filepath.Base(path), info.Size(), limit)
	}
}

// unpack writes the files of an archive to a folder, and returns their names.
func unpack(t testing.TB, path, folder string) (names []string) {
	t.Helper()
	file, err := os.Open(path)
	check(t, err)
	defer file.Close()
	plain, err := gzip.NewReader(bufio.NewReader(file))
	check(t, err)
	for reader := tar.NewReader(plain); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		check(t, err)
		if header.Uid != 0 || header.Gid != 0 || header.ModTime.UTC().Format("2006-01-02") != "2026-01-02" {
			t.Errorf("%s belongs to %d and has the time %v, want root and the time of the commit", header.Name, header.Uid, header.ModTime)
		}
		target := filepath.Join(folder, header.Name)
		if header.Typeflag == tar.TypeDir {
			check(t, os.MkdirAll(target, 0o755))
			continue
		}
		names = append(names, header.Name)
		data, err := io.ReadAll(reader)
		check(t, err)
		check(t, os.WriteFile(target, data, header.FileInfo().Mode().Perm()))
	}
}

// validateBills validates the bills of materials in a folder against the schema of CycloneDX.
func validateBills(t testing.TB, folder string) {
	t.Helper()
	bills, err := filepath.Glob(filepath.Join(folder, "*.cdx.json"))
	check(t, err)
	if len(bills) != 5 {
		t.Errorf("%s contains %d bills of materials, want one for each program and one for the console", folder, len(bills))
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = "../../tools/sbom", append(os.Environ(), "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("go %s: %v\n%s", args[0], err, out)
		}
		return strings.TrimSpace(string(out))
	}
	schemas := run("list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go")
	run(append([]string{"run", "./validate", filepath.Join(schemas, "schema")}, bills...)...)
}

// checkBill checks for known contents of a program.
func checkBill(t testing.TB, path string) {
	t.Helper()
	type component struct {
		Ref                 string `json:"bom-ref"`
		Name, Version, Purl string
	}
	var bill struct {
		BomFormat, SpecVersion string
		Metadata               struct{ Component component }
		Components             []component
		Dependencies           []struct {
			Ref       string
			DependsOn []string
		}
	}
	data, err := os.ReadFile(path)
	check(t, err)
	check(t, json.Unmarshal(data, &bill))
	if bill.BomFormat != "CycloneDX" || bill.SpecVersion != "1.6" || bill.Metadata.Component.Version != releaseVersion {
		t.Errorf("%s is %s %s of %+v", path, bill.BomFormat, bill.SpecVersion, bill.Metadata.Component)
	}
	refs, names := map[string]bool{bill.Metadata.Component.Ref: true}, make(map[string]string)
	for _, c := range bill.Components {
		if refs[c.Ref] || c.Version == "" || !strings.HasPrefix(c.Purl, "pkg:golang/") || strings.Contains(c.Purl, "(devel)") {
			t.Errorf("%s lists %+v", path, c)
		}
		refs[c.Ref], names[c.Name] = true, c.Version
	}
	if names["google.golang.org/grpc"] == "" || names["std"] == "" || names[root+"pkg"] != releaseVersion {
		t.Errorf("%s lacks modules: %v", path, names)
	}
	for _, d := range bill.Dependencies {
		for _, ref := range append(d.DependsOn, d.Ref) {
			if !refs[ref] {
				t.Errorf("%s: a dependency refers to %s, which is not listed", path, ref)
			}
		}
	}
}

// TestBreakingReportsARemovedField runs in a folder without git, as in a shallow clone.
func TestBreakingReportsARemovedField(t *testing.T) {
	tree := copyOfTree(t)
	check(t, os.RemoveAll(filepath.Join(tree, ".git")))
	breaking := filepath.Join(tree, "tools/breaking")
	if out, err := try(t, breaking); err != nil || !strings.Contains(out, "compatible with "+releaseVersion) {
		t.Fatalf("breaking = %q, %v, want the contract to be compatible", out, err)
	}
	path := filepath.Join(tree, "proto/keyward/vault/v1/resources.proto")
	text, err := os.ReadFile(path)
	check(t, err)
	const field = "string masked_value = "
	lines := slices.DeleteFunc(strings.SplitAfter(string(text), "\n"), func(line string) bool { return strings.Contains(line, field) })
	check(t, os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644))
	if _, err := try(t, breaking); err == nil || !strings.Contains(err.Error(), `"masked_value"`) {
		t.Errorf("breaking without the field masked_value = %v, want it reported", err)
	}
}
