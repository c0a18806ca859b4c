package memory

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func protect() {
	// None of these calls fails on a kernel that Go supports; protection reports failures.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	// Each page is locked when it is first used. With a limit, nothing is locked, because allocations
	// above the limit would fail.
	if mayLock() {
		_ = unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
	}
}

func protection() state {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return state{undumpable: err == nil && dumpable == 0, locked: lockedKiB() > 0}
}

// lockedKiB returns the size of the locked memory.
func lockedKiB() (size int) {
	status, _ := os.ReadFile("/proc/self/status") // without it, it is not known
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "VmLck: %d kB", &size); n == 1 {
			return size
		}
	}
	return 0
}

// mayLock reports whether an unlimited amount of memory may be locked.
func mayLock() bool {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err == nil && limit.Cur == unix.RLIM_INFINITY {
		return true
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 64 capabilities
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}

// Unlock unlocks the pages of the mapping that starts at an address. Use it for mapped files,
// which may be larger than the memory and contain no plaintext.
func Unlock(address uintptr) error {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("read mappings: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x", &from, &to); n != 2 || from != address {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MUNLOCK, from, to-from, 0); errno != 0 {
			return fmt.Errorf("unlock memory: %w", errno)
		}
		return nil
	}
	return nil
}
