package partnertest

import (
	"encoding/json"
	"net/url"
	"reflect"
)

// SameDocument reports whether two documents are identical, the same JSON, or the same form. A
// value that was a number may have come back as a string.
func SameDocument(want, got []byte) bool {
	if string(want) == string(got) {
		return true
	}
	var a, b any
	if json.Unmarshal(want, &a) == nil {
		return json.Unmarshal(got, &b) == nil && reflect.DeepEqual(a, b)
	}
	x, errX := url.ParseQuery(string(want))
	y, errY := url.ParseQuery(string(got))
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}
