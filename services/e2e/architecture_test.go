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

// A layer is a set of packages and the packages of Keyward that they may import, in addition to
// packages of their own layer. Patterns are those of [path.Match], with a final `/...` for
// everything below.
type layer struct {
	name     string
	packages []string
	may      []string
}

// testKits are the packages that only tests import.
var testKits = []string{
	"pkg/auth/authtest", "pkg/keyform/keyformtest", "pkg/keyring/kek/kektest", "pkg/kv/kvtest", "pkg/server/servertest",
	"services/allowlist/allowlisttest", "services/vault/vaulttest",
}

// A package belongs to the first layer that it matches.
var layers = []layer{
	{"the contract imports nothing", []string{"proto/..."}, nil},
	{"test kits of the kit use the kit", []string{"pkg/auth/authtest", "pkg/keyform/keyformtest", "pkg/keyring/kek/kektest", "pkg/kv/kvtest", "pkg/server/servertest"}, []string{"pkg/..."}},
	{"the Go client uses the contract", []string{"pkg/client/..."}, []string{"proto/gen/keyward/common/v1", "proto/gen/keyward/vault/v1", "proto/gen/keyward/allowlist/v1"}},
	{"the methods of keyrings are the same for both services", []string{"pkg/keyadmin"}, []string{"pkg/...", "proto/gen/keyward/keyring/v1"}},
	{"the methods of maintenance are the same for both services", []string{"pkg/maintenance"}, []string{"pkg/...", "proto/gen/keyward/maintenance/v1"}},
	{"the kit uses only the access option of the contract", []string{"pkg/..."}, []string{"proto/gen/keyward/access/v1"}},
	{"the vault's test kit uses the vault", []string{"services/vault/vaulttest"}, []string{"pkg/...", "proto/...", "services/vault", "services/vault/internal/secret"}},
	{"the allowlist's test kit uses both services", []string{"services/allowlist/allowlisttest"}, []string{"pkg/...", "proto/...", "services/allowlist", "services/allowlist/internal/endpoint", "services/allowlist/internal/payload", "services/allowlist/internal/stored", "services/vault"}},
	{"the vault's api", []string{"services/vault/internal/api"}, []string{"pkg/...", "proto/...", "services/vault/internal/..."}},
	{"the vault's domain", []string{"services/vault/internal/..."}, []string{"pkg/..."}},
	{"the vault", []string{"services/vault"}, []string{"pkg/...", "proto/...", "services/vault/internal/..."}},
	{"the allowlist's api", []string{"services/allowlist/internal/api"}, []string{"pkg/...", "proto/...", "services/allowlist/internal/..."}},
	{"the payload compiler reads configurations as plain data", []string{
		"services/allowlist/internal/payload", "services/allowlist/internal/payload/compile", "services/allowlist/internal/payload/describe", "services/allowlist/internal/payload/kind", "services/allowlist/internal/payload/purpose", "services/allowlist/internal/payload/safety", "services/allowlist/internal/payload/symmetric",
	}, []string{"pkg/...", "proto/gen/keyward/allowlist/v1", "services/allowlist/internal/violation", "services/allowlist/internal/literal", "services/allowlist/internal/payload/..."}},
	{"the steps of a message know no configuration", []string{"services/allowlist/internal/payload/derive", "services/allowlist/internal/payload/envelope", "services/allowlist/internal/payload/message", "services/allowlist/internal/payload/signing"}, []string{"pkg/...", "services/allowlist/internal/violation", "services/allowlist/internal/payload/..."}},
	{"payload formats know only bytes", []string{"services/allowlist/internal/payload/..."}, []string{"pkg/keyform", "pkg/memory", "pkg/resource", "pkg/secp256k1"}},
	{"presets and dry runs take configurations as plain data", []string{"services/allowlist/internal/preset/...", "services/allowlist/internal/tryout/..."}, []string{"pkg/...", "proto/gen/keyward/allowlist/v1", "services/allowlist/internal/..."}},
	{"the client of the vault", []string{"services/allowlist/internal/vaultclient", "services/allowlist/internal/cache", "services/allowlist/internal/witness"}, []string{"pkg/...", "proto/gen/keyward/common/v1", "proto/gen/keyward/vault/v1", "services/allowlist/internal/stored"}},
	{"the allowlist's domain", []string{"services/allowlist/internal/..."}, []string{"pkg/...", "services/allowlist/internal/..."}},
	{"the allowlist", []string{"services/allowlist"}, []string{"pkg/...", "proto/...", "services/allowlist/internal/..."}},
	{"the console is files only", []string{"services/console"}, nil},
	{"the gateway does not know the services", []string{"services/frontdoor/gateway"}, []string{"pkg/..."}},
	{"the JSON front door", []string{"services/frontdoor"}, []string{"pkg/...", "proto/...", "services/console", "services/frontdoor/gateway"}},
	{"local identities import nothing", []string{"services/standalone/localid"}, nil},
	{"standalone combines the services", []string{"services/standalone"}, []string{"pkg/...", "services/vault", "services/allowlist", "services/frontdoor", "services/frontdoor/gateway", "services/console", "services/standalone/localid"}},
	{"each program starts one service, and calls only its keyring and its maintenance", []string{"services/cmd/..."}, []string{"pkg/...", "proto/gen/keyward/keyring/v1", "proto/gen/keyward/maintenance/v1", "proto/gen/keyward/vault/v1", "proto/gen/keyward/allowlist/v1", "services/vault", "services/allowlist", "services/frontdoor", "services/standalone"}},
	{"the benchmark uses the contract, and measures the programs from the outside", []string{"services/bench/..."}, []string{"pkg/...", "proto/gen/keyward/vault/v1", "proto/gen/keyward/allowlist/v1", "proto/gen/gateway/...", "services/standalone/localid"}},
	{"examples use published modules", []string{"examples/..."}, []string{"pkg/client", "proto/gen/keyward/allowlist/v1"}},
	{"black-box tests use the contract", []string{"services/e2e/..."}, []string{"proto/..."}},
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
	for pkg, imports := range listImports(t) {
		for _, imported := range imports {
			if matches(imported, testKits) && !matches(pkg, testKits) {
				t.Errorf("%s imports the test kit %s outside of tests", pkg, imported)
			}
		}
	}
}

// A package with only one user belongs next to that user, as an internal one.
func TestKitIsShared(t *testing.T) {
	t.Parallel()
	users := make(map[string]map[string]bool)
	for pkg, imports := range listImports(t) {
		user := pkg
		if folder := strings.Split(pkg, "/"); folder[0] == "services" {
			user = path.Join(folder[:2]...)
		}
		for _, imported := range imports {
			if users[imported] == nil {
				users[imported] = make(map[string]bool)
			}
			users[imported][user] = true
		}
	}
	mayUse := []string{"services/vault", "services/allowlist", "services/frontdoor", "services/cmd", "pkg/..."}
	for pkg := range listImports(t) {
		if !matches(pkg, []string{"pkg/..."}) || strings.Contains(pkg, "/internal/") || matches(pkg, append([]string{"pkg/client/..."}, testKits...)) {
			continue
		}
		var count int
		for user := range users[pkg] {
			if matches(user, mayUse) && !matches(user, testKits) {
				count++
			}
		}
		if count < 2 {
			t.Errorf("%s has %d users among the services and the kit, want two; move it next to its user", pkg, count)
		}
	}
}

// listImports returns, for each package of the workspace, the packages of the workspace that its
// production code imports.
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
