package memory

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asProgram makes the test binary the program that the tests start.
const asProgram = "KEYWARD_TEST_PROTECTED"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		protectedProgram(os.Getenv(asProgram))
		return
	}
	os.Exit(m.Run())
}

// protectedProgram protects its memory, uses some, maps a file, and waits.
func protectedProgram(file string) {
	Protect()
	used := make([][]byte, 0, 64)
	for range 64 { // more than may be locked under a usual limit
		used = append(used, []byte(strings.Repeat("x", 1<<20)))
	}
	f, err := os.Open(file)
	if err != nil {
		panic(err)
	}
	mapped, err := unix.Mmap(int(f.Fd()), 0, 1<<20, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	if err := Unlock(addressOf(mapped)); err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintln(os.Stdout, len(used), mapped[0], protection())
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends
}

// start starts the program for a user, and returns what it printed.
func start(t *testing.T, credential *syscall.Credential) (pid int, printed string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "keyward-memory-") //nolint:usetesting // that of the test is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary, file := filepath.Join(dir, "program"), filepath.Join(dir, "file")
	// Another process copies the program: a file that this one has open for writing cannot be executed, and
	// a process that another test starts in this moment keeps it open.
	if err := exec.CommandContext(t.Context(), "cp", "/proc/"+strconv.Itoa(os.Getpid())+"/exe", binary).Run(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = []string{asProgram + "=" + file}
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	printed, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the program ended: %v", err)
	}
	return cmd.Process.Pid, strings.TrimSpace(printed)
}

func TestAProgramOfTheSameUserCannotReadTheMemory(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	pid, printed := start(t, nobody)
	if !strings.HasPrefix(printed, "64 0 {true ") {
		t.Errorf("the program says %q, want undumpable", printed)
	}
	for _, file := range []string{"environ", "mem", "maps"} {
		cmd := exec.CommandContext(t.Context(), "head", "-c", "1", fmt.Sprintf("/proc/%d/%s", pid, file))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("a program of the same user reads %q from %s", out, file)
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if fields := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (fields[4] != "0" || fields[5] != "0") {
			t.Errorf("limits: %s", line)
		}
	}
}

func TestMemoryIsLockedWhereItMayBeAndFilesAreNot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, who may lock memory")
	}
	pid, printed := start(t, nil)
	if printed != "64 0 {true true}" {
		t.Errorf("the program says %q, want undumpable and locked", printed)
	}
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	files, written, mapping := 0, 0, ""
	for line := range strings.Lines(string(smaps)) {
		if fields := strings.Fields(line); len(fields) >= 5 && strings.Contains(fields[0], "-") {
			mapping = line
		}
		flags, ok := strings.CutPrefix(line, "VmFlags:")
		locked := strings.Contains(flags, " lo ")
		switch {
		case !ok:
		case strings.Contains(mapping, "/file"):
			if files++; locked {
				t.Errorf("the file is locked: %s", mapping)
			}
		case strings.Contains(mapping, " rw-p "):
			if written++; !locked {
				t.Errorf("what is written is not locked: %s", mapping)
			}
		}
	}
	if files == 0 || written < 3 {
		t.Errorf("%d mappings of the file and %d of what is written, want 1 and some", files, written)
	}
}

func addressOf(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
