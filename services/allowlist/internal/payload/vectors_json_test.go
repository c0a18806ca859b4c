package payload_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// replaceObject returns a document with the object at a path of names replaced.
func replaceObject(t *testing.T, document, path, object string) string {
	t.Helper()
	var root, value any
	for text, into := range map[string]any{document: &root, object: &value} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	names := strings.Split(strings.TrimPrefix(path, "$."), ".")
	at, _ := root.(map[string]any)
	for _, name := range names[:len(names)-1] {
		at, _ = at[name].(map[string]any)
	}
	at[names[len(names)-1]] = value
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sameButStrings compares two documents in which a value may have become a string.
func sameButStrings(t *testing.T, want, got string) bool {
	t.Helper()
	var a, b any
	if json.Unmarshal([]byte(want), &a) != nil || json.Unmarshal([]byte(got), &b) != nil {
		return false
	}
	var same func(a, b any) bool
	same = func(a, b any) bool {
		if text, ok := b.(string); ok {
			var value any
			return a == text || json.Unmarshal([]byte(text), &value) == nil && reflect.DeepEqual(a, value)
		}
		switch a := a.(type) {
		case map[string]any:
			other, ok := b.(map[string]any)
			for name := range a {
				ok = ok && same(a[name], other[name])
			}
			return ok && len(a) == len(other)
		case []any:
			other, ok := b.([]any)
			ok = ok && len(a) == len(other)
			for i := range a {
				ok = ok && same(a[i], other[i])
			}
			return ok
		default:
			return reflect.DeepEqual(a, b)
		}
	}
	return same(a, b)
}
