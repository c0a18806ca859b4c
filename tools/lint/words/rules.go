package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// A Rule names words to avoid, and what to write instead.
type Rule struct {
	words  *regexp.Regexp
	advice string
}

// Rules are the rules of a list.
type Rules []Rule

// A Violation is a place that breaks a rule.
type Violation struct {
	Line   int
	Words  string
	Advice string
}

// ParseRules reads a list: a rule a line, `words => advice`. The words are a regular
// expression that matches whole words in either case. A space in it matches any white
// space, so that phrases are found across line breaks. Lines that start with # are
// comments.
func ParseRules(text string) (Rules, error) {
	var rules Rules
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words, advice, ok := strings.Cut(line, " => ")
		if !ok {
			return nil, fmt.Errorf("line %d: want `words => advice`", i+1)
		}
		re, err := regexp.Compile(`(?i)\b(?:` + strings.ReplaceAll(strings.TrimSpace(words), " ", `\s+`) + `)\b`)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		rules = append(rules, Rule{words: re, advice: strings.TrimSpace(advice)})
	}
	return rules, nil
}

// Check returns the violations in a passage.
func (r Rules) Check(p Passage) []Violation {
	text := codeSpan.ReplaceAllStringFunc(p.Text, blank)
	var found []Violation
	for _, rule := range r {
		for _, at := range rule.words.FindAllStringIndex(text, -1) {
			if isConstant(text[at[0]:at[1]]) {
				continue
			}
			found = append(found, p.violation(at[0], at[1], rule.advice))
		}
	}
	if !p.Prose {
		return found
	}
	for _, at := range clause.FindAllStringSubmatchIndex(text, -1) {
		if isQuestion(text[at[2]:]) {
			continue
		}
		found = append(found, p.violation(at[2], at[3], "a relative clause as the subject of a sentence: name the subject"))
	}
	return found
}

var (
	codeSpan = regexp.MustCompile("`[^`]*`")
	// clause is the start of a sentence such as "Who asks too much gets an error".
	clause = regexp.MustCompile(`(?:^|[.:;!?]\s+)((?:Who|Whoever|What|Whatever|Whose)\s+[a-z]+\b)`)
)

// isConstant reports whether s is in capitals, as names on the wire are.
func isConstant(s string) bool { return len(s) > 1 && s == strings.ToUpper(s) }

// blank overwrites all but line breaks, so that offsets and lines stay.
func blank(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r > unicode.MaxASCII {
			return r
		}
		return '_'
	}, s)
}

// isQuestion reports whether the first sentence of text ends in a question mark.
func isQuestion(text string) bool {
	end := strings.IndexAny(text, ".!?")
	return end >= 0 && text[end] == '?'
}
