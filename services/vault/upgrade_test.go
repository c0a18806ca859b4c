package vault_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/services/vault"
)

// earlierVault returns the configuration of a vault with data in the first stored form.
func earlierVault(t testing.TB) vault.Config {
	t.Helper()
	folder := t.TempDir()
	cfg := vault.Config{Store: filepath.Join(folder, "vault.db"), Keys: kek.Config{KeyFile: filepath.Join(folder, "vault.kek")}}
	from := filepath.Join("..", "e2e", "testdata", "earlier")
	key, err := os.ReadFile(filepath.Join(from, "vault.kek"))
	must(t, err)
	must(t, os.WriteFile(cfg.Keys.KeyFile, key, 0o600))
	file, err := os.Open(filepath.Join(from, "vault.db.gz"))
	must(t, err)
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	must(t, err)
	content, err := io.ReadAll(zipped)
	must(t, err)
	must(t, os.WriteFile(cfg.Store, content, 0o600))
	return cfg
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// forge changes rows of a file of the first form, as an attacker without keys can.
func forge(t testing.TB, path string, change func(rows *bbolt.Bucket)) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		change(tx.Bucket([]byte("data")))
		return nil
	}))
	must(t, db.Close())
}

// put writes a row with its checksum.
func put(t testing.TB, rows *bbolt.Bucket, key kv.Key, value []byte) {
	t.Helper()
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Update(0, table, key), table, value)
	must(t, rows.Put(key, append(binary.BigEndian.AppendUint32(nil, sum), value...)))
}

func secretRow(id string) kv.Key { return kv.NewKey("secret").Text("demo").Text(id) }

// replace replaces a part of a row.
func replace(t testing.TB, key kv.Key, from, to string) func(*bbolt.Bucket) {
	return func(rows *bbolt.Bucket) {
		value := bytes.Clone(rows.Get(key)[4:])
		if !bytes.Contains(value, []byte(from)) {
			t.Fatalf("the row does not contain %s", from)
		}
		put(t, rows, key, bytes.Replace(value, []byte(from), []byte(to), 1))
	}
}

func TestAnUpgradeRefusesAForgedFileAndLeavesIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		forge []func(*bbolt.Bucket)
		err   error
		names []string
	}{
		{"two secrets with other usages", []func(*bbolt.Bucket){
			replace(t, secretRow("aes"), `"usage":"KEY"`, `"usage":"CREDENTIAL"`), replace(t, secretRow("mac"), `"usage":"KEY"`, `"usage":"PARAMETER"`),
		}, upgrade.ErrDiffers, []string{"workspaces/demo/secrets/aes", "workspaces/demo/secrets/mac"}},
		{"two missing secrets", []func(*bbolt.Bucket){
			func(rows *bbolt.Bucket) {
				must(t, errors.Join(rows.Delete(secretRow("salt")), rows.Delete(secretRow("many-7"))))
			},
		}, upgrade.ErrDiffers, []string{"workspaces/demo/secrets/salt", "workspaces/demo/secrets/many-7"}},
		{"a setting", []func(*bbolt.Bucket){
			replace(t, kv.NewKey("sealing").Text("other"), "true", "false"),
		}, upgrade.ErrDiffers, []string{"workspaces/other/sealing"}},
		{"a deleted secret that came back", []func(*bbolt.Bucket){
			func(rows *bbolt.Bucket) { put(t, rows, secretRow("gone"), bytes.Clone(rows.Get(secretRow("mac"))[4:])) },
		}, upgrade.ErrDiffers, []string{"workspaces/demo/secrets/gone"}},
		{"disabled versions", []func(*bbolt.Bucket){func(rows *bbolt.Bucket) {
			changed := 0
			space, cursor := kv.NewKey("version"), rows.Cursor()
			for key, value := cursor.Seek(space); bytes.HasPrefix(key, space); key, value = cursor.Next() {
				if bytes.Contains(value, []byte(`"DISABLED"`)) {
					replace(t, bytes.Clone(key), `"DISABLED"`, `"ENABLED"`)(rows)
					cursor.Seek(key)
					changed++
				}
			}
			if changed == 0 {
				t.Fatal("no version is disabled")
			}
		}}, upgrade.ErrDiffers, nil},
		{"an entry of the log", []func(*bbolt.Bucket){
			replace(t, kv.NewKey("change").Uint(3), `"action":"`, `"action":"x`),
		}, changelog.ErrTampered, nil},
		{"a log without its last entry", []func(*bbolt.Bucket){func(rows *bbolt.Bucket) {
			cursor := rows.Cursor()
			cursor.Seek(kv.After(kv.NewKey("change")))
			last, _ := cursor.Prev()
			must(t, rows.Delete(bytes.Clone(last)))
		}}, changelog.ErrTampered, nil},
		{"rows of an unknown space", []func(*bbolt.Bucket){
			func(rows *bbolt.Bucket) { put(t, rows, kv.NewKey("unknown").Text("a"), []byte("b")) },
		}, upgrade.ErrUnknownSpace, nil},
		{"a damaged row", []func(*bbolt.Bucket){
			func(rows *bbolt.Bucket) { must(t, rows.Put(secretRow("mac"), []byte("\x00\x00\x00\x00damaged"))) },
		}, kv.ErrCorrupt, nil},
	} {
		cfg := earlierVault(t)
		for _, change := range tc.forge {
			forge(t, cfg.Store, change)
		}
		expectRefused(t, tc.name, cfg, upgrade.Options{}, tc.err, tc.names...)
	}
}

// expectRefused fails unless an upgrade fails with an error and leaves the file.
func expectRefused(t testing.TB, what string, cfg vault.Config, options upgrade.Options, want error, names ...string) {
	t.Helper()
	before, err := os.ReadFile(cfg.Store)
	must(t, err)
	_, err = vault.Upgrade(t.Context(), cfg, options)
	if !errors.Is(err, want) {
		t.Errorf("%s: Upgrade = %v, want %v", what, err, want)
	}
	for _, name := range names {
		if err != nil && !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s: Upgrade = %v, want it to name %s", what, err, name)
		}
	}
	after, err := os.ReadFile(cfg.Store)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Errorf("%s: the file changed", what)
	}
	files, err := os.ReadDir(filepath.Dir(cfg.Store))
	must(t, err)
	if len(files) != 2 {
		t.Errorf("%s: the folder has %v, want the store and the key", what, files)
	}
}

func TestAFileBelowAWitnessedHeadIsNotUpgraded(t *testing.T) {
	t.Parallel()
	// The file after the upgrade has more entries than that before it.
	newer := earlierVault(t)
	before := checkpointOfEarlier(t, newer)
	_, err := vault.Upgrade(t.Context(), newer, upgrade.Options{Witness: before})
	must(t, err)
	expectRefused(t, "a newer head", earlierVault(t), upgrade.Options{Witness: checkpointOf(t, newer)}, upgrade.ErrRolledBack)
	expectRefused(t, "a head with another signature", earlierVault(t), upgrade.Options{Witness: before[:len(before)-8] + "AAAAAA=\n"}, upgrade.ErrRolledBack)
	other := vault.Config{Store: filepath.Join(t.TempDir(), "vault.db"), Keys: kek.Config{KeyFile: newer.Keys.KeyFile}}
	expectRefused(t, "a head of another vault", earlierVault(t), upgrade.Options{Witness: checkpointOf(t, other)}, upgrade.ErrRolledBack)
}

// checkpointOf returns the head of a vault.
func checkpointOf(t testing.TB, cfg vault.Config) string {
	t.Helper()
	v, err := vault.New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	must(t, err)
	defer v.Close()
	checkpoint, err := v.Checkpoint(t.Context())
	must(t, err)
	return checkpoint
}

// checkpointOfEarlier returns the head in a file of the first form.
func checkpointOfEarlier(t testing.TB, cfg vault.Config) (note string) {
	t.Helper()
	forge(t, cfg.Store, func(rows *bbolt.Bucket) {
		head := rows.Get(kv.NewKey("change-head"))
		note = string(head[bytes.Index(head, []byte("keyward.dev/")):])
	})
	return note
}

func TestAFileInUseIsNotUpgraded(t *testing.T) {
	t.Parallel()
	cfg := earlierVault(t)
	file, err := os.Open(cfg.Store)
	must(t, err)
	defer file.Close()
	must(t, syscall.Flock(int(file.Fd()), syscall.LOCK_EX))
	expectRefused(t, "a file in use", cfg, upgrade.Options{}, boltkv.ErrLocked)
}

func TestAFileOfAnotherKeyIsNotUpgraded(t *testing.T) {
	t.Parallel()
	cfg := earlierVault(t)
	must(t, os.Remove(cfg.Keys.KeyFile))
	must(t, vault.CreateKey(cfg.Keys.KeyFile))
	expectRefused(t, "another key", cfg, upgrade.Options{}, keyring.ErrWrongKey)
}

func TestTheTreeGoesOnAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	cfg := earlierVault(t)
	before := checkpointOfEarlier(t, cfg)
	var steps []string
	done, err := vault.Upgrade(t.Context(), cfg, upgrade.Options{Progress: func(p upgrade.Progress) { steps = append(steps, p.Step) }})
	if err != nil || !done.Upgraded || done.Resources != 61 || len(steps) < 5 {
		t.Fatalf("Upgrade = %+v, %v, with the steps %v", done, err, steps)
	}
	if again, err := vault.Upgrade(t.Context(), cfg, upgrade.Options{}); err != nil || again.Upgraded {
		t.Errorf("a second Upgrade = %+v, %v, want nothing to do", again, err)
	}
	v, err := vault.New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	must(t, err)
	defer v.Close()
	must(t, v.Verify(t.Context()))
	if err := v.Includes(t.Context(), before); err != nil {
		t.Errorf("the log does not extend its head from before the upgrade: %v", err)
	}
}

func TestAMissingFileNeedsNoUpgrade(t *testing.T) {
	t.Parallel()
	cfg := earlierVault(t)
	must(t, os.Remove(cfg.Store))
	if done, err := vault.Upgrade(t.Context(), cfg, upgrade.Options{}); err != nil || done.Upgraded {
		t.Errorf("Upgrade = %+v, %v, want nothing to do", done, err)
	}
	if _, err := os.Stat(cfg.Store); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Upgrade created the file: %v", err)
	}
}
