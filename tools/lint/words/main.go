// Command words reports prose that uses other words than the glossary.
//
//	words LIST FILE...
//
// LIST holds the rules; see [ParseRules]. For each kind of file, the command checks the
// parts that people read:
//
//   - Go: comments, and strings of three words or more outside of tests
//   - Proto: comments and strings
//   - TypeScript: comments
//   - Markdown: everything but code
//   - JSON, YAML and the rest: each line
//
// Code spans in backquotes are exempt, and so are identifiers and wire strings. Each
// violation is a line on standard output, `file:line: "words": advice`, and makes the
// command fail.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: words LIST FILE...")
		os.Exit(2)
	}
	violations, err := check(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(2)
	}
	for _, v := range violations {
		fmt.Println(v)
	}
	if len(violations) > 0 {
		fmt.Fprintf(os.Stderr, "words: %d violations; see docs/glossary.md\n", len(violations))
		os.Exit(1)
	}
}

// check applies the rules of a list to files.
func check(list string, files []string) ([]string, error) {
	text, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	rules, err := ParseRules(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", list, err)
	}
	var violations []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		passages, err := Extract(file, text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, p := range passages {
			for _, v := range rules.Check(p) {
				violations = append(violations, fmt.Sprintf("%s:%d: %q: %s", filepath.ToSlash(file), v.Line, v.Words, v.Advice))
			}
		}
	}
	return violations, nil
}

// Extract returns the passages of a file that people read. The name decides the kind.
func Extract(name string, text []byte) ([]Passage, error) {
	switch {
	case strings.HasSuffix(name, ".go"):
		return goPassages(name, text)
	case strings.HasSuffix(name, ".proto"):
		return slashPassages(text, true), nil
	case strings.HasSuffix(name, ".ts"), strings.HasSuffix(name, ".tsx"), strings.HasSuffix(name, ".mjs"), strings.HasSuffix(name, ".js"):
		return slashPassages(text, false), nil
	case strings.HasSuffix(name, ".md"):
		return markdownPassages(text), nil
	default:
		return linePassages(text), nil
	}
}
