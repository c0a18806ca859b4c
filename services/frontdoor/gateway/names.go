package gateway

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxListed is how many names an answer lists, the nearest first.
const maxListed = 12

// unknownField says that a message has no such field, and which it has. It repeats the name
// only if it could be one.
func unknownField(md protoreflect.MessageDescriptor, name string) string {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, md.Fields().Get(i).JSONName())
	}
	if !repeatable.MatchString(name) {
		name = "of this name" // which may be a secret in the wrong place
	}
	if len(names) == 0 {
		return "has no fields, and none " + name
	}
	return fmt.Sprintf("has no field %s; it has %s", name, listed(names, name))
}

// repeatable is what a name of a field looks like. Key material that was pasted in the place of
// a name is longer, or has digits between its letters.
var repeatable = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{0,28}[0-9]{0,3}$`)

// choices returns the names of the fields of a oneof.
func choices(choice protoreflect.OneofDescriptor) []string {
	var names []string
	for i := range choice.Fields().Len() {
		names = append(names, choice.Fields().Get(i).JSONName())
	}
	return names
}

// prefixOf returns what all values of an enum begin with, such as `ALGORITHM_`; empty if it is
// not told.
func prefixOf(ed protoreflect.EnumDescriptor) string {
	prefix, ok := strings.CutSuffix(string(ed.Values().Get(0).Name()), "UNSPECIFIED")
	if !ok {
		return ""
	}
	return prefix
}

// valuesOf returns the short names of the values of an enum, without the one that is not set.
func valuesOf(ed protoreflect.EnumDescriptor) []string {
	var names []string
	for i := range ed.Values().Len() {
		if v := ed.Values().Get(i); v.Number() != 0 {
			names = append(names, strings.TrimPrefix(string(v.Name()), prefixOf(ed)))
		}
	}
	return names
}

// listed joins names, those first that are near to what was given.
func listed(names []string, given string) string {
	if given != "" && len(given) <= 64 {
		far := func(name string) int {
			if d := distance(strings.ToLower(name), strings.ToLower(given)); d <= len(given)/2 {
				return d
			}
			return len(given)
		}
		slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(far(a), far(b)) })
	}
	if more := len(names) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), more)
	}
	return strings.Join(names, ", ")
}

// distance returns how many characters have to be changed, added or left away to make one
// name of another (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := before
			if a[i] != b[j] {
				changed++
			}
			before = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
