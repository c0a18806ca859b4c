//go:build deploy

package e2e

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/auth"
)

// These tests check the files in deploy/ as far as possible without a container engine, a cluster,
// and systemd as the first process. They need root, bash, jq, openssl, curl, strace,
// systemd-analyze, and the tools that `make deploy-check` installs in .bin.

const deployDir = "../../deploy"

// images makes the root folders of all images once, as the Dockerfile does, and
// returns their folder.
var images = sync.OnceValues(func() (string, error) {
	folder := filepath.Join(scratch, "images")
	for _, program := range []string{"vault", "allowlist", "gateway", "standalone"} {
		cmd := exec.Command(deployDir+"/image-root.sh", program, filepath.Join(folder, program))
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("image-root.sh %s: %w\n%s", program, err, out)
		}
	}
	return folder, os.Chmod(scratch, 0o755) // the user of the images needs access
})

func imageRoot(t testing.TB, program string) string {
	t.Helper()
	folder, err := images()
	check(t, err)
	return filepath.Join(folder, program)
}

func TestDeployImagesHoldOneProgramAndNoMore(t *testing.T) {
	for _, program := range []string{"vault", "allowlist", "gateway", "standalone"} {
		root := imageRoot(t, program)
		var got []string
		check(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 || info.Mode().Type() != fs.ModeSymlink && info.Mode().Perm()&0o022 != 0 {
				t.Errorf("%s: %s has mode %v", program, path, info.Mode())
			}
			if !entry.IsDir() {
				got = append(got, strings.TrimPrefix(path, root))
			}
			return nil
		}))
		want := []string{"/etc/group", "/etc/passwd", "/etc/ssl/certs/ca-certificates.crt", "/keyward", "/usr/bin/" + program}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the image of %s contains (-want +got)\n%s", program, diff)
		}
		binary, err := elf.Open(filepath.Join(root, "keyward"))
		check(t, err)
		if libraries, err := binary.ImportedLibraries(); err == nil && len(libraries) > 0 || binary.Section(".interp") != nil {
			t.Errorf("%s needs a loader or libraries: %v", program, libraries)
		}
		check(t, binary.Close())
		var data syscall.Stat_t
		check(t, syscall.Stat(filepath.Join(root, "var/lib/keyward"), &data))
		if data.Uid != 65532 {
			t.Errorf("%s: the folder for data belongs to user %d, want 65532", program, data.Uid)
		}
	}
}

// TestDeployImagesAreLabeled looks at the last stage of the Dockerfile, which is the image.
func TestDeployImagesAreLabeled(t *testing.T) {
	text, err := os.ReadFile(deployDir + "/Dockerfile")
	check(t, err)
	_, stage, found := strings.Cut(string(text), "\nFROM ${BASE} AS program\n")
	if !found {
		t.Fatal("the Dockerfile has no stage `program`")
	}
	for label, want := range map[string]string{
		"title": "keyward-${PROGRAM}", "version": "${VERSION}", "revision": "${REVISION}",
		"source": "https://github.com/keyward/keyward", "licenses": "Apache-2.0",
	} {
		if line := fmt.Sprintf("org.opencontainers.image.%s=%q", label, want); !strings.Contains(stage, line) {
			t.Errorf("the image has no label %s", line)
		}
	}
	for _, arg := range []string{"ARG VERSION", "ARG REVISION"} {
		if strings.Count(string(text), "\n"+arg) != 2 {
			t.Errorf("%s must reach both the build and the labels", arg)
		}
	}
}

func TestDeployProgramsStartInTheirImages(t *testing.T) {
	for _, program := range []string{"vault", "allowlist", "gateway", "standalone"} {
		cmd := exec.CommandContext(t.Context(), "/keyward", "--help")
		cmd.Dir = "/var/lib/keyward"
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Chroot:     imageRoot(t, program),
			Credential: &syscall.Credential{Uid: 65532, Gid: 65532},
		}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Usage:") {
			t.Errorf("%s --help in its image: %v\n%s", program, err, out)
		}
	}
}

// TestDeployImageIsReproducibleFromItsContext builds again, in another place, from only the files
// that Dockerfile.dockerignore admits.
func TestDeployImageIsReproducibleFromItsContext(t *testing.T) {
	context := filepath.Join(t.TempDir(), "elsewhere")
	ignore, err := os.ReadFile(deployDir + "/Dockerfile.dockerignore")
	check(t, err)
	for line := range strings.Lines(string(ignore)) {
		line = strings.TrimSpace(line)
		path, taken := strings.CutPrefix(line, "!")
		switch {
		case line == "" || line == "*" || strings.HasPrefix(line, "#"):
		case taken:
			check(t, os.MkdirAll(filepath.Dir(filepath.Join(context, path)), 0o755))
			command(t, "cp", "-a", "../../"+path, filepath.Join(context, path))
		default:
			name := strings.TrimPrefix(line, "**/")
			if name == line {
				check(t, os.RemoveAll(filepath.Join(context, line)))
				continue
			}
			command(t, "find", context, "-name", name, "-prune", "-exec", "rm", "-r", "{}", "+")
		}
	}
	again := filepath.Join(t.TempDir(), "again")
	command(t, filepath.Join(context, "deploy/image-root.sh"), "gateway", again)
	sums := func(root string) string {
		const list = `cd "$1" && find . -printf '%M %U %G %T@ %p %l\n' | sort && find . -type f -exec sha256sum {} + | sort`
		return command(t, "bash", "-c", list, "sums", root)
	}
	if diff := cmp.Diff(sums(imageRoot(t, "gateway")), sums(again)); diff != "" {
		t.Errorf("two builds differ:\n%s", diff)
	}
}

// composeFile is the part of a compose file that the tests need.
type composeFile struct {
	Services map[string]struct {
		User        string
		Image       string
		ReadOnly    bool           `json:"read_only"`
		CapDrop     []string       `json:"cap_drop"`
		CapAdd      []string       `json:"cap_add"`
		SecurityOpt []string       `json:"security_opt"`
		NetworkMode string         `json:"network_mode"`
		Networks    map[string]any `json:"networks"`
		Ports       []struct {
			HostIP string `json:"host_ip"`
		}
		Volumes []struct {
			Source   string
			Target   string
			ReadOnly bool `json:"read_only"`
		}
	}
}

func TestDeployComposeConfinesItsServices(t *testing.T) {
	var file composeFile
	check(t, json.Unmarshal([]byte(command(t, "containers", deployDir+"/Dockerfile", deployDir+"/compose/compose.yaml")), &file))
	if len(file.Services) != 8 {
		t.Fatalf("compose.yaml has %d services, want 8", len(file.Services))
	}
	for name, service := range file.Services {
		if service.User != "65532:65532" || !service.ReadOnly || len(service.CapAdd) > 0 ||
			!slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s has unnecessary permissions: %+v", name, service)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published on %q, want loopback", name, port.HostIP)
			}
		}
		if _, outer := service.Networks["outer"]; outer && name != "allowlist" && name != "gateway" {
			t.Errorf("%s is on the outer network", name)
		}
		for _, volume := range service.Volumes {
			reader, isFiles := strings.CutSuffix(volume.Source, "-files")
			if name != "bootstrap" && isFiles && (!volume.ReadOnly || reader != strings.TrimSuffix(name, "-upgrade") && name != "token") {
				t.Errorf("%s mounts %s to %s", name, volume.Source, volume.Target)
			}
		}
	}
}

// TestDeployComposeRuns starts the services of compose.yaml, each program confined to its image,
// and uses them as deploy/README.md describes.
func TestDeployComposeRuns(t *testing.T) {
	metrics := composeMetrics(t)
	for _, job := range []string{"grpc_server_handled_total", "keyward_vault_watch_connected 1"} {
		if !strings.Contains(metrics, job) {
			t.Errorf("the metrics of the three programs lack %s", job)
		}
	}
}

// composeMetrics runs the services of the compose file once and returns their metrics after some
// use.
func composeMetrics(t testing.TB) string {
	t.Helper()
	_ = imageRoot(t, "vault")
	metrics, err := useCompose()
	check(t, err)
	return metrics
}

var useCompose = sync.OnceValues(func() (string, error) {
	folder, err := images()
	if err != nil {
		return "", err
	}
	project, err := exec.Command("../../.bin/containers", deployDir+"/Dockerfile", deployDir+"/compose/compose.yaml").Output()
	if err != nil {
		return "", fmt.Errorf("containers: %w", err)
	}
	path := filepath.Join(scratch, "project.json")
	if err := os.WriteFile(path, project, 0o600); err != nil {
		return "", err
	}
	tools, err := filepath.Abs("../../.bin")
	if err != nil {
		return "", err
	}
	bootstrap, err := filepath.Abs(deployDir + "/compose/bootstrap.sh")
	if err != nil {
		return "", err
	}
	state := filepath.Join(scratch, "compose")
	cmd := exec.Command("unshare", "--net", "--mount", "testdata/compose-run.sh", path, folder, state, "testdata/compose-use.sh")
	cmd.Env = append(os.Environ(), "BOOTSTRAP="+bootstrap, "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("run compose.yaml: %w\n%s", err, out)
	}
	metrics, err := os.ReadFile(filepath.Join(state, "metrics"))
	return string(metrics), err
})

func TestDeployExamplesAreAccepted(t *testing.T) {
	for _, folder := range []string{"examples", "compose"} {
		for _, program := range []string{"vault", "allowlist", "gateway"} {
			config := filepath.Join(deployDir, folder, program+".yaml")
			if _, err := try(t, imageRoot(t, program)+"/keyward", "check", "--config", config); err != nil {
				t.Errorf("%s is refused: %v", config, err)
			}
		}
		policy, err := os.ReadFile(filepath.Join(deployDir, folder, "policy.yaml"))
		check(t, err)
		if _, err := auth.ParsePolicy(policy); err != nil {
			t.Errorf("%s/policy.yaml is refused: %v", folder, err)
		}
	}
}
