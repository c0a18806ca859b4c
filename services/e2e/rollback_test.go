package e2e

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// TestStandaloneRefusesOneDataFileOfAnEarlierMoment puts copies of the data files back between two
// starts.
func TestStandaloneRefusesOneDataFileOfAnEarlierMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, "data", name) }
	s, p := standalone(t, dir)
	endpoint := register(t, s, "demo", "payments")
	p.stop()
	earlier := map[string]string{"vault.db": readFile(t, file("vault.db")), "allowlist.db": readFile(t, file("allowlist.db"))}

	s, p = standalone(t, dir)
	later := register(t, s, "demo", "later")
	// It changes nothing, and makes the programs verify each other's newest head.
	s.must(t, admin, http.MethodPost, "/v1/workspaces/-/allowlist/vaultCheckpoint:accept", `{"reason":"a test"}`)
	p.stop()
	newest := map[string]string{"vault.db": readFile(t, file("vault.db")), "allowlist.db": readFile(t, file("allowlist.db"))}

	for _, tt := range []struct {
		name   string
		back   []string
		reason string // of Encrypt; empty if it succeeds
		logged string
	}{
		{"the vault", []string{"vault.db"}, "VAULT_ROLLED_BACK", "the change log of the vault does not extend the last head that the allowlist verified"},
		{"the allowlist", []string{"allowlist.db"}, "VAULT_UNAVAILABLE", "the change log of a resolver does not extend the last head that the vault saw"},
		{"neither", nil, "", ""},
		// A pair of one moment agrees. This limit is documented.
		{"both", []string{"vault.db", "allowlist.db"}, "", ""},
	} {
		for name, content := range newest {
			check(t, os.WriteFile(file(name), []byte(content), 0o600))
		}
		for _, name := range tt.back {
			check(t, os.WriteFile(file(name), []byte(earlier[name]), 0o600))
		}
		for range 2 { // a restart changes nothing
			s, p = standalone(t, dir)
			got := s.call(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)
			if got.reason() != tt.reason || (got.status == http.StatusOK) != (tt.reason == "") {
				t.Errorf("with an earlier file of %s, Encrypt = %d %s, want %q", tt.name, got.status, got.body, tt.reason)
			}
			if tt.logged != "" {
				eventually(t, patience, "the rollback is logged", func(context.Context) error { return p.logged(tt.logged) })
			}
			if got := s.call(t, owner, http.MethodGet, "/v1/"+later, ""); (got.status == http.StatusNotFound) != (len(tt.back) == 2 || tt.name == "the allowlist") {
				t.Errorf("with an earlier file of %s, GetEndpoint of a later endpoint = %d", tt.name, got.status)
			}
			p.stop()
			if tt.name == "neither" || tt.name == "both" {
				break
			}
		}
	}
}

// TestLogKeyPrintsTheKeyOfAStoppedProgram also covers the stores that the command refuses.
func TestLogKeyPrintsTheKeyOfAStoppedProgram(t *testing.T) {
	t.Parallel()
	c := apart(t)
	for name, path := range map[string]string{"vault": "/v1/workspaces/-/vault/checkpoint", "allowlist": "/v1/workspaces/-/allowlist/checkpoint"} {
		var head struct{ VerifierKey string }
		check(t, json.Unmarshal(c.must(t, admin, http.MethodGet, path, "").body, &head))
		logKey := func() (stdout, stderr string, code int) {
			return runProgram(t, name, "log-key", "--config", c.path(name+".yaml"))
		}
		refuses := func(what, want string) {
			t.Helper()
			if stdout, stderr, code := logKey(); code != 1 || stdout != "" || !strings.Contains(stderr, want) {
				t.Errorf("%s log-key with %s = %d, %q, %q, want 1 and %q", name, what, code, stdout, stderr, want)
			}
		}
		refuses("a running program", map[string]string{"vault": "another process", "allowlist": "an allowlist is running"}[name])
		c.running[name].stop()
		if stdout, stderr, code := logKey(); code != 0 || stdout != head.VerifierKey+"\n" || head.VerifierKey == "" {
			t.Errorf("%s log-key = %d, %q, %s, want %q", name, code, stdout, stderr, head.VerifierKey)
		}
		store := c.path(name + ".db")
		setFormat(t, store, 1)
		refuses("a file of an earlier version", "earlier version")
		check(t, os.Remove(store))
		refuses("no file", "no such file")
		if _, err := os.Stat(store); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s log-key creates a store: %v", name, err)
		}
	}
}

// setFormat changes the format that a data file states.
func setFormat(t testing.TB, path string, format uint32) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	check(t, err)
	check(t, db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		if meta == nil {
			return fmt.Errorf("%s has no format", path)
		}
		return meta.Put([]byte("version"), binary.BigEndian.AppendUint32(nil, format))
	}))
	check(t, db.Close())
}
