package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A Passage is text that is read as one: a paragraph, a comment, a string.
type Passage struct {
	// Line is the line of the file that the text starts in.
	Line int
	Text string
	// Prose says that the text consists of sentences. A heading or a cell of a table does not.
	Prose bool
}

func (p Passage) violation(from, to int, advice string) Violation {
	return Violation{
		Line:   p.Line + strings.Count(p.Text[:from], "\n"),
		Words:  strings.Join(strings.Fields(p.Text[from:to]), " "),
		Advice: advice,
	}
}

// goPassages returns the comments of a Go file and, outside of tests, its strings of
// three words or more.
func goPassages(name string, text []byte) ([]Passage, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var passages []Passage
	for _, group := range file.Comments {
		passages = append(passages, commentPassages(files.Position(group.Pos()).Line, groupText(group))...)
	}
	if strings.HasSuffix(filepath.Base(name), "_test.go") {
		return passages, nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			n.Tag = nil
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && isPhrase(s) {
				passages = append(passages, Passage{Line: files.Position(n.Pos()).Line, Text: s, Prose: true})
			}
		}
		return true
	})
	return passages, nil
}

// groupText returns a comment group line by line, without the comment marks.
func groupText(group *ast.CommentGroup) string {
	var lines []string
	for _, c := range group.List {
		switch {
		case strings.HasPrefix(c.Text, "//go:"), strings.HasPrefix(c.Text, "//nolint"):
			lines = append(lines, "")
		default:
			lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(c.Text, "//"), "/*"))
		}
	}
	return strings.Join(lines, "\n")
}

// commentPassages splits a comment at blank lines. Indented lines are code.
func commentPassages(line int, text string) []Passage {
	var (
		passages []Passage
		current  []string
		start    = line
	)
	flush := func() {
		if len(current) > 0 {
			passages = append(passages, Passage{Line: start, Text: strings.Join(current, "\n"), Prose: true})
		}
		current = nil
	}
	for i, l := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(l)
		code := strings.HasPrefix(l, "\t") || strings.HasPrefix(l, "     ")
		switch {
		case trimmed == "", trimmed == "*", code, strings.HasPrefix(trimmed, "# "):
			flush()
		default:
			if len(current) == 0 {
				start = line + i
			}
			current = append(current, strings.TrimPrefix(trimmed, "* "))
		}
	}
	flush()
	return passages
}

// isPhrase reports whether s reads as text: three words or more.
func isPhrase(s string) bool { return phrase.MatchString(s) }

var phrase = regexp.MustCompile(`[A-Za-z]{2,},? [A-Za-z]+,? [A-Za-z]+`)

// slashPassages returns the comments of a file in a language with // and /* */, and, if
// asked for, its strings of three words or more.
func slashPassages(text []byte, quoted bool) []Passage {
	var passages []Passage
	var group []string
	groupLine := 0
	flush := func() {
		if len(group) > 0 {
			passages = append(passages, commentPassages(groupLine, strings.Join(group, "\n"))...)
		}
		group = nil
	}
	block := false
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case block:
			body, _, end := strings.Cut(trimmed, "*/")
			group = append(group, strings.TrimPrefix(body, "*"))
			if end {
				block = false
				flush()
			}
		case strings.HasPrefix(trimmed, "//"):
			if len(group) == 0 {
				groupLine = i + 1
			}
			group = append(group, strings.TrimPrefix(trimmed, "//"))
		case strings.HasPrefix(trimmed, "/*"), strings.HasPrefix(trimmed, "{/*"):
			flush()
			groupLine = i + 1
			body, _, end := strings.Cut(strings.TrimLeft(trimmed, "{/*"), "*/")
			group = append(group, body)
			block = !end
			if end {
				flush()
			}
		default:
			flush()
			if _, comment, ok := strings.Cut(line, " // "); ok {
				passages = append(passages, Passage{Line: i + 1, Text: comment, Prose: true})
			}
			if !quoted {
				continue
			}
			for _, s := range quotedString.FindAllString(line, -1) {
				if isPhrase(s) {
					passages = append(passages, Passage{Line: i + 1, Text: strings.Trim(s, `"`), Prose: true})
				}
			}
		}
	}
	flush()
	return passages
}

var quotedString = regexp.MustCompile(`"[^"]*"`)

// markdownPassages returns the paragraphs, list items, headings and cells of a Markdown
// file, without fenced and indented code.
func markdownPassages(text []byte) []Passage {
	var (
		passages []Passage
		current  []string
		start    int
		fence    string
	)
	flush := func() {
		if len(current) > 0 {
			passages = append(passages, Passage{Line: start, Text: strings.Join(current, "\n"), Prose: true})
		}
		current = nil
	}
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		mark := fenceMark.FindString(trimmed)
		switch {
		case fence != "":
			if mark != "" && strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
		case mark != "":
			flush()
			fence = mark
		case trimmed == "", strings.HasPrefix(trimmed, "<!--") && strings.HasSuffix(trimmed, "-->"):
			flush()
		case strings.HasPrefix(line, "    ") && len(current) == 0, strings.HasPrefix(trimmed, "[") && strings.Contains(trimmed, "]: "):
			// Indented code, and the targets of links.
		case strings.HasPrefix(trimmed, "#"), strings.HasPrefix(trimmed, "|"):
			flush()
			passages = append(passages, Passage{Line: i + 1, Text: trimmed})
		case listItem.MatchString(trimmed):
			flush()
			start, current = i+1, []string{listItem.ReplaceAllString(trimmed, "")}
		default:
			if len(current) == 0 {
				start = i + 1
			}
			current = append(current, trimmed)
		}
	}
	flush()
	return passages
}

var (
	fenceMark = regexp.MustCompile("^(```+|~~~+)")
	listItem  = regexp.MustCompile(`^([*+-]|\d+\.)\s+`)
)

// linePassages returns each line with three words or more.
func linePassages(text []byte) []Passage {
	var passages []Passage
	for i, line := range strings.Split(string(text), "\n") {
		if isPhrase(line) {
			passages = append(passages, Passage{Line: i + 1, Text: line})
		}
	}
	return passages
}
