package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheThreatModelNamesTestsAndFilesThatThereAre keeps the claims of docs/threat-model.md
// tied to what proves them.
func TestTheThreatModelNamesTestsAndFilesThatThereAre(t *testing.T) {
	t.Parallel()
	text := readFile(t, filepath.Join("..", "..", "docs", "threat-model.md"))
	tests := testNames(t)
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(text, -1)
	if len(named) < 20 {
		t.Fatalf("the threat model names %d tests", len(named))
	}
	for _, name := range named {
		if !tests[name[1]] {
			t.Errorf("there is no test %s", name[1])
		}
	}
	for _, path := range regexp.MustCompile("`((?:vault|allowlist|e2e|pkg)/[a-z0-9_/]+(?:\\.go)?)`").FindAllStringSubmatch(text, -1) {
		base := ".."
		if strings.HasPrefix(path[1], "pkg/") {
			base = filepath.Join("..", "..")
		}
		if _, err := os.Stat(filepath.Join(base, path[1])); err != nil {
			t.Errorf("there is no %s", path[1])
		}
	}
}

// TestThePageOnProvidersQuotesTheLog keeps the table of what goes wrong with tokens true.
func TestThePageOnProvidersQuotesTheLog(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "pkg", "auth", "*.go"))
	check(t, err)
	var code strings.Builder
	for _, file := range files {
		code.WriteString(readFile(t, file))
	}
	page := readFile(t, filepath.Join("..", "..", "docs", "identity", "openid.md"))
	quoted := regexp.MustCompile("(?m)^\\| `(the token [^`]*)`").FindAllStringSubmatch(page, -1)
	if len(quoted) < 5 {
		t.Fatalf("the page quotes %d messages", len(quoted))
	}
	for _, message := range quoted {
		if !strings.Contains(code.String(), `"`+message[1]+`"`) {
			t.Errorf("the log never says %q", message[1])
		}
	}
}

// testNames returns the names of all tests of the services and of the kit.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
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
