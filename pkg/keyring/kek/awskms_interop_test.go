//go:build interop

package kek_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/keyring/kek"
)

// inside is set in the process that has a network of its own.
const inside = "KEYWARD_TEST_INSIDE"

// TestInteropKeyInLocalKMS uses a server of the API of AWS KMS that others wrote. It listens on all
// interfaces, so that it and the test run in a network of their own.
func TestInteropKeyInLocalKMS(t *testing.T) {
	if os.Getenv(inside) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", `ip link set lo up && exec "$0" "$@"`,
			self, "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	uri := func(id string) string {
		return "aws-kms://arn:aws:kms:eu-central-1:111122223333:key/" + id + "?endpoint=http://127.0.0.1:8080"
	}
	const first, second = "bc436485-5092-42b8-92a3-0aa8b93536dc", "5fae6023-9a9a-4a6a-8a2a-1a2b3c4d5e6f"
	one := open(t, uri(first))
	mustBeUnavailable(t, "a server that does not run yet", one)
	startLocalKMS(t, first, second)
	mustKeepPromises(t, one, open(t, uri(second)))
	_, err := open(t, uri("00000000-0000-4000-8000-000000000000")).EncryptWithContext(t.Context(), []byte("text"), bound)
	if err == nil || errors.Is(err, kek.ErrUnavailable) {
		t.Errorf("Encrypt() with an absent key = %v, want an error that does not go away", err)
	}
}

// startLocalKMS starts the server with two keys and waits for its port.
func startLocalKMS(t *testing.T, first, second string) {
	t.Helper()
	seed := write(t, "seed.yaml", `
Keys:
  Symmetric:
    Aes:
      - Metadata: {KeyId: `+first+`}
        BackingKeys: [34743777217A25432A46294A404E635266556A586E3272357538782F413F4428]
      - Metadata: {KeyId: `+second+`}
        BackingKeys: [614E645267556B58703273357638792F423F4528472B4B6250655368566D5971]
`)
	program, err := filepath.Abs("../../../.bin/local-kms")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), "KMS_SEED_PATH="+seed, "KMS_DATA_PATH="+t.TempDir(), "KMS_ACCOUNT_ID=111122223333", "KMS_REGION=eu-central-1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:8080")
		if err == nil {
			_ = conn.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
