package e2e

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// limitDisk makes writes of a program to its files fail from that size on, as if there
// was no more room. That needs no privileges, unlike a disk of its own.
func (p *process) limitDisk(size uint64) {
	p.t.Helper()
	limit := unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}
	check(p.t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil))
}

// startLimitable is start for a program that does not take the signal with which the
// kernel tells of the limit. A write beyond it fails, and that is all.
func (c *constellation) startLimitable(name string) *process {
	c.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var blocked, before unix.Sigset_t
	blocked.Val[0] = 1 << (syscall.SIGXFSZ - 1)
	check(c.t, unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, &before))
	c.start(name) // inherits what is blocked in this thread
	check(c.t, unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
	return c.running[name]
}

// allocated returns how many bytes of the vault's file are on the disk. Beyond them it
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
	endpoint := register(t, c.site, "demo", "payments")
	c.running["vault"].kill()
	vault := c.startLimitable("vault")
	c.waitReady()
	d := &diary{t: t, client: c.vaultAs(t, owner), written: make(map[string]string)}
	client := c.allowlistAs(t, sender)
	check(t, d.write(t.Context()))
	// The first message of a key is noted in the vault: what it is for, and a block of nonces.
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
		vault.limitDisk(unix.RLIM_INFINITY)
		eventually(t, patience, "secrets are stored again after "+tt.name, d.write)
		d.verify(tt.name + " no more")
	}
	t.Logf("%d of %d secrets were acknowledged", len(d.written), d.n)
	// What is on the disk is what was acknowledged, also to who reads it anew.
	vault.limitDisk(0)
	d.writeUntilRefused("the disk is full at the end")
	vault.kill()
	c.start("vault")
	c.waitReady()
	d.verify("the vault was started anew")
	check(t, d.write(t.Context()))
	c.waitEncrypt(client, endpoint, codes.OK, "")
}

// A diary creates secrets and remembers what was acknowledged.
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

// writeUntilRefused uses up the room that there is.
func (d *diary) writeUntilRefused(when string) {
	d.t.Helper()
	const enough = 2000
	for range enough {
		err := d.write(d.t.Context())
		switch status.Code(err) {
		case codes.OK:
			continue
		case codes.Internal, codes.Unavailable:
		default:
			d.t.Errorf("CreateSecret when %s = %v, want INTERNAL or UNAVAILABLE", when, err)
		}
		if text := status.Convert(err).Message(); strings.Contains(text, os.TempDir()) || strings.Contains(text, "too large") {
			d.t.Errorf("CreateSecret when %s tells its caller of the disk: %q", when, text)
		}
		return
	}
	d.t.Errorf("%d secrets were stored when %s", enough, when)
}

// verify checks that all that was acknowledged is there, and is listed.
func (d *diary) verify(when string) {
	d.t.Helper()
	for name, uid := range d.written {
		got, err := d.client.GetSecret(d.t.Context(), &vaultv1.GetSecretRequest{Name: name})
		if err != nil || got.GetSecret().GetUid() != uid {
			d.t.Errorf("GetSecret(%s) when %s = %v, %v, want what was acknowledged", name, when, got.GetSecret(), err)
		}
	}
}
