package main

import (
	"fmt"
	"strings"
	"testing"
)

const list = `
# A comment.
nobody => "no one"
is told => "learns"
`

func TestRulesMatchWholeWordsAcrossLines(t *testing.T) {
	for _, tt := range []struct {
		name, file, text string
		want             []string
	}{
		{
			"a comment of Go", "a.go", "package a\n\n// Nobody\n// is\n// told.\nfunc f() {}\n",
			[]string{`3 Nobody`, `4 is told`},
		},
		{"an identifier of Go", "a.go", "package a\n\nfunc nobody() {}\n", nil},
		{"a string of Go", "a.go", "package a\n\nvar a = \"the caller is told so\"\n", []string{`3 is told`}},
		{"a short string of Go, such as a name on the wire", "a.go", "package a\n\nvar a = \"nobody\"\n", nil},
		{"a string in a test of Go", "a_test.go", "package a\n\nvar a = \"the caller is told so\"\n", nil},
		{"a code span in a comment", "a.go", "package a\n\n// The user is `nobody`.\nvar a int\n", nil},
		{"code in a comment", "a.go", "package a\n\n// Run:\n//\n//\tsu nobody\nvar a int\n", nil},
		{"a longer word", "a.go", "package a\n\n// nobodys\nvar a int\n", nil},
		{"a comment of a proto file", "a.proto", "// Nobody.\nmessage A {\n  string b = 1; // nobody\n}\n", []string{`1 Nobody`, `3 nobody`}},
		{"comments of TypeScript", "a.ts", "/* Nobody. */\nconst a = 1; // nobody\n/**\n * nobody\n */\n", []string{`1 Nobody`, `2 nobody`, `4 nobody`}},
		{"prose of Markdown", "a.md", "# Nobody\n\n* one\n* nobody\n\n| nobody |\n", []string{`1 Nobody`, `4 nobody`, `6 nobody`}},
		{"code of Markdown", "a.md", "```sh\nsu nobody\n```\n\n    nobody\n", nil},
		{"a line of data", "a.json", "{\n \"text\": \"the caller is told so\"\n}\n", []string{`2 is told`}},
		{"a constant", "a.md", "NOBODY\n", nil},
	} {
		if got := violations(t, tt.file, tt.text); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: violations %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSentencesNameTheirSubject(t *testing.T) {
	for _, tt := range []struct {
		name, file, text string
		want             []string
	}{
		{"a relative clause", "a.md", "It is so. Who asks too much\nis refused.\n", []string{`1 Who asks`}},
		{"in the middle of a sentence", "a.md", "It says who asks too much.\n", nil},
		{"a question", "a.md", "What is a secret? It is a value.\n", nil},
		{"a heading", "a.md", "## What to do\n", nil},
		{"a cell of a table", "a.md", "| What is checked |\n", nil},
		{"a heading of Go", "a.go", "// Package a is one.\n//\n// # What it does\npackage a\n", nil},
		{"a comment of Go", "a.go", "// What is left goes.\npackage a\n", []string{`1 What is`}},
	} {
		if got := violations(t, tt.file, tt.text); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: violations %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestMalformedRulesAreRefused(t *testing.T) {
	for _, text := range []string{"nobody", "nobody -> no one", "( => broken"} {
		if _, err := ParseRules(text); err == nil {
			t.Errorf("ParseRules(%q) succeeded", text)
		}
	}
}

// violations returns line and words of each violation in a file.
func violations(t *testing.T, file, text string) []string {
	t.Helper()
	rules, err := ParseRules(list)
	if err != nil {
		t.Fatal(err)
	}
	passages, err := Extract(file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range passages {
		for _, v := range rules.Check(p) {
			got = append(got, fmt.Sprintf("%d %s", v.Line, strings.Join(strings.Fields(v.Words), " ")))
		}
	}
	return got
}
