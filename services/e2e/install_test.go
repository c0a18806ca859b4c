//go:build readme

package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/services/standalone/localid"
)

// A machine is a folder that represents a machine with Keyward: the files of a page's /etc are
// below it, and programs listen on free loopback ports. Commands such as systemctl are those of
// testdata/machine.
type machine struct {
	dir     string
	replace *strings.Replacer // of addresses and the issuer
	door    string
	issuer  string
}

var systemPaths = regexp.MustCompile(`(?m)(^|[^\w./-])/(etc|var/lib|usr/local/lib|run/credentials)/`)

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{dir: t.TempDir(), door: servertest.Address(t)}
	_, port, _ := strings.Cut(servertest.Address(t), ":")
	m.issuer = "https://localhost:" + port
	vault, allowlist := servertest.Address(t), servertest.Address(t)
	pairs := []string{
		"https://login.example", m.issuer,
		"0.0.0.0:9443", vault, "vault.internal:9443", vault,
		"0.0.0.0:9444", allowlist, "allowlist.internal:9444", allowlist,
		"0.0.0.0:8443", m.door,
	}
	for _, metrics := range []string{"9090", "9091", "9092"} {
		_, port, _ := strings.Cut(servertest.Address(t), ":")
		pairs = append(pairs, metrics, port)
	}
	m.replace = strings.NewReplacer(pairs...)
	check(t, os.MkdirAll(filepath.Join(m.dir, "etc/systemd/system"), 0o700))
	t.Cleanup(func() { m.stop(t) })
	return m
}

// here returns a string of a page or a file, adapted to the paths and addresses of this machine.
func (m *machine) here(text string) string {
	return m.replace.Replace(systemPaths.ReplaceAllString(text, "${1}"+m.dir+"/$2/"))
}

// stop ends the programs that are still running.
func (m *machine) stop(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(m.dir, "run", "*.pid"))
	check(t, err)
	for _, file := range files {
		if pid, err := strconv.Atoi(strings.TrimSpace(readFile(t, file))); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// unpack copies the installed files of the repository, and links the programs.
func (m *machine) unpack(t *testing.T, folder string) {
	t.Helper()
	deploy := filepath.Join(folder, "deploy")
	check(t, os.CopyFS(deploy, os.DirFS("../../deploy")))
	check(t, filepath.WalkDir(deploy, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.WriteFile(path, []byte(m.here(readFile(t, path))), 0o600)
	}))
	built, err := programs()
	check(t, err)
	check(t, os.Symlink(built, filepath.Join(folder, "bin")))
}

// provide starts an OpenID provider, and returns the file of its authority and a token of a member
// of the group `security`.
func (m *machine) provide(t *testing.T) (authority, token string) {
	t.Helper()
	dir := t.TempDir()
	ca, err := localid.New()
	check(t, err)
	authority = filepath.Join(dir, "ca.pem")
	check(t, ca.WriteTrust(authority))
	certificate, err := ca.ServerCertificate("localhost")
	check(t, err)
	crt, key := filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	check(t, localid.WriteCertificate(crt, key, certificate))
	settings, err := json.Marshal(map[string]any{
		"issuer": m.issuer, "certificate": crt, "key": key, "audience": "keyward", "lifetime": 600,
		"header": map[string]string{"typ": "at+jwt"},
		"clients": []any{map[string]any{
			"client_id": "sonja", "client_secret": "a secret of the test", "token_endpoint_auth_method": "client_secret_post",
			"grant_types": []string{"client_credentials"}, "redirect_uris": []string{}, "response_types": []string{},
		}},
		"tokens": map[string]any{"sonja": map[string]any{"sub": "sonja", "groups": []string{"staff", "security"}}},
	})
	check(t, err)
	file := filepath.Join(dir, "provider.json")
	check(t, os.WriteFile(file, settings, 0o600))
	p := startCommand(t, "provider", exec.Command("node", "../console/web/e2e/openid-provider.mjs", file))
	p.waitFor(m.issuer)

	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: ca.Pool()},
	}}
	got, err := client.PostForm(m.issuer+"/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"sonja"}, "client_secret": {"a secret of the test"},
	})
	check(t, err)
	defer func() { _ = got.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
	}
	check(t, json.NewDecoder(bufio.NewReader(got.Body)).Decode(&answer))
	return authority, answer.Token
}

// TestReadmeOfInstallationLeadsToARunningSystem follows docs/install.md with the units and
// configuration files of deploy/, and with an OpenID provider for people.
func TestReadmeOfInstallationLeadsToARunningSystem(t *testing.T) {
	page := readPage(t, "docs/install.md")
	examples := page.examples()
	if len(examples) < 10 {
		t.Fatalf("%s has %d examples that run, want at least 10", page.name, len(examples))
	}
	m := newMachine(t)
	for i := range examples {
		examples[i].commands = m.here(examples[i].commands)
	}
	folder := t.TempDir()
	m.unpack(t, folder)
	authority, token := m.provide(t)
	check(t, os.WriteFile(filepath.Join(folder, ".curlrc"), fmt.Appendf(nil, "connect-to = \"keyward.example:8443:%s\"\n", m.door), 0o600))
	commands, err := filepath.Abs("testdata/machine")
	check(t, err)
	tools, err := filepath.Abs("../../.bin")
	check(t, err)
	shell{
		page: page.name, folder: folder, path: []string{commands, tools},
		env: []string{"MACHINE=" + m.dir, "TOKEN=" + token, "SSL_CERT_FILE=" + authority, "CURL_HOME=" + folder},
	}.try(t, examples)
}
