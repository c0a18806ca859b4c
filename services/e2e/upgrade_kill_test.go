package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A kill ends an upgrade with SIGKILL: after it printed a number of lines, and then after a part of
// the time that the rest takes.
type kill struct {
	lines int
	after time.Duration
}

// killedUpgrade runs an upgrade until the kill, and reports whether the kill came before its end.
func killedUpgrade(t testing.TB, service, config string, at kill) (killed bool) {
	t.Helper()
	folder, err := programs()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), filepath.Join(folder, service), "upgrade", "--config", config)
	stderr, err := cmd.StderrPipe()
	check(t, err)
	check(t, cmd.Start())
	lines := bufio.NewScanner(stderr)
	for n := 0; n < at.lines && lines.Scan(); n++ {
	}
	timer := time.AfterFunc(at.after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for lines.Scan() {
	}
	return cmd.Wait() != nil
}

// The steps of an upgrade print 7 lines. The last kills may come after the end.
func TestAnUpgradeSurvivesKillsAtAnyMoment(t *testing.T) {
	t.Parallel()
	var kills []kill
	for lines := range 8 {
		for part := range 4 {
			kills = append(kills, kill{lines, time.Duration(part) * 4 * time.Millisecond})
		}
	}
	for _, service := range []string{"vault", "allowlist"} {
		compared := make(map[string]bool) // by the state after the kill
		count := make(map[string]int)
		for _, at := range kills {
			dir := earlierData(t)
			upgradeConfigs(t, dir)
			config := filepath.Join(dir, service+".yaml")
			killed := killedUpgrade(t, service, config, at)
			state := upgradeState(t, dir, service)
			count[state]++
			if !killed && state != "upgraded" {
				t.Errorf("%s upgrade ends in the state %s", service, state)
			}
			stdout, stderr, code := runProgram(t, service, "upgrade", "--quiet", "--config", config)
			if code != 0 || stderr != "" {
				t.Fatalf("%s upgrade after a kill at %+v, in the state %s = %d, %s%s", service, at, state, code, stdout, stderr)
			}
			if after := upgradeState(t, dir, service); after != "upgraded" {
				t.Errorf("the state after another %s upgrade is %s", service, after)
			}
			if compared[state] {
				continue
			}
			compared[state] = true
			upgradeBoth(t, dir)
			s, p := standalone(t, dir)
			s.expectEarlierData(t)
			p.stop()
		}
		t.Logf("states after a kill of %s upgrade: %v", service, count)
		if count["writing"] == 0 {
			t.Errorf("no kill came while %s upgrade wrote", service)
		}
	}
}

// upgradeState describes the files of a service after an upgrade ended in some way. The name refers
// to the old file or to the new one, which are both complete.
func upgradeState(t testing.TB, dir, service string) string {
	t.Helper()
	path := filepath.Join(dir, "data", service+".db")
	old := bytes.Equal([]byte(readFile(t, path)), unzip(t, service+".db.gz"))
	kept, err := os.ReadFile(path + ".before-upgrade")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err == nil && !bytes.Equal(kept, unzip(t, service+".db.gz")) {
		t.Errorf("the file that an upgrade of the %s keeps is not the old one", service)
	}
	parts := 0
	files, readErr := os.ReadDir(filepath.Dir(path))
	check(t, readErr)
	for _, file := range files {
		if strings.HasPrefix(file.Name(), service+".db.new-") {
			parts++
		}
	}
	switch {
	case !old && err == nil && parts == 0:
		return "upgraded"
	case !old:
		t.Errorf("the upgrade of the %s left %v", service, files)
		return "broken"
	case err == nil:
		return "about to rename"
	case parts > 0:
		return "writing"
	}
	return "not begun"
}

func TestAnUpgradeWithoutRoomLeavesTheOldFile(t *testing.T) {
	t.Parallel()
	folder, err := programs()
	check(t, err)
	for _, kilobytes := range []string{"0", "8", "100"} {
		dir := earlierData(t)
		upgradeConfigs(t, dir)
		// A write beyond the limit fails, as on a full disk.
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `trap "" XFSZ; ulimit -f "$0"; exec "$@"`, kilobytes,
			filepath.Join(folder, "vault"), "upgrade", "--quiet", "--config", filepath.Join(dir, "vault.yaml"))
		out, err := cmd.CombinedOutput()
		var failed *exec.ExitError
		if !errors.As(err, &failed) || failed.ExitCode() != 1 || !strings.Contains(string(out), "upgrade store ") {
			t.Errorf("upgrade with room for %s KiB = %v, %s", kilobytes, err, out)
		}
		if state := upgradeState(t, dir, "vault"); state != "not begun" {
			t.Errorf("upgrade with room for %s KiB leaves the state %s", kilobytes, state)
		}
	}
}
