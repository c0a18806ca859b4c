package e2e

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// ourVersion is the version at which the modules of the tree require each other.
const ourVersion = "v0.1.0"

// clientNeeds lists the modules that a program with the Go client may contain. A program that only
// encrypts must not build a store, an OIDC client, or telemetry.
var clientNeeds = []string{
	root + "pkg/client",
	root + "proto",
	// Imports of the generated code: rules for fields, and annotations for JSON and OpenAPI.
	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go",
	"github.com/grpc-ecosystem/grpc-gateway/v2",
	"github.com/planetscale/vtprotobuf",
	"google.golang.org/genproto/googleapis/api",
	"google.golang.org/genproto/googleapis/rpc",
	"google.golang.org/grpc",
	"google.golang.org/protobuf",
	// Imports of gRPC.
	"golang.org/x/net",
	"golang.org/x/sys",
	"golang.org/x/text",
	// Idempotency keys.
	"github.com/google/uuid",
}

// TestAnOutsideModuleImportsTheClientAndEncrypts builds a program only from a module proxy, like
// the users of a release. The proxy serves the modules of the tree; the others come from the
// module cache that built this test.
func TestAnOutsideModuleImportsTheClientAndEncrypts(t *testing.T) {
	t.Parallel()
	proxy := t.TempDir()
	publish(t, proxy, "proto")
	publish(t, proxy, "pkg/client")
	program := buildConsumer(t, proxy)

	info, err := buildinfo.ReadFile(program)
	check(t, err)
	for _, dep := range info.Deps {
		if !slices.Contains(clientNeeds, dep.Path) {
			t.Errorf("a program that imports the client needs %s %s; drop the import, or add the module to the list", dep.Path, dep.Version)
		}
		if strings.HasPrefix(dep.Path, root) && (dep.Version != ourVersion || dep.Replace != nil) {
			t.Errorf("the program contains %s %s, want the published %s", dep.Path, dep.Version, ourVersion)
		}
	}

	s, _ := standalone(t, t.TempDir())
	endpoint := register(t, s, "demo", "payments")
	cmd := exec.CommandContext(t.Context(), program, s.allowlist,
		filepath.Join(s.access, "ca.pem"), filepath.Join(s.access, string(sender)+".token"), endpoint)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	body, err := cmd.Output()
	if err != nil {
		t.Fatalf("the consumer = %v\n%s", err, stderr.String())
	}
	if got := openGCM(t, body); got != "from outside" {
		t.Errorf("the partner reads %q, want %q", got, "from outside")
	}
}

// Outside of the tree, a replace directive has no effect.
func TestModulesRequireVersionsThatAReleasePublishes(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"pkg", "pkg/client", "services"} {
		path := filepath.Join("../..", folder, "go.mod")
		file, err := modfile.Parse(path, []byte(readFile(t, path)), nil)
		check(t, err)
		for _, require := range file.Require {
			if strings.HasPrefix(require.Mod.Path, root) && require.Mod.Version != ourVersion {
				t.Errorf("%s requires %s, want %s", path, require.Mod, ourVersion)
			}
		}
	}
}

// publish copies a module of the tree into a folder with the layout of a module proxy.
func publish(t *testing.T, proxy, folder string) {
	t.Helper()
	version := module.Version{Path: root + folder, Version: ourVersion}
	dir := filepath.Join("../..", folder)
	at := filepath.Join(proxy, version.Path, "@v")
	check(t, os.MkdirAll(at, 0o700))
	check(t, os.WriteFile(filepath.Join(at, ourVersion+".mod"), []byte(readFile(t, filepath.Join(dir, "go.mod"))), 0o600))
	check(t, os.WriteFile(filepath.Join(at, ourVersion+".info"), []byte(`{"Version":"`+ourVersion+`"}`), 0o600))
	file, err := os.Create(filepath.Join(at, ourVersion+".zip"))
	check(t, err)
	check(t, modzip.CreateFromDir(file, version, dir))
	check(t, file.Close())
}

// buildConsumer builds testdata/consumer in its own module and returns the program.
func buildConsumer(t *testing.T, proxy string) string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(readFile(t, "testdata/consumer/main.go")), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "go.mod"),
		[]byte("module example.com/consumer\n\ngo 1.26\n\nrequire "+root+"pkg/client "+ourVersion+"\n"), 0o600))
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	check(t, err)
	downloaded := filepath.Join(strings.TrimSpace(string(cache)), "cache", "download")
	program := filepath.Join(dir, "consumer")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GOWORK=off", "GOEXPERIMENT=", "GOTOOLCHAIN=local", "CGO_ENABLED=0",
		"GOPROXY=file://"+proxy+",file://"+downloaded, "GONOPROXY=none", "GONOSUMDB=*", "GOSUMDB=off",
		// A separate module cache, because the published modules are not a release. Paths are
		// trimmed, so that the build cache recognizes the same package in the next module cache.
		"GOMODCACHE="+t.TempDir(), "GOFLAGS=-mod=mod -modcacherw -trimpath")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build of the consumer = %v\n%s", err, out)
	}
	return program
}
