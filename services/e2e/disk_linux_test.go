package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// limitDisk makes writes of a program beyond a file size fail, as if the disk were full. Unlike a
// separate disk, this needs no privileges.
func (p *process) limitDisk(size uint64) {
	p.t.Helper()
	limit := unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}
	check(p.t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil))
}

// startLimitable is start for a program that ignores the signal with which the kernel reports the
// limit. A write beyond it only fails.
func (c *constellation) startLimitable(name string) *process {
	c.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var blocked, before unix.Sigset_t
	blocked.Val[0] = 1 << (syscall.SIGXFSZ - 1)
	check(c.t, unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, &before))
	c.start(name) // inherits the blocked signals of this thread
	check(c.t, unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
	return c.running[name]
}

// allocated returns the number of bytes of the vault's file that are allocated on disk. The rest
// is a hole.
func (c *constellation) allocated() uint64 {
	c.t.Helper()
	var info syscall.Stat_t
	check(c.t, syscall.Stat(c.path("vault.db"), &info))
	return uint64(info.Blocks) * 512
}

func TestAVaultWithoutRoomGoesOnReadingAndLosesNothing(t *testing.T) {
	t.Parallel()
	c := apart(t)
	c.metrics = servertest.Address(t)
	check(t, os.WriteFile(c.path("vault.yaml"), []byte(readFile(t, c.path("vault.yaml"))+"metrics_listen: "+c.metrics+"\n"), 0o600))
	endpoint := register(t, c.site, "demo", "payments")
	c.running["vault"].kill()
	vault := c.startLimitable("vault")
	c.waitReady()
	d := &diary{t: t, client: c.vaultAs(t, owner), written: make(map[string]string)}
	client := c.allowlistAs(t, sender)
	check(t, d.write(t.Context()))
	// The first message of a key writes to the vault: the key's purpose, and a block of nonces.
	c.waitEncrypt(client, endpoint, codes.OK, "")

	for _, tt := range []struct {
		name string
		room func() uint64
	}{
		{"the disk is full", func() uint64 { return c.allocated() + 256<<10 }},
		{"the disk is read-only", func() uint64 { return 0 }},
		{"the disk fills up in the middle of a page", func() uint64 { return c.allocated()/2 + 100 }},
	} {
		vault.limitDisk(tt.room())
		d.writeUntilRefused(tt.name)
		d.verify(tt.name)
		if _, err := encrypt(t.Context(), client, endpoint); err != nil {
			t.Errorf("Encrypt while %s = %v", tt.name, err)
		}
		if tt.room() == 0 {
			wantStatus(t, "while "+tt.name, c.metrics, "/readyz", http.StatusServiceUnavailable)
			wantStatus(t, "while "+tt.name, c.metrics, "/readyz?exclude=disk", http.StatusNoContent)
		}
		vault.limitDisk(unix.RLIM_INFINITY)
		eventually(t, patience, "the vault is ready again without a change after "+tt.name, func(context.Context) error {
			return statusIs(t, c.metrics, "/readyz", http.StatusNoContent)
		})
		eventually(t, patience, "secrets are stored again after "+tt.name, d.write)
		d.verify(tt.name + " no more")
	}
	t.Logf("%d of %d secrets were acknowledged", len(d.written), d.n)
	// The disk contains the acknowledged secrets, also after a restart.
	vault.limitDisk(0)
	d.writeUntilRefused("the disk is full at the end")
	vault.kill()
	c.start("vault")
	c.waitReady()
	d.verify("the vault was restarted")
	check(t, d.write(t.Context()))
	c.waitEncrypt(client, endpoint, codes.OK, "")
}

// A diary creates secrets and records the acknowledged ones.
type diary struct {
	t       testing.TB
	client  vaultv1.VaultServiceClient
	written map[string]string // uid by name
	n       int
}

// write creates one more secret, of 32 KiB.
func (d *diary) write(ctx context.Context) error {
	d.n++
	id := fmt.Sprintf("page-%d", d.n)
	secret, err := d.client.CreateSecret(ctx, &vaultv1.CreateSecretRequest{
		Parent: "workspaces/demo", SecretId: id, Secret: text(strings.Repeat(id, 32<<10/len(id))),
	})
	if err != nil {
		return err
	}
	d.written["workspaces/demo/secrets/"+id] = secret.GetSecret().GetUid()
	return nil
}

// writeUntilRefused uses all remaining space.
func (d *diary) writeUntilRefused(when string) {
	d.t.Helper()
	const enough = 2000
	for range enough {
		err := d.write(d.t.Context())
		switch status.Code(err) {
		case codes.OK:
			continue
		case codes.ResourceExhausted:
			if reasonOf(err) != "DISK_FULL" {
				d.t.Errorf("CreateSecret when %s = %v, want DISK_FULL", when, err)
			}
		default:
			d.t.Errorf("CreateSecret when %s = %v, want DISK_FULL", when, err)
		}
		if text := status.Convert(err).Message(); strings.Contains(text, os.TempDir()) || strings.Contains(text, "too large") {
			d.t.Errorf("CreateSecret when %s reveals the disk to its caller: %q", when, text)
		}
		return
	}
	d.t.Errorf("%d secrets were stored when %s", enough, when)
}

// verify checks that all acknowledged secrets exist and are listed.
func (d *diary) verify(when string) {
	d.t.Helper()
	for name, uid := range d.written {
		got, err := d.client.GetSecret(d.t.Context(), &vaultv1.GetSecretRequest{Name: name})
		if err != nil || got.GetSecret().GetUid() != uid {
			d.t.Errorf("GetSecret(%s) when %s = %v, %v, want the acknowledged secret", name, when, got.GetSecret(), err)
		}
	}
}

// statusIs returns an error unless a GET of a path returns a status.
func statusIs(t testing.TB, address, path string, want int) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	check(t, err)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	check(t, res.Body.Close())
	if res.StatusCode != want {
		return fmt.Errorf("GET %s = %d, want %d", path, res.StatusCode, want)
	}
	return nil
}

func wantStatus(t testing.TB, when, address, path string, want int) {
	t.Helper()
	if err := statusIs(t, address, path, want); err != nil {
		t.Errorf("%s: %v", when, err)
	}
}
