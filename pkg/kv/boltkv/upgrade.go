package boltkv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/kv"
)

// KeptSuffix follows the name of a store in the name of the file that an upgrade keeps.
const KeptSuffix = ".before-upgrade"

// Upgrade replaces the store at path, whose format is the earlier one, by a store of the present
// format. It passes a reader of the old store and the empty new store to fill, which writes the new
// one. The old file remains under its name with [KeptSuffix].
//
// Whatever happens, the name refers to one of the two files, and that file is complete: the new one
// is written under a temporary name, synced, and then renamed. It has the owner, the group, and the
// mode of the old one; Upgrade fails if it may not set them. The next upgrade removes the remains of
// an interrupted one.
//
// The error wraps [ErrLocked] if another process holds the store, and [ErrNewer] or [ErrUpgraded] if
// its format is not the earlier one.
func Upgrade(path string, fill func(old kv.Reader, upgraded *DB) error) error {
	file, err := filepath.EvalSymlinks(path)
	if err == nil {
		err = upgrade(file, fill)
	}
	if err != nil {
		return fmt.Errorf("upgrade store %s: %w", path, err)
	}
	return nil
}

// Upgraded reports whether the file at path is a store of the present format. It is quick, and another
// process may hold the store. It returns false if it cannot tell.
func Upgraded(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // was only read
	info, err := file.Stat()
	if err != nil {
		return false
	}
	return withContent(file, info.Size(), func(content []byte) error {
		found, err := newestMeta(content)
		if err != nil {
			return err
		}
		return layout{content: content, meta: found}.checkFormat(FormatVersion)
	}) == nil
}

// ErrUpgraded means that the store has the present format already.
var ErrUpgraded = errors.New("the store has the present format")

func upgrade(path string, fill func(old kv.Reader, upgraded *DB) error) (err error) {
	source, err := openFormat(path, earlierVersion, Options{}.withDefaults())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if err := checkKept(path); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+tempInfix+"*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(temp.Name())) }()
	if err := errors.Join(temp.Close(), adopt(temp.Name(), path), initialize(temp.Name())); err != nil {
		return err
	}
	upgraded, err := Open(temp.Name(), Options{})
	if err != nil {
		return err
	}
	upgraded.bolt.NoSync = true // but once, at the end
	failpoint.Hit(failpoint.UpgradeFilling)
	if err := errors.Join(read(source.DB, fill, upgraded), upgraded.bolt.Sync(), upgraded.Close()); err != nil {
		return err
	}
	failpoint.Hit(failpoint.UpgradeFilled)
	if err := keep(path); err != nil {
		return err
	}
	failpoint.Hit(failpoint.UpgradeKept)
	if err := os.Rename(temp.Name(), path); err != nil {
		return errors.Join(err, remove(path+KeptSuffix))
	}
	failpoint.Hit(failpoint.UpgradeRenamed)
	return syncDir(filepath.Dir(path))
}

// read passes a reader of the old store and the new store to fill.
func read(source *bbolt.DB, fill func(old kv.Reader, upgraded *DB) error, upgraded *DB) error {
	var all states
	if err := all.publish(source); err != nil {
		return err
	}
	defer all.set(nil)
	base, err := all.acquire()
	if err != nil {
		return err
	}
	var s snapshot
	s.begin(base, &rows{earlier: true})
	defer s.end()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return fill(&s, upgraded)
}

// checkKept fails if another upgrade kept a file that this one would have to replace.
func checkKept(path string) error {
	kept, err := os.Stat(path + KeptSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	current, err := os.Stat(path)
	if err != nil || os.SameFile(kept, current) { // an upgrade was interrupted before it renamed
		return err
	}
	return fmt.Errorf("%s exists: move it away", path+KeptSuffix)
}

// keep gives the file at path a second name, which remains when the first one is reused.
func keep(path string) error {
	if err := os.Link(path, path+KeptSuffix); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}
