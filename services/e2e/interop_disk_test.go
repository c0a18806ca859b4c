//go:build interop

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// TestInteropTheDiskSyncsBeforeEachAcknowledgement traces the system calls of a standalone:
// between the arrival of a change and its response, there must be an fdatasync of the data file.
func TestInteropTheDiskSyncsBeforeEachAcknowledgement(t *testing.T) {
	dir := t.TempDir()
	s, p := standalone(t, dir)
	trace := filepath.Join(dir, "strace.txt")
	strace := exec.Command("strace", "-f", "-y", "-tt", "-e", "trace=fdatasync,fsync", "-o", trace, "-p", fmt.Sprint(p.cmd.Process.Pid))
	var attached bytes.Buffer
	strace.Stderr = &attached
	check(t, strace.Start())
	t.Cleanup(func() { _ = strace.Process.Kill() })
	syncs := func() int {
		text, _ := os.ReadFile(trace)
		return len(regexp.MustCompile(`fdatasync\(\d+<[^>]*vault\.db>`).FindAll(text, -1))
	}
	client := s.vaultAs(t, owner)
	create := func(n int) {
		_, err := client.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/demo", SecretId: fmt.Sprintf("s%d", n), Secret: text("x")})
		check(t, err)
	}
	n := 0
	for syncs() == 0 { // until strace is attached
		if n++; n > 1000 {
			t.Fatalf("strace sees no fdatasync: %s", attached.String())
		}
		create(n)
	}
	for range 20 {
		before := syncs()
		n++
		create(n)
		if after := syncs(); after <= before {
			t.Errorf("change %d was acknowledged with %d syncs of vault.db since it was sent", n, after-before)
		}
	}
}
