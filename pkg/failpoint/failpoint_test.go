package failpoint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/failpoint"
)

// TestEveryPointIsListedAndPlacedOnce compares the constants, the list and the calls of Hit.
func TestEveryPointIsListedAndPlacedOnce(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "failpoint.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]failpoint.Point) // by the names of the constants
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if text, ok := spec.Values[0].(*ast.BasicLit); ok {
				values[spec.Names[0].Name] = failpoint.Point(strings.Trim(text.Value, `"`))
			}
		}
		return true
	})
	placed := placements(t)
	for name, value := range values {
		if placed[name] != 1 {
			t.Errorf("%s is placed %d times, want once", name, placed[name])
		}
		if !slices.Contains(failpoint.All(), value) {
			t.Errorf("All() lacks %s", name)
		}
	}
	if len(failpoint.All()) != len(values) {
		t.Errorf("All() has %d points, want %d", len(failpoint.All()), len(values))
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
