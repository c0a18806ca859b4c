package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/literal"
)

const publicLiteral = allowlistv1.LegacyAcknowledgement_FLAG_PUBLIC_LITERAL

// PublicLiterals returns the fields of a profile whose literals could be secret or public: the
// fields that an acknowledgement of PUBLIC_LITERAL names. The paths start at the profile.
func PublicLiterals(profile *allowlistv1.Profile) []string {
	var fields []string
	for _, found := range literal.Message("", profile) {
		if found.Kind.Public() {
			fields = append(fields, strings.TrimPrefix(found.Field, "."))
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// literals refuses literals that could be secret, unless they are acknowledged. It checks all
// strings, wherever they are.
func (f *Violations) literals(pb *allowlistv1.Encryption) {
	if f.Stored || f.Trusted {
		return
	}
	public := make(map[string]bool)
	f.acknowledgedLiterals(root+".request", pb.GetRequest(), public)
	f.acknowledgedLiterals(root+".response", pb.GetResponse(), public)
	for _, found := range literal.Message(root, pb) {
		if !found.Kind.Public() || !public[found.Field] {
			f.directKey = true
			f.All = append(f.All, fault.Violation{Field: found.Field, Description: found.Kind.Description()})
		}
	}
}

// acknowledgedLiterals adds the fields that a profile acknowledges, and checks that each needs an
// acknowledgement.
func (f *Violations) acknowledgedLiterals(path string, profile *allowlistv1.Profile, public map[string]bool) {
	for i, ack := range profile.GetAllowLegacy() {
		field := fmt.Sprintf("%s.allow_legacy[%d].fields", path, i)
		switch {
		case ack.GetFlag() != publicLiteral && len(ack.GetFields()) > 0:
			f.Add(field, "must be empty unless the flag is PUBLIC_LITERAL")
			continue
		case ack.GetFlag() == publicLiteral && len(ack.GetFields()) == 0:
			f.Add(field, "must name the literals that are public")
		case ack.GetFlag() == publicLiteral && ack.GetDecryptOnly():
			f.Add(fmt.Sprintf("%s.allow_legacy[%d].decrypt_only", path, i), "must be false for PUBLIC_LITERAL")
		}
		needed := PublicLiterals(profile)
		for j, named := range ack.GetFields() {
			if !slices.Contains(needed, named) {
				f.Add(fmt.Sprintf("%s[%d]", field, j), "must be the field of a literal that needs to be acknowledged")
			}
			public[path+"."+named] = true
		}
	}
}
