package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"strings"
	"testing"
)

const root = "github.com/keyward/keyward/"

// A layer is a set of packages and what of Keyward they may import, apart from
// packages of their own layer. Patterns are those of [path.Match], with a final
// `/...` for everything below.
type layer struct {
	name     string
	packages []string
	may      []string
}

// The first layer that a package matches is its own.
var layers = []layer{
	{"the contract stands alone", []string{"proto/..."}, nil},
	{"the kit's test kits may use the kit", []string{"pkg/server/servertest", "pkg/kv/kvtest"}, []string{"pkg/..."}},
	{"the Go client speaks the contract", []string{"pkg/client/..."}, []string{"pkg/...", "proto/gen/keyward/vault/v1", "proto/gen/keyward/allowlist/v1"}},
	{"the kit imports of the contract the access option only", []string{"pkg/..."}, []string{"proto/gen/keyward/access/v1"}},
	{"the vault's api", []string{"services/vault/internal/api"}, []string{"pkg/...", "proto/...", "services/vault/internal/..."}},
	{"the vault's domain", []string{"services/vault/internal/..."}, []string{"pkg/..."}},
	{"the vault's door", []string{"services/vault"}, []string{"pkg/...", "proto/...", "services/vault/internal/..."}},
	{"the allowlist's api", []string{"services/allowlist/internal/api"}, []string{"pkg/...", "proto/...", "services/allowlist/internal/..."}},
	{"the payload compiler takes configurations as plain data", []string{"services/allowlist/internal/payload"}, []string{"pkg/...", "proto/gen/keyward/allowlist/v1", "services/allowlist/internal/finding", "services/allowlist/internal/literal", "services/allowlist/internal/payload/..."}},
	{"what the compiler stands on knows bytes only", []string{"services/allowlist/internal/payload/..."}, []string{"pkg/keyform", "pkg/memory", "pkg/resource"}},
	{"presets and dry runs take configurations as plain data", []string{"services/allowlist/internal/preset", "services/allowlist/internal/tryout/..."}, []string{"pkg/...", "proto/gen/keyward/allowlist/v1", "services/allowlist/internal/..."}},
	{"the resolver is the vault's client", []string{"services/allowlist/internal/resolver"}, []string{"pkg/...", "proto/gen/keyward/vault/v1"}},
	{"the allowlist's domain", []string{"services/allowlist/internal/..."}, []string{"pkg/...", "services/allowlist/internal/..."}},
	{"the allowlist's door", []string{"services/allowlist"}, []string{"pkg/...", "proto/...", "services/allowlist/internal/..."}},
	{"the console is files, and knows of nothing", []string{"services/console"}, nil},
	{"the JSON front door", []string{"services/frontdoor"}, []string{"pkg/...", "proto/...", "services/console"}},
	{"standalone puts the doors together", []string{"services/standalone"}, []string{"pkg/...", "services/vault", "services/allowlist", "services/frontdoor", "services/console"}},
	{"programs start one door each, and the vault's seals values", []string{"services/cmd/..."}, []string{"pkg/...", "proto/gen/keyward/vault/v1", "services/vault", "services/allowlist", "services/frontdoor", "services/standalone"}},
	{"examples use what is published", []string{"examples/..."}, []string{"pkg/client", "proto/gen/keyward/allowlist/v1"}},
	{"black-box tests know the contract, and identities to call with", []string{"services/e2e/..."}, []string{"proto/..."}},
}

func TestImportsFollowTheArchitecture(t *testing.T) {
	t.Parallel()
	for pkg, imports := range listImports(t) {
		own, ok := layerOf(pkg)
		if !ok {
			t.Errorf("%s belongs to no layer; add it to the table or move it", pkg)
			continue
		}
		for _, imported := range imports {
			if matches(imported, own.packages) || matches(imported, own.may) {
				continue
			}
			t.Errorf("%s imports %s, against %q", pkg, imported, own.name)
		}
	}
}

func TestOnlyTestsImportTestKits(t *testing.T) {
	t.Parallel()
	kits := []string{"pkg/server/servertest", "pkg/kv/kvtest"}
	for pkg, imports := range listImports(t) {
		for _, imported := range imports {
			if matches(imported, kits) && !matches(pkg, kits) {
				t.Errorf("%s imports the test kit %s outside of tests", pkg, imported)
			}
		}
	}
}

// listImports returns, for each package of the workspace, what of the workspace
// its production code imports.
func listImports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "work")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := make(map[string][]string)
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		name := strings.TrimPrefix(pkg.ImportPath, root)
		all[name] = nil
		for _, imported := range pkg.Imports {
			if ours, ok := strings.CutPrefix(imported, root); ok {
				all[name] = append(all[name], ours)
			}
		}
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages, want the whole workspace", len(all))
	}
	return all
}

func layerOf(pkg string) (layer, bool) {
	for _, l := range layers {
		if matches(pkg, l.packages) {
			return l, true
		}
	}
	return layer{}, false
}

func matches(pkg string, patterns []string) bool {
	for _, pattern := range patterns {
		if folder, ok := strings.CutSuffix(pattern, "/..."); ok {
			if pkg == folder || strings.HasPrefix(pkg, folder+"/") {
				return true
			}
		} else if ok, _ := path.Match(pattern, pkg); ok {
			return true
		}
	}
	return false
}
