// Command generate writes the pages of the built-in presets to docs/presets. It takes the root of
// the repository, and removes pages of presets that do not exist.
package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/preset/catalog"
)

func main() {
	if err := run(cmp.Or(strings.Join(os.Args[1:], " "), ".")); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	files, err := catalog.Files(folder)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	old, err := fs.Glob(root.FS(), catalog.Folder+"/*.md")
	if err != nil {
		return err
	}
	for _, name := range old {
		if _, ok := files[name]; !ok {
			if err := root.Remove(name); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		if before, err := root.ReadFile(name); err == nil && string(before) == text {
			continue
		}
		if err := root.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
