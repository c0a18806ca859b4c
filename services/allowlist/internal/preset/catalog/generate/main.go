// Command generate writes the pages of the built-in presets to docs/presets. It takes the root of
// the repository, and removes pages of presets that do not exist.
package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/preset/catalog"
)

func main() {
	if err := run(cmp.Or(strings.Join(os.Args[1:], " "), ".")); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

func run(root string) error {
	files, err := catalog.Files(root)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(root, catalog.Folder, "*.md"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, ok := files[catalog.Folder+"/"+filepath.Base(path)]; !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if before, err := os.ReadFile(path); err == nil && string(before) == text {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
