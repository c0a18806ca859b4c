package boltkv

import "golang.org/x/sys/unix"

// space returns the bytes that a process without privileges can still write to the disk with a folder,
// and the size of that disk.
func space(dir string) (free, size uint64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, 0, err
	}
	unit := uint64(stat.Frsize)
	if unit == 0 {
		unit = uint64(stat.Bsize)
	}
	return stat.Bavail * unit, stat.Blocks * unit, nil
}
