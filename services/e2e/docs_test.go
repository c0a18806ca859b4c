package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPagesNameExistingTestsAndFiles checks that the tests, files, and Makefile targets that
// pages cite as proof exist.
func TestPagesNameExistingTestsAndFiles(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	tests, goals := testNames(t), makeGoals(t)
	for page, fewest := range map[string]int{"threat-model.md": 20, "testing.md": 40} {
		text := readFile(t, filepath.Join(root, "docs", page))
		named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9_]*)`").FindAllStringSubmatch(text, -1)
		named = append(named, regexp.MustCompile(`\^((?:Test|Fuzz)[A-Z][A-Za-z0-9_]*)\$`).FindAllStringSubmatch(text, -1)...)
		if len(named) < fewest {
			t.Errorf("%s names only %d tests", page, len(named))
		}
		for _, name := range named {
			if !tests[name[1]] {
				t.Errorf("%s names %s, but there is no such test", page, name[1])
			}
		}
		for _, path := range regexp.MustCompile("[`/]((?:services/|pkg/|tools/|vault/|allowlist/|e2e/)[a-z0-9_/]+(?:\\.go)?)`").FindAllStringSubmatch(text, -1) {
			from := root
			if first, _, _ := strings.Cut(path[1], "/"); first == "vault" || first == "allowlist" || first == "e2e" {
				from = filepath.Join(root, "services")
			}
			if _, err := os.Stat(filepath.Join(from, path[1])); err != nil {
				t.Errorf("%s names %s, but there is no such file", page, path[1])
			}
		}
		for _, goal := range regexp.MustCompile("`make ([a-z-]+)`").FindAllStringSubmatch(text, -1) {
			if !goals[goal[1]] {
				t.Errorf("%s names make %s, but there is no such target", page, goal[1])
			}
		}
	}
}

// makeGoals returns the targets of the Makefile that `make help` lists.
func makeGoals(t *testing.T) map[string]bool {
	t.Helper()
	goals := make(map[string]bool)
	for _, goal := range regexp.MustCompile(`(?m)^([a-z-]+):.*## `).FindAllStringSubmatch(readFile(t, filepath.Join("..", "..", "Makefile")), -1) {
		goals[goal[1]] = true
	}
	return goals
}

// TestThePageOnProvidersQuotesTheLog checks that the table of problems with tokens quotes log
// messages correctly.
func TestThePageOnProvidersQuotesTheLog(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "pkg", "auth", "*.go"))
	check(t, err)
	var code strings.Builder
	for _, file := range files {
		code.WriteString(readFile(t, file))
	}
	page := readFile(t, filepath.Join("..", "..", "docs", "identity", "openid.md"))
	quoted := regexp.MustCompile("(?m)^\\| `(the [^`]*)`").FindAllStringSubmatch(page, -1)
	if len(quoted) < 5 {
		t.Fatalf("the page quotes %d messages", len(quoted))
	}
	for _, message := range quoted {
		if !strings.Contains(code.String(), `"`+message[1]+`"`) {
			t.Errorf("no log message is %q", message[1])
		}
	}
}

// testNames returns the names of all tests and fuzz targets of the services and of the kit.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	names := make(map[string]bool)
	for _, root := range []string{"..", filepath.Join("..", "..", "pkg")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if d != nil && d.IsDir() && d.Name() == "node_modules" {
				return fs.SkipDir
			}
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, match := range declared.FindAllStringSubmatch(readFile(t, path), -1) {
				names[match[1]] = true
			}
			return nil
		})
		check(t, err)
	}
	return names
}
