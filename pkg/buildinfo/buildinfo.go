// Package buildinfo says which build of Keyward is running.
//
// A release sets version, commit and date with the linker; see
// deploy/build-program.sh. Every other build takes them from what the Go command
// records about the working tree.
package buildinfo

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Devel is the version of a build that has no other.
const Devel = "devel"

// Set by the linker: -X github.com/keyward/keyward/pkg/buildinfo.version=v1.2.3.
var version, commit, date string

// Info describes a build. Commit and Date are empty when they are unknown.
type Info struct {
	// Version is a release such as `v1.2.3`, a pseudo-version, or [Devel].
	Version string
	// Commit is the full hash, followed by `-dirty` if the tree had changes.
	Commit string
	// Date is the time of the commit, in RFC 3339.
	Date string
	// Go is the version of the Go toolchain.
	Go string
}

// Read returns the description of the running program.
func Read() Info {
	recorded, ok := debug.ReadBuildInfo()
	if !ok {
		recorded = new(debug.BuildInfo)
	}
	return merge(Info{Version: version, Commit: commit, Date: date}, recorded)
}

// merge completes the linker's values with those that the Go command recorded. They
// are not mixed: a commit of the tree says nothing about a version of the linker.
func merge(linked Info, recorded *debug.BuildInfo) Info {
	info := linked
	if linked == (Info{}) {
		info = fromVCS(recorded)
	}
	info.Version = cmp.Or(info.Version, Devel)
	info.Go = cmp.Or(recorded.GoVersion, runtime.Version())
	return info
}

func fromVCS(recorded *debug.BuildInfo) Info {
	var info Info
	if recorded.Main.Version != "(devel)" {
		info.Version = recorded.Main.Version
	}
	dirty := ""
	for _, setting := range recorded.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Commit = setting.Value
		case "vcs.time":
			info.Date = setting.Value
		case "vcs.modified":
			if setting.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	if info.Commit != "" {
		info.Commit += dirty
	}
	return info
}

// String returns the description in one line, as `--version` prints it.
func (i Info) String() string {
	return fmt.Sprintf("%s (commit %s, %s, %s, %s/%s)", i.Version,
		cmp.Or(i.Commit, "unknown"), cmp.Or(i.Date, "date unknown"), i.Go, runtime.GOOS, runtime.GOARCH)
}

// Describe returns the description of a program in lines, as its command `version` prints it. The stored
// form is the version of the data files that the release writes; programs of releases with the same one
// can read each other's files.
func (i Info) Describe(program string, storedForm int) string {
	return fmt.Sprintf("%s %s\ncommit       %s\ndate         %s\ngo           %s %s/%s\nstored form  %d\n", program, i.Version,
		cmp.Or(i.Commit, "unknown"), cmp.Or(i.Date, "unknown"), i.Go, runtime.GOOS, runtime.GOARCH, storedForm)
}
