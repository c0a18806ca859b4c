package buildinfo

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	tree := &debug.BuildInfo{
		GoVersion: "go1.99",
		Main:      debug.Module{Version: "v0.2.0"},
		Settings:  []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "false"}},
	}
	changed := &debug.BuildInfo{
		GoVersion: "go1.99",
		Main:      debug.Module{Version: "(devel)"},
		Settings:  []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "abc"}},
	}
	tests := []struct {
		name     string
		linked   Info
		recorded *debug.BuildInfo
		want     Info
	}{
		{"the linker wins", Info{Version: "v1.2.3", Commit: "def", Date: "2026-05-06T00:00:00Z"}, tree, Info{"v1.2.3", "def", "2026-05-06T00:00:00Z", "go1.99"}},
		{"the linker's values are not mixed with the tree's", Info{Version: "v1.2.3"}, tree, Info{"v1.2.3", "", "", "go1.99"}},
		{"a clean tree", Info{}, tree, Info{"v0.2.0", "abc", "2026-01-02T03:04:05Z", "go1.99"}},
		{"a changed tree without a version", Info{}, changed, Info{Devel, "abc-dirty", "", "go1.99"}},
		{"nothing is known", Info{}, new(debug.BuildInfo), Info{Devel, "", "", runtime.Version()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := merge(tt.linked, tt.recorded); got != tt.want {
				t.Errorf("merge() = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestStringNamesWhatIsUnknown(t *testing.T) {
	t.Parallel()
	want := "devel (commit unknown, date unknown, go1.99, " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	if got := (Info{Version: Devel, Go: "go1.99"}).String(); got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

func TestDescribeHasALineForEachFact(t *testing.T) {
	t.Parallel()
	want := "vault v1.2.3\ncommit       abc\ndate         unknown\ngo           go1.99 " + runtime.GOOS + "/" + runtime.GOARCH + "\nstored form  2\n"
	if got := (Info{Version: "v1.2.3", Commit: "abc", Go: "go1.99"}).Describe("vault", 2); got != want {
		t.Errorf("Describe() = %q, want %q", got, want)
	}
}
