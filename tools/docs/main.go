// Command docs generates the reference parts of the pages in docs/ from the source tree: the
// configuration keys from the structs that the programs read, and the flags of standalone from
// its main package. The pages of presets have a generator of their own, in the allowlist.
//
// A page marks the parts that belong to the generator and keeps everything else by hand:
//
//	<!-- begin generated: config pkg/server.Config -->
//	<!-- end generated -->
//
// The command takes the root of the repository. With -check it changes nothing and fails if
// a page is out of date.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// pages are the files with generated parts, relative to the root.
var pages = []string{"docs/configuration.md"}

func main() {
	check := flag.Bool("check", false, "change nothing; fail if a page is out of date")
	flag.Parse()
	root := "."
	if flag.NArg() > 0 {
		root = flag.Arg(0)
	}
	if err := run(root, *check); err != nil {
		fmt.Fprintf(os.Stderr, "docs: %v\n", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	g := &generator{source: newSource(root)}
	for _, page := range pages {
		path := filepath.Join(root, page)
		before, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read page: %w", err)
		}
		after, err := g.page(string(before))
		switch {
		case err != nil:
			return fmt.Errorf("generate %s: %w", page, err)
		case after == string(before):
			continue
		case check:
			return fmt.Errorf("%s is out of date; run make docs-gen", page)
		}
		if err := os.WriteFile(path, []byte(after), 0o600); err != nil {
			return fmt.Errorf("write page: %w", err)
		}
	}
	return nil
}

// A generator writes the generated parts of pages.
type generator struct {
	source *source
}

var generated = regexp.MustCompile(`(?s)(<!-- begin generated: (\S+) (\S+) -->\n).*?(<!-- end generated -->)`)

// page returns the page with each generated part up to date.
func (g *generator) page(text string) (string, error) {
	var failed error
	out := generated.ReplaceAllStringFunc(text, func(part string) string {
		m := generated.FindStringSubmatch(part)
		body, err := g.part(m[2], m[3])
		if err != nil && failed == nil {
			failed = fmt.Errorf("%s %s: %w", m[2], m[3], err)
		}
		return m[1] + "\n" + strings.TrimSpace(body) + "\n\n" + m[4]
	})
	return out, failed
}

func (g *generator) part(kind, of string) (string, error) {
	switch kind {
	case "config":
		return g.config(of)
	case "flags":
		return g.flags(of)
	}
	return "", fmt.Errorf("unknown kind of generated part")
}

// cell returns a string as a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
