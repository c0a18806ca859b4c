package compile

import (
	"slices"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// Violations collects the violations of a configuration. Fields are named by the names of the
// proto, by list positions, and by the keys of maps.
type Violations struct {
	Workspace string
	Now       time.Time
	// Stored turns off the checks that depend on the time and the workspace. They were made when the
	// configuration was saved.
	Stored bool
	// Trusted turns off the search for secrets in literals. They were checked when the original of
	// this variant was saved.
	Trusted bool

	// conflicting says that a KEY has chains of which one may be an oracle for another.
	conflicting bool
	// unsigned says that the partner issues values in responses that others could have made.
	unsigned bool

	All       []fault.Violation
	directKey bool
	invalid   bool
	flags     []allowlistv1.LegacyAcknowledgement_Flag
}

// Add records a malformed field. The description never repeats the value of the field, except for
// the name of an unknown placeholder or function.
func (f *Violations) Add(field, description string) {
	f.invalid = true
	f.All = append(f.All, fault.Violation{Field: field, Description: description})
}

// addDirectKey records a value that is not a reference where one is required.
func (f *Violations) addDirectKey(field string) {
	f.directKey = true
	f.All = append(f.All, fault.Violation{
		Field:       field,
		Description: "must be the name of a secret, workspaces/{workspace}/secrets/{secret}; store the key in the vault and refer to it",
	})
}

// addLegacy records an unsafe choice that is not acknowledged.
func (f *Violations) addLegacy(field string, flag allowlistv1.LegacyAcknowledgement_Flag) {
	f.flags = append(f.flags, flag)
	f.All = append(f.All, fault.Violation{
		Field:       field,
		Description: "must acknowledge " + flagName(flag),
	})
}

// Fault returns all violations with the most severe reason, or nil without violations. It always
// lists the flags of choices that are not acknowledged.
func (f *Violations) Fault() *fault.Error {
	var err *fault.Error
	switch {
	case f.directKey:
		err = fault.New(fault.InvalidArgument, message.DirectKeyNotSupported, "the configuration holds something other than a reference to a secret")
	case f.invalid:
		err = fault.Fields()
	case len(f.flags) > 0:
		err = fault.New(fault.FailedPrecondition, message.LegacyNotAcknowledged, "the configuration makes unsafe choices that are not acknowledged")
	default:
		return nil
	}
	err.Violations = f.All
	if len(f.flags) > 0 {
		err = err.With("flags", FlagNames(f.flags))
	}
	return err
}

// FlagNames returns flags as errors list them.
func FlagNames(flags []allowlistv1.LegacyAcknowledgement_Flag) string {
	names := make([]string, len(flags))
	for i, flag := range flags {
		names[i] = flagName(flag)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// flagName returns the flag as errors name it.
func flagName(flag allowlistv1.LegacyAcknowledgement_Flag) string {
	return strings.TrimPrefix(flag.String(), "FLAG_")
}
