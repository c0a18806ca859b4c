//go:build pkcs11

package kek_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/keyring/kek"
)

const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// TestInteropKeyInAPKCS11Token uses SoftHSM, in which docs/key-providers.md creates the key.
func TestInteropKeyInAPKCS11Token(t *testing.T) {
	if _, err := os.Stat(softHSM); err != nil && os.Getenv("CI") == "" {
		t.Skip("needs softhsm2 and opensc")
	}
	folder := t.TempDir()
	config := write(t, "softhsm2.conf", "directories.tokendir = "+folder+"\n")
	t.Setenv("SOFTHSM2_CONF", config)
	run(t, "softhsm2-util", "--init-token", "--free", "--label", "keyward", "--so-pin", "12345678", "--pin", "87654321")
	for id, label := range map[string]string{"01": "vault", "02": "other"} {
		run(t, "pkcs11-tool", "--module", softHSM, "--token-label", "keyward", "--login", "--pin", "87654321",
			"--keygen", "--key-type", "AES:32", "--label", label, "--id", id, "--sensitive")
	}
	pin := write(t, "pin", "87654321\n")
	uri := func(token, key string) string {
		return fmt.Sprintf("pkcs11:token=%s;%s;type=secret-key?module-path=%s&pin-source=file:%s", token, key, softHSM, pin)
	}
	one := open(t, uri("keyward", "object=vault"))
	mustKeepPromises(t, one, open(t, uri("keyward", "object=other")))
	mustKeepPromises(t, open(t, uri("keyward", "id=%01")), open(t, uri("keyward", "id=%02")))
	mustEndWithContext(t, one)

	if _, err := kek.Open(t.Context(), uri("absent", "object=vault")); !errors.Is(err, kek.ErrUnavailable) {
		t.Errorf("Open() of a token that is not there = %v, want ErrUnavailable", err)
	}
	refused := func(what, uri string) {
		t.Helper()
		_, err := kek.Open(t.Context(), uri)
		if err == nil || errors.Is(err, kek.ErrUnavailable) || strings.Contains(err.Error(), "87654321") {
			t.Errorf("Open() with %s = %v, want an error that does not go away and has no PIN", what, err)
		}
	}
	refused("another key", uri("keyward", "object=absent"))
	refused("no module", strings.Replace(uri("keyward", "object=vault"), url.PathEscape("libsofthsm2"), "absent", 1))
	if err := os.WriteFile(pin, []byte("87654322"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a wrong PIN", uri("keyward", "object=vault"))
	if err := os.Chmod(pin, 0o644); err != nil {
		t.Fatal(err)
	}
	refused("a PIN that others can read", uri("keyward", "object=vault"))
	refused("no PIN", strings.Replace(uri("keyward", "object=vault"), filepath.Base(pin), "absent", 1))
}
