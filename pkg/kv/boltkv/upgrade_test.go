package boltkv_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// earlierStore returns the path of a store of the earlier format with one row.
func earlierStore(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, errors.Join(db.Update(func(tx *bbolt.Tx) error {
		data, err := tx.CreateBucket([]byte("data"))
		must(t, err)
		meta, err := tx.CreateBucket([]byte("meta"))
		must(t, err)
		sum := crc32.Checksum([]byte("keyvalue"), crc32.MakeTable(crc32.Castagnoli))
		return errors.Join(
			meta.Put([]byte("format"), []byte("keyward kv")),
			meta.Put([]byte("version"), binary.BigEndian.AppendUint32(nil, 1)),
			data.Put([]byte("key"), append(binary.BigEndian.AppendUint32(nil, sum), "value"...)),
		)
	}), db.Close()))
	return path
}

// copyRow copies the row of an earlier store.
func copyRow(t *testing.T) func(old kv.Reader, upgraded *boltkv.DB) error {
	return func(old kv.Reader, upgraded *boltkv.DB) error {
		value, err := old.Get([]byte("key"))
		if err != nil {
			return err
		}
		return upgraded.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte("key"), append(value, "+"...)) })
	}
}

func TestAStoreOfTheEarlierFormatIsUpgraded(t *testing.T) {
	t.Parallel()
	path := earlierStore(t)
	if _, err := boltkv.Open(path, boltkv.Options{}); !errors.Is(err, boltkv.ErrEarlier) || boltkv.Upgraded(path) {
		t.Errorf("Open = %v, want ErrEarlier", err)
	}
	before := content(t, path)
	must(t, boltkv.Upgrade(path, copyRow(t)))
	if got := content(t, path+boltkv.KeptSuffix); got != before {
		t.Error("the file that is kept differs from the one before")
	}
	expectUpgraded(t, path)
	if err := boltkv.Upgrade(path, copyRow(t)); !errors.Is(err, boltkv.ErrUpgraded) {
		t.Errorf("Upgrade of an upgraded store = %v, want ErrUpgraded", err)
	}
}

func TestAnUpgradeThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	path := earlierStore(t)
	before := content(t, path)
	failure := errors.New("the log differs")
	err := boltkv.Upgrade(path, func(old kv.Reader, upgraded *boltkv.DB) error {
		return errors.Join(copyRow(t)(old, upgraded), failure)
	})
	if !errors.Is(err, failure) || content(t, path) != before {
		t.Errorf("Upgrade = %v, want its failure and the same file", err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, want the store alone", files)
	}
}

// The program ends before an upgrade renames the new file.
func TestAnInterruptedUpgradeIsRepeated(t *testing.T) {
	t.Parallel()
	path := earlierStore(t)
	must(t, os.WriteFile(path+".new-1", []byte("a part of a store"), 0o600))
	must(t, os.Link(path, path+boltkv.KeptSuffix))
	must(t, boltkv.Upgrade(path, copyRow(t)))
	expectUpgraded(t, path)
	if _, err := os.Stat(path + ".new-1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what the interrupted upgrade left: %v, want it removed", err)
	}
}

func TestAKeptFileIsNotReplaced(t *testing.T) {
	t.Parallel()
	path := earlierStore(t)
	must(t, os.WriteFile(path+boltkv.KeptSuffix, []byte("precious"), 0o600))
	if err := boltkv.Upgrade(path, copyRow(t)); err == nil || content(t, path+boltkv.KeptSuffix) != "precious" {
		t.Errorf("Upgrade = %v, want an error and the same kept file", err)
	}
}

func TestARowThatIsDamagedStopsAnUpgrade(t *testing.T) {
	t.Parallel()
	path := earlierStore(t)
	edit(t, path, func(data *bbolt.Bucket) error { return data.Put([]byte("key"), []byte("\x00\x00\x00\x00value")) })
	if err := boltkv.Upgrade(path, copyRow(t)); !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("Upgrade = %v, want ErrCorrupt", err)
	}
}

func expectUpgraded(t *testing.T, path string) {
	t.Helper()
	db, err := boltkv.Open(path, boltkv.Options{})
	must(t, err)
	if !boltkv.Upgraded(path) {
		t.Error("an upgraded store that is open is not recognized")
	}
	must(t, db.View(t.Context(), func(r kv.Reader) error {
		value, err := r.Get([]byte("key"))
		if string(value) != "value+" {
			t.Errorf("the upgraded row is %q, %v", value, err)
		}
		return nil
	}))
	must(t, db.Close())
}

func content(t *testing.T, path string) string {
	t.Helper()
	bytes, err := os.ReadFile(path)
	must(t, err)
	return string(bytes)
}
