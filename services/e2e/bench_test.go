package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// figures are those of a case or a limit in the report of the benchmark.
type figures struct {
	Target, Error string
	Calls, Errors int
}

func (f figures) check(t *testing.T, name string) {
	t.Helper()
	if f.Calls == 0 || f.Errors != 0 {
		t.Errorf("%s, %s: %d calls, %d errors (the first: %s); want calls and no errors", name, f.Target, f.Calls, f.Errors, f.Error)
	}
}

// benchmark runs the benchmark and reads its report. It never looks at a time.
func benchmark(t *testing.T, report any, args ...string) {
	t.Helper()
	folder, err := programs()
	check(t, err)
	dir := t.TempDir()
	program, file := filepath.Join(dir, "bench"), filepath.Join(dir, "report.json")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../bench")
	build.Env = append(os.Environ(), "GOEXPERIMENT=runtimesecret")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	args = append(args, "--programs", folder, "--json", file)
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("bench %v: %v\n%s", args, err, out)
	}
	text, err := os.ReadFile(file)
	check(t, err)
	check(t, json.Unmarshal(text, report))
}

func TestTheBenchmarkMeasuresEachCaseAndItsLimits(t *testing.T) {
	t.Parallel()
	var report struct {
		Results []struct {
			Case    string
			Keyward figures
			Limits  []figures
		}
		Reads []figures
		Pages []struct{ Pages float64 }
	}
	benchmark(t, &report, "load", "--quick")
	if len(report.Results) < 9 {
		t.Errorf("the benchmark has %d cases, want at least 9", len(report.Results))
	}
	for _, result := range report.Results {
		if len(result.Limits) == 0 {
			t.Errorf("%s has no limit", result.Case)
		}
		for _, f := range append(result.Limits, result.Keyward) {
			f.check(t, result.Case)
		}
	}
	for _, f := range report.Reads {
		f.check(t, "reads")
	}
	for _, layout := range report.Pages {
		if layout.Pages <= 0 {
			t.Errorf("pages of a commit = %v, want more than 0", layout.Pages)
		}
	}
	if len(report.Reads) == 0 || len(report.Pages) == 0 {
		t.Error("the benchmark does not report reads with MACs and pages of a commit")
	}
}

func TestTheBenchmarkAtScaleUsesItsFilledStoresAgain(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	run := func() {
		var report struct {
			Sizes []struct {
				Secrets int
				Start   int64 `json:"start_ns"`
				Pages   int64 `json:"pages_bytes"`
				Cases   []struct {
					Case string
					figures
				}
			}
		}
		benchmark(t, &report, "scale", "--sizes=100,200", "--endpoints=50", "--rounds=1", "--round=50ms", "--cache", cache)
		if len(report.Sizes) != 2 {
			t.Fatalf("the benchmark measured %d sizes, want 2", len(report.Sizes))
		}
		for _, size := range report.Sizes {
			if size.Start <= 0 || size.Pages <= 0 || len(size.Cases) < 7 {
				t.Errorf("%d secrets: start %d ns, %d bytes, %d cases; want all of them", size.Secrets, size.Start, size.Pages, len(size.Cases))
			}
			for _, c := range size.Cases {
				c.check(t, c.Case)
			}
		}
	}
	stores := func() map[string]os.FileInfo {
		all := make(map[string]os.FileInfo)
		paths, err := filepath.Glob(filepath.Join(cache, "*", "vault.db"))
		check(t, err)
		for _, path := range paths {
			if all[path], err = os.Stat(path); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	run()
	first := stores()
	run()
	second := stores()
	if len(first) != 2 || len(second) != 2 {
		t.Fatalf("the cache has %d filled stores, and %d after the second run; want 2", len(first), len(second))
	}
	for path, info := range first {
		if again := second[path]; again == nil || !again.ModTime().Equal(info.ModTime()) {
			t.Errorf("the second run changed %s, want it to work on a copy", path)
		}
	}
}
