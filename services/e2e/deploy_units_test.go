//go:build deploy

package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var services = []string{"vault", "allowlist", "gateway"}

// unitRoot creates a root folder with the units and the programs in their places.
func unitRoot(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for _, folder := range []string{"etc/systemd/system", "usr/local/lib/keyward", "usr/lib/systemd", "bin"} {
		check(t, os.MkdirAll(filepath.Join(root, folder), 0o755))
	}
	command(t, "cp", "/bin/kill", filepath.Join(root, "bin"))
	command(t, "cp", "-a", "/lib/systemd/system", filepath.Join(root, "usr/lib/systemd")) // the targets
	for _, name := range services {
		command(t, "cp", deployDir+"/systemd/keyward-"+name+".service", filepath.Join(root, "etc/systemd/system"))
		command(t, "cp", imageRoot(t, name)+"/usr/bin/"+name, filepath.Join(root, "usr/local/lib/keyward"))
	}
	return root
}

func TestDeployUnitsAreValidAndHardened(t *testing.T) {
	root := unitRoot(t)
	for _, name := range services {
		unit := "keyward-" + name + ".service"
		// It prints the settings that it does not know, and still succeeds.
		cmd := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", "--root="+root, unit)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify %s: %v\n%s", unit, err, out)
		}
		// 0 is the best and 100 the worst score; a usual service has 96.
		if _, err := try(t, "systemd-analyze", "security", "--offline=yes", "--threshold=15", "--root="+root, unit); err != nil {
			t.Errorf("systemd-analyze security %s: %v", unit, err)
		}
	}
}

func TestDeployUnitsAndExamplesAgree(t *testing.T) {
	users, err := os.ReadFile(deployDir + "/systemd/keyward.sysusers.conf")
	check(t, err)
	for _, name := range services {
		unit, err := os.ReadFile(deployDir + "/systemd/keyward-" + name + ".service")
		check(t, err)
		example, err := os.ReadFile(deployDir + "/examples/" + name + ".yaml")
		check(t, err)
		if user := "keyward-" + name; !strings.Contains(string(users), "u "+user+" ") || !strings.Contains(string(unit), "\nUser="+user+"\n") {
			t.Errorf("user %s is missing in sysusers or in the unit", user)
		}
		if name == "gateway" {
			continue
		}
		for _, line := range []string{
			"store: /var/lib/keyward-" + name + "/" + name + ".db\n",
			"key_file: /run/credentials/keyward-" + name + ".service/" + name + ".kek\n",
			"\n# backup: {folder: /var/lib/keyward-" + name + "/backup, ",
		} {
			if !strings.Contains(string(example), line) {
				t.Errorf("examples/%s.yaml lacks %q, which is the path in the unit", name, line)
			}
		}
		for _, line := range []string{"\nStateDirectory=keyward-" + name + " keyward-" + name + "/backup\n", "\nStateDirectoryMode=0700\n", "\nLoadCredential=" + name + ".kek:"} {
			if !strings.Contains(string(unit), line) {
				t.Errorf("the unit of %s lacks %q", name, line)
			}
		}
		path := filepath.Join(t.TempDir(), name+".yaml")
		check(t, os.WriteFile(path, []byte(strings.Replace(string(example), "\n# backup:", "\nbackup:", 1)), 0o600))
		if _, err := try(t, imageRoot(t, name)+"/keyward", "check", "--config", path); err != nil {
			t.Errorf("examples/%s.yaml is refused with the line for backups: %v", name, err)
		}
	}
}

// TestDeployUnitsAllowAllThatProgramsDo traces the system calls of all programs in one process:
// systemd's filters would end a program at the first forbidden call.
func TestDeployUnitsAllowAllThatProgramsDo(t *testing.T) {
	allowed := systemCalls(t, "@system-service")
	for call := range systemCalls(t, "@privileged") {
		delete(allowed, call)
	}
	folder, err := programs()
	check(t, err)
	trace, dir := filepath.Join(t.TempDir(), "trace"), t.TempDir()
	// -I never: strace forwards signals instead of ending.
	p := startCommand(t, "standalone", exec.Command("strace", "-f", "-qq", "-I", "never", "-o", trace, filepath.Join(folder, "standalone"),
		"--dir", dir, "--grpc", "127.0.0.1:0", "--json", "127.0.0.1:0", "--metrics", "127.0.0.1:0"))
	grpc, json := p.waitFor("gRPC"), p.waitFor("JSON")
	p.waitFor("Keyward is ready")
	s := site{vault: grpc, allowlist: grpc, json: json, access: filepath.Join(dir, "access")}
	endpoint := register(t, s, "demo", "payments")
	s.must(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)
	// The address check of a public address looks up the machine's own addresses. Nothing is sent
	// to it.
	s.must(t, owner, http.MethodPost, "/v1/workspaces/demo/endpoints?endpointId=public", `{"url":"https://9.9.9.9/","methods":["GET"]}`)
	s.must(t, admin, http.MethodPost, "/v1/workspaces/demo/endpoints/public:approve", `{}`)
	s.must(t, owner, http.MethodPost, "/v1/workspaces/demo/endpoints/public:activate", `{}`)
	s.must(t, sender, http.MethodPost, "/v1/workspaces/demo/endpoints:checkUrl", `{"method":"GET","url":"https://9.9.9.9/","resolve":true}`)
	check(t, exec.Command("pkill", "-TERM", "-P", strconv.Itoa(p.cmd.Process.Pid)).Run())
	<-p.exited

	text, err := os.ReadFile(trace)
	check(t, err)
	families := []string{"AF_INET", "AF_INET6", "AF_NETLINK"} // as in keyward-allowlist.service
	seen, netlink := 0, false
	for _, call := range regexp.MustCompile(`(?m)^\d+ +([a-z_0-9]+)\((.*)$`).FindAllStringSubmatch(string(text), -1) {
		seen++
		name, args := call[1], call[2]
		family, _, _ := strings.Cut(args, ",")
		netlink = netlink || name == "socket" && family == "AF_NETLINK"
		switch {
		case !allowed[name]:
			t.Errorf("%s is not in SystemCallFilter", name)
			allowed[name] = true // once is enough
		case name == "socket" && !slices.Contains(families, family):
			t.Errorf("socket(%s) is not in RestrictAddressFamilies", args)
		case strings.Contains(args, "PROT_WRITE|PROT_EXEC"):
			t.Errorf("%s(%s) violates MemoryDenyWriteExecute", name, args)
		}
	}
	if seen < 1000 || !netlink {
		t.Errorf("strace saw %d calls, netlink among them: %v; want thousands, and true", seen, netlink)
	}
}

// systemCalls returns the system calls of a set, including nested sets.
func systemCalls(t testing.TB, set string) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for _, line := range strings.Split(command(t, "systemd-analyze", "syscall-filter", set), "\n")[1:] {
		switch name := strings.TrimSpace(line); {
		case strings.HasPrefix(name, "@"):
			for call := range systemCalls(t, name) {
				all[call] = true
			}
		case name != "" && !strings.HasPrefix(name, "#"):
			all[name] = true
		}
	}
	return all
}
