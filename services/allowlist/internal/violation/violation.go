// Package violation puts together what is wrong with a request.
//
// A finding is a violation of a [fault.Error]: the path of a field and what must be there.
// The packages that look at parts of a request each give a fault with their findings, and
// name fields as they know them. [Name] names them as the request does, and [Merge] makes
// one answer of several: who asked learns everything at once.
package violation

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
)

// The reasons whose rank [Merge] knows, besides INVALID_FIELD.
const (
	DirectKey fault.Reason = "DIRECT_KEY_NOT_SUPPORTED"
	Legacy    fault.Reason = "LEGACY_NOT_ACKNOWLEDGED"
)

// ordinary are the keys of maps that findings name, if they have few digits.
var ordinary = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,31}$`)

// The digits of names: 3 at most, and none in long ones. Of 128 random bits, hexadecimal
// practically always and base64 nearly always has one.
const (
	mostDigits = 3
	longName   = 20
)

// Entry returns the path of a map's entry, such as `blobs["data"]`. A key of a map is input,
// and someone may paste key material there: so one that does not look like an ordinary short
// name is left out, and the path is that of the map.
func Entry(path, key string) string {
	digits := len(key) - len(strings.Map(withoutDigits, key))
	if !ordinary.MatchString(key) || digits > mostDigits || digits > 0 && len(key) > longName {
		return path
	}
	return path + `["` + key + `"]`
}

func withoutDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return -1
	}
	return r
}

// Name returns a fault whose violations name other fields, each once. An error that is no
// fault stays as it is.
func Name(err error, name func(field string) string) error {
	f, ok := fault.From(err)
	if !ok {
		return err
	}
	named := *f
	named.Violations = nil
	for _, v := range f.Violations {
		v.Field = name(v.Field)
		if !slices.Contains(named.Violations, v) {
			named.Violations = append(named.Violations, v)
		}
	}
	return &named
}

// Merge returns several errors, of which some may be nil, as one: the gravest fault, the
// first of those, with the violations of all and the metadata of all, in which the graver
// prevails. Key material in the wrong place goes before malformed fields, these before
// all others, and last comes what only needs to be acknowledged. An error that is no fault
// is no finding: it is returned alone.
func Merge(errs ...error) error {
	var faults []*fault.Error
	for _, err := range errs {
		f, ok := fault.From(err)
		if err != nil && !ok {
			return err
		}
		if ok {
			faults = append(faults, f)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	var violations []fault.Violation
	for _, f := range faults {
		violations = append(violations, f.Violations...)
	}
	slices.SortStableFunc(faults, func(a, b *fault.Error) int { return gravity(b) - gravity(a) })
	all := *faults[0]
	all.Violations, all.Metadata = violations, nil
	for _, f := range slices.Backward(faults) {
		if all.Metadata == nil {
			all.Metadata = maps.Clone(f.Metadata)
		}
		maps.Copy(all.Metadata, f.Metadata)
	}
	return &all
}

func gravity(f *fault.Error) int {
	switch f.Reason {
	case DirectKey:
		return 3
	case fault.InvalidField:
		return 2
	case Legacy:
		return 0
	default:
		return 1
	}
}
