package gateway

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxListed is the maximum number of names in an error.
const maxListed = 12

// unknownField describes an unknown field and lists the fields of the message. It repeats the name
// only if it could be the name of a field: otherwise it may be a misplaced secret.
func unknownField(md protoreflect.MessageDescriptor, name string) string {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, md.Fields().Get(i).JSONName())
	}
	if len(names) == 0 {
		return "must be empty: it has no fields"
	}
	if !repeatable.MatchString(name) {
		return "unknown field; available: " + listed(names, "")
	}
	return fmt.Sprintf("unknown field %s; available: %s", name, listed(names, name))
}

// repeatable matches strings that look like the name of a field. Key material that was pasted
// instead of a name is longer, or has digits between its letters.
var repeatable = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{0,28}[0-9]{0,3}$`)

// choices returns the names of the fields of a oneof.
func choices(choice protoreflect.OneofDescriptor) []string {
	var names []string
	for i := range choice.Fields().Len() {
		names = append(names, choice.Fields().Get(i).JSONName())
	}
	return names
}

// prefixOf returns the prefix of all values of an enum, such as `ALGORITHM_`, or an empty string
// if they have none.
func prefixOf(ed protoreflect.EnumDescriptor) string {
	prefix, ok := strings.CutSuffix(string(ed.Values().Get(0).Name()), "UNSPECIFIED")
	if !ok {
		return ""
	}
	return prefix
}

// valuesOf returns the short names of the values of an enum, without the unspecified one.
func valuesOf(ed protoreflect.EnumDescriptor) []string {
	var names []string
	for i := range ed.Values().Len() {
		if v := ed.Values().Get(i); v.Number() != 0 {
			names = append(names, strings.TrimPrefix(string(v.Name()), prefixOf(ed)))
		}
	}
	return names
}

// listed joins names, the most similar to the given one first.
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

// distance returns the Levenshtein distance: the number of characters that must be changed, added,
// or removed to turn one name into the other.
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
