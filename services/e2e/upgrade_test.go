package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// The folder testdata/earlier has data in the first stored form, with the responses of the program
// that wrote it. make.sh there made them.

// earlierData is the folder of a standalone with data of the first stored form.
func earlierData(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, service := range []string{"vault", "allowlist"} {
		write(t, filepath.Join(dir, "data", service+".db"), unzip(t, service+".db.gz"))
		key, err := os.ReadFile(filepath.Join("testdata", "earlier", service+".kek"))
		check(t, err)
		write(t, filepath.Join(dir, "keys", service+".kek"), key)
	}
	return dir
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o700))
	check(t, os.WriteFile(path, content, 0o600))
}

func unzip(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "earlier", name))
	check(t, err)
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	check(t, err)
	content, err := io.ReadAll(zipped)
	check(t, err)
	return content
}

// upgradeConfigs writes configuration files of the two programs over the folder of a standalone.
func upgradeConfigs(t testing.TB, dir string) {
	t.Helper()
	for _, service := range []string{"vault", "allowlist"} {
		text := fmt.Sprintf(`
listen: 127.0.0.1:0
tls: {certificate: %[1]s/a.crt, key: %[1]s/a.key, client_trust: %[1]s/ca.pem, trust_domain: keyward.local}
auth: {policy: %[1]s/policy.yaml}
store: %[1]s/data/%[2]s.db
key_file: %[1]s/keys/%[2]s.kek
`, dir, service)
		if service == "allowlist" {
			text += fmt.Sprintf("vault: {address: 127.0.0.1:1, ca: %[1]s/ca.pem, certificate: %[1]s/a.crt, key: %[1]s/a.key}\n", dir)
		}
		write(t, filepath.Join(dir, service+".yaml"), []byte(text))
	}
}

// upgradeBoth upgrades both data files with the commands.
func upgradeBoth(t testing.TB, dir string) {
	t.Helper()
	for _, service := range []string{"vault", "allowlist"} {
		if stdout, stderr, code := runProgram(t, service, "upgrade", "--config", filepath.Join(dir, service+".yaml")); code != 0 {
			t.Fatalf("%s upgrade = %d, %s%s", service, code, stdout, stderr)
		}
	}
}

func TestStandaloneUpgradesItsData(t *testing.T) {
	t.Parallel()
	dir := earlierData(t)
	p := start(t, "standalone", "--dir", dir, "--grpc", "127.0.0.1:0", "--json", "127.0.0.1:0", "--metrics", "", "--log-level", "info")
	s := site{access: filepath.Join(dir, "access"), vault: p.waitFor("gRPC"), json: p.waitFor("JSON")}
	s.allowlist = s.vault
	p.waitFor("Keyward is ready")
	s.expectEarlierData(t)
	p.stop()
	for _, service := range []string{"vault", "allowlist"} {
		kept := filepath.Join(dir, "data", service+".db.before-upgrade")
		if !strings.Contains(p.errors(), `"kept":"`+kept+`"`) {
			t.Errorf("the log does not say that %s is kept:\n%s", kept, p.errors())
		}
		if !bytes.Equal([]byte(readFile(t, kept)), unzip(t, service+".db.gz")) {
			t.Errorf("%s is not the old file", kept)
		}
	}
}

func TestTheCommandsUpgradeTheirData(t *testing.T) {
	t.Parallel()
	dir := earlierData(t)
	upgradeConfigs(t, dir)
	for _, service := range []string{"vault", "allowlist"} {
		config := filepath.Join(dir, service+".yaml")
		commands := []string{"serve", "compact", "log-key"}
		if service == "allowlist" {
			write(t, filepath.Join(dir, "policy.yaml"), []byte("people: []\n"))
			commands = append(commands, "references", "reconcile")
		}
		for _, command := range commands {
			want := fmt.Sprintf("an earlier version of Keyward: its format is 1, and this program needs 2; to upgrade it, run: %s upgrade --config %s\n", service, config)
			if _, stderr, code := runProgram(t, service, command, "--config", config); code != 1 || !strings.HasSuffix(stderr, want) {
				t.Errorf("%s %s = %d, %s, want %s", service, command, code, stderr, want)
			}
		}
		stdout, stderr, code := runProgram(t, service, "upgrade", "--config", config)
		if code != 0 || !strings.Contains(stdout, "the old file is "+dir) || !strings.Contains(stderr, "convert: 0 of ") {
			t.Fatalf("%s upgrade = %d, %s%s", service, code, stdout, stderr)
		}
		stdout, stderr, code = runProgram(t, service, "upgrade", "--quiet", "--config", config)
		if code != 0 || !strings.HasPrefix(stdout, "nothing to upgrade") || stderr != "" {
			t.Errorf("a second %s upgrade = %d, %s%s", service, code, stdout, stderr)
		}
	}
	s, _ := standalone(t, dir)
	s.expectEarlierData(t)
}

// expectEarlierData compares the responses with those before the upgrade.
func (s site) expectEarlierData(t testing.TB) {
	t.Helper()
	var want map[string]any
	check(t, json.Unmarshal(unzip(t, "responses.json.gz"), &want))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls(t)}, Timeout: patience}
	defer client.CloseIdleConnections()
	for _, path := range slices.Sorted(maps.Keys(want)) {
		var got any
		check(t, json.Unmarshal(s.get(t, client, path), &got))
		if strings.HasSuffix(path, "/sealing") {
			delete(got.(map[string]any), "time") // the clock
			delete(want[path].(map[string]any), "time")
		}
		if strings.Contains(path, "/history") {
			deleted := strings.HasPrefix(path, "/workspaces/demo/secrets/gone/")
			if upgraded := dropNewer(got, want[path]); (upgraded == 1) == deleted {
				t.Errorf("GET %s has %d changes about the upgrade", path, upgraded)
			}
		}
		dropAdded(got, want[path])
		if diff := cmp.Diff(lasting(want[path]), lasting(got)); diff != "" {
			t.Errorf("GET %s after the upgrade (-before +after):\n%s", path, diff)
		}
	}
	s.expectValues(t)
}

// get reads a resource with a client that keeps its connection, because there are many.
func (s site) get(t testing.TB, client *http.Client, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.json+"/v1"+path, nil)
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+s.token(t, admin))
	resp, err := client.Do(req)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s = %d %s, %v", path, resp.StatusCode, body, err)
	}
	return body
}

// lasting returns a response without the parts that change with the clock or with the sealing of a
// value.
func lasting(response any) any {
	switch v := response.(type) {
	case map[string]any:
		for key, value := range v {
			switch key {
			case "ciphertext", "projectedEndTime":
				delete(v, key)
			default:
				v[key] = lasting(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = lasting(v[i])
		}
	}
	return response
}

// dropAdded removes the fields from a response that another one does not have, if they are not set:
// later releases have more fields.
func dropAdded(response, before any) {
	switch v := response.(type) {
	case map[string]any:
		old, _ := before.(map[string]any)
		for key, value := range v {
			switch was, had := old[key]; {
			case had:
				dropAdded(value, was)
			case unset(value):
				delete(v, key)
			}
		}
	case []any:
		old, _ := before.([]any)
		for i := range min(len(v), len(old)) {
			dropAdded(v[i], old[i])
		}
	}
}

// unset reports whether a value of a response is that of a field that is not set.
func unset(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == "" || strings.HasSuffix(v, "_UNSPECIFIED")
	default:
		return v == nil || v == float64(0) || v == false
	}
}

// dropNewer removes the changes from a history that another one does not have, and returns how many
// of them are about the upgrade.
func dropNewer(history, before any) (upgraded int) {
	old := make(map[any]bool)
	for _, change := range changesOf(before) {
		old[change["sequence"]] = true
	}
	var kept []any
	for _, change := range changesOf(history) {
		if change["action"] == "ACTION_UPGRADED" {
			upgraded++
		}
		if old[change["sequence"]] {
			kept = append(kept, change)
		}
	}
	history.(map[string]any)["changes"] = kept
	return upgraded
}

func changesOf(history any) (changes []map[string]any) {
	list, _ := history.(map[string]any)["changes"].([]any)
	for _, change := range list {
		changes = append(changes, change.(map[string]any))
	}
	return changes
}

// expectValues resolves values as the allowlist does.
func (s site) expectValues(t testing.TB) {
	t.Helper()
	keys := filepath.Join(s.access, "..", "keys")
	own, err := tls.LoadX509KeyPair(filepath.Join(keys, "allowlist-client.crt"), filepath.Join(keys, "allowlist-client.key"))
	check(t, err)
	config := s.tls(t)
	config.Certificates = []tls.Certificate{own}
	conn, err := grpc.NewClient(s.vault, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	check(t, err)
	defer conn.Close()
	vault := vaultv1.NewVaultServiceClient(conn)
	const rest = "00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	for _, want := range []struct {
		secret  string
		version uint32
		value   string // empty if it is refused
	}{
		{"aes", 0, "3" + rest},
		{"aes", 1, "0" + rest},
		{"aes", 2, ""},
		{"aes", 3, ""},
		{"aes", 4, "3" + rest},
		{"aes", 6, "5" + rest},
		{"mac", 0, "a MAC key of at least sixteen bytes"},
		{"shared", 1, "202122232425262728292a2b2c2d2e2f202122232425262728292a2b2c2d2e2f"},
		{"token", 0, "Bearer the second token"},
		{"token", 1, "Bearer the first token"},
		{"api-key", 0, "a credential of host b"},
	} {
		name := "workspaces/demo/secrets/" + want.secret
		stored, err := s.vaultAs(t, admin).GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: name})
		check(t, err)
		purpose := sha256.Sum256([]byte(strings.Join(stored.GetSecret().GetPurpose().GetChains(), "\n")))
		got, err := vault.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{
			Name: name, Uid: stored.GetSecret().GetUid(), Version: want.version, Purpose: purpose[:],
		})
		if string(got.GetValue()) != want.value || (err == nil) != (want.value != "") {
			t.Errorf("ResolveSecret(%s, %d) = %q, %v, want %q", want.secret, want.version, got.GetValue(), err, want.value)
		}
	}
}
