// Package violation combines the violations of a request.
//
// A violation is part of a [fault.Error]: the path of a field and what the field must contain. The
// packages that check parts of a request each return a fault with their violations, and use their
// own names for fields. [Name] replaces these with the names of the request, and [Merge] combines
// several faults into one, so that the caller learns everything at once.
package violation

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
)

// The reasons that [Merge] ranks, in addition to INVALID_FIELD.
const (
	DirectKey fault.Reason = "DIRECT_KEY_NOT_SUPPORTED"
	Legacy    fault.Reason = "LEGACY_NOT_ACKNOWLEDGED"
)

// ordinary matches the keys of maps that violations name, if they have few digits.
var ordinary = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,31}$`)

// The limits of digits in names: at most 3, and none in long names. With 128 random bits,
// hexadecimal practically always contains a digit, and base64 nearly always.
const (
	mostDigits = 3
	longName   = 20
)

// Entry returns the path of a map's entry, such as `blobs["data"]`. A key of a map is input, and
// someone may paste key material there. So a key that does not look like an ordinary short name is
// left out, and the path is that of the map.
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

// Name returns a fault whose violations have their fields renamed, without duplicates. It returns
// other errors unchanged.
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

// Merge combines several errors, of which some may be nil, into one: the first of the most severe
// faults, with the violations and the metadata of all; metadata of more severe faults takes
// precedence. Key material in the wrong place is most severe, then malformed fields, then all
// other faults, and last fields that only need an acknowledgement. An error that is not a fault
// has no violations: it is returned alone.
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
