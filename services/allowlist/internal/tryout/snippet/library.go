package snippet

import (
	"regexp"
	"strings"
)

// declaration matches the beginning of a function, in all languages here.
var declaration = regexp.MustCompile(`(?m)^(?:function|def|  static [\w<>\[\], ]+?) (\w+)\(`)

// literals matches the strings in a constant.
var literals = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)

// declares reports whether a library has a function.
func declares(library, name string) bool {
	for _, found := range declaration.FindAllStringSubmatch(library, -1) {
		if found[1] == name {
			return true
		}
	}
	return false
}

// functions returns the library functions that code calls, and those that they call in turn, in
// the order of the library. In a library, a blank line ends a function.
func functions(library, code string) []string {
	all := strings.Split(strings.TrimRight(library, "\n"), "\n\n")
	at := make(map[string]int, len(all))
	for i, function := range all {
		at[declaration.FindStringSubmatch(function)[1]] = i
	}
	used := make([]bool, len(all))
	for calls := []string{code}; len(calls) > 0; calls = calls[1:] {
		for _, name := range called(calls[0]) {
			if i, ok := at[name]; ok && !used[i] {
				used[i] = true
				calls = append(calls, all[i])
			}
		}
	}
	var kept []string
	for i, function := range all {
		if used[i] {
			kept = append(kept, function)
		}
	}
	return kept
}

// call matches a called name, except for the methods of an object, and a Java method reference
// after two colons.
var call = regexp.MustCompile(`(\.)?\b(\w+)\(|::(\w+)`)

// called returns the functions that code calls or refers to.
func called(code string) []string {
	var names []string
	for _, found := range call.FindAllStringSubmatch(code, -1) {
		if found[1] == "" {
			names = append(names, found[2]+found[3])
		}
	}
	return names
}

// word matches a name in code.
var word = regexp.MustCompile(`\w+`)

// imported returns the imports whose last name occurs in code. A blank line separates groups;
// empty groups are removed.
func imported(imports, code string) string {
	used := make(map[string]bool)
	for _, name := range word.FindAllString(code, -1) {
		used[name] = true
	}
	var groups []string
	for group := range strings.SplitSeq(imports, "\n\n") {
		var kept strings.Builder
		for line := range strings.Lines(group) {
			if names := word.FindAllString(line, -1); used[names[len(names)-1]] {
				kept.WriteString(strings.TrimRight(line, "\n") + "\n")
			}
		}
		if kept.Len() > 0 {
			groups = append(groups, kept.String())
		}
	}
	return strings.Join(groups, "\n")
}
