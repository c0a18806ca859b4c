package boltkv

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/kv"
)

const (
	// diskInterval is the default of Options.DiskInterval.
	diskInterval = 5 * time.Second
	// probeSize is the free space with which a disk is no longer full.
	probeSize = 1 << 20
)

// noSpace are the errors of a disk without space, of a used-up quota, and of a limit of the file size.
var noSpace = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}

// withoutSpace reports whether a write failed because there is no space. bbolt does not wrap the error of
// extending a file, so the text decides, too.
func withoutSpace(err error) bool {
	if err == nil {
		return false
	}
	for _, errno := range noSpace {
		if errors.Is(err, errno) || strings.HasSuffix(err.Error(), errno.Error()) {
			return true
		}
	}
	return false
}

// A disk is what is known about the disk with the file. The goroutine of [DB.watchDisk] and the second
// stage update it.
type disk struct {
	path string
	// full reports whether a commit or a purge failed for lack of space, and neither a commit nor a probe
	// succeeded since.
	full atomic.Bool
	// free and size are bytes, and 0 if they are not known.
	free, size    atomic.Uint64
	stop, stopped chan struct{}
}

// note records the result of a commit, or an error of a purge, and returns the error, which wraps
// [kv.ErrFull] if there is no space.
func (d *disk) note(err error) error {
	switch {
	case err == nil:
		d.full.Store(false)
	case withoutSpace(err):
		d.full.Store(true)
		return fmt.Errorf("%w: %w", kv.ErrFull, err)
	}
	return err
}

// watchDisk measures the disk at intervals until the store is closed. While the disk is full, it also
// looks for space, so that the store does not need a change to find out that it can write again.
func (db *DB) watchDisk(interval time.Duration) {
	defer close(db.disk.stopped)
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		db.disk.measure()
		if db.disk.full.Load() && !withoutSpace(db.disk.probe()) {
			db.disk.full.Store(false)
		}
		select {
		case <-db.disk.stop:
			return
		case <-ticks.C:
		}
	}
}

// measure reads the size of the disk. If that fails, the last sizes remain.
func (d *disk) measure() {
	if free, size, err := space(filepath.Dir(d.path)); err == nil {
		d.free.Store(free)
		d.size.Store(size)
	}
}

// probe writes a temporary file next to the store. Its bytes are random, because a file system may
// compress others. An error other than that of a full disk tells nothing about the store.
func (d *disk) probe() (err error) {
	file, err := os.CreateTemp(filepath.Dir(d.path), filepath.Base(d.path)+tempInfix+"*")
	if err != nil {
		return err
	}
	content := make([]byte, probeSize)
	rand.Read(content)
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), remove(file.Name()))
}

// Full reports whether the disk is full: a commit or a purge failed for lack of space. A commit that
// succeeds ends this, and so does free space, which the store looks for every few seconds.
func (db *DB) Full() bool { return db.disk.full.Load() }

// Collectors returns metrics about the disk and the file. The service is their label.
func (db *DB) Collectors(service string) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "keyward", Name: name, Help: help, ConstLabels: prometheus.Labels{"service": service},
		}, value)
	}
	return []prometheus.Collector{
		gauge("disk_free_bytes", "Free space of the disk with the data file, as measured every few seconds.",
			func() float64 { return float64(db.disk.free.Load()) }),
		gauge("disk_size_bytes", "Size of the disk with the data file.",
			func() float64 { return float64(db.disk.size.Load()) }),
		gauge("disk_full", "1 while changes are refused because the disk with the data file is full.",
			func() float64 {
				if db.Full() {
					return 1
				}
				return 0
			}),
		gauge("data_file_bytes", "Size of the data file, including the pages that are free.", db.fileSize),
	}
}

// fileSize returns the size of the last committed state.
func (db *DB) fileSize() float64 {
	current, err := db.states.acquire()
	if err != nil {
		return 0
	}
	defer current.release()
	return float64(current.tx.Size())
}
