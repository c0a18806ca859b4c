package failpoint_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/failpoint"
)

// TestEveryPointIsPlacedOnce compares the constants with the calls of Hit.
func TestEveryPointIsPlacedOnce(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("failpoint.go")
	if err != nil {
		t.Fatal(err)
	}
	placed := placements(t)
	named := regexp.MustCompile(`(?m)^\t(\w+): +"[a-z.]+",$`).FindAllSubmatch(text, -1)
	if len(named) != len(failpoint.All()) {
		t.Errorf("%d points have names, want %d", len(named), len(failpoint.All()))
	}
	for _, found := range named {
		if name := string(found[1]); placed[name] != 1 {
			t.Errorf("%s is placed %d times, want once", name, placed[name])
		}
	}
	for _, p := range failpoint.All() {
		if p.String() == "" {
			t.Errorf("the point %d has no name", p)
		}
	}
}

// placements counts the uses of each constant outside of this package and of tests.
func placements(t *testing.T) map[string]int {
	t.Helper()
	placed := make(map[string]int)
	use := regexp.MustCompile(`failpoint\.Hit\(failpoint\.(\w+)\)`)
	for _, folder := range []string{"../../pkg", "../../services"} {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, found := range use.FindAllSubmatch(text, -1) {
				placed[string(found[1])]++
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return placed
}
