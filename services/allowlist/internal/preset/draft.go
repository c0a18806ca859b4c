package preset

import (
	"slices"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// A Draft is the configuration of a request, expanded from its preset if it has one, checked, and
// compiled. Field paths start at `encryption` and are those of the request: for a preset, they are
// its secrets and settings.
type Draft struct {
	config  *payload.Config
	origins origins
}

// Parse expands, checks, and compiles the configuration of an endpoint, like [payload.Parse]. It
// reports all violations at once. With violations, it also returns the draft, for
// [Draft.EachReference] and [Draft.CheckFacts] only.
func (l *Library) Parse(pb *allowlistv1.Encryption, workspace string, now time.Time) (*Draft, error) {
	d := new(Draft)
	var wrong []fault.Violation
	if pb.GetPreset() != nil {
		if pb, d.origins, wrong = l.expand(pb); pb == nil {
			return d, fault.Fields(wrong...)
		}
	}
	config, err := payload.Parse(pb, workspace, now)
	d.config = config
	err = without(violation.Name(err, d.origins.field), wrong)
	if len(wrong) > 0 {
		err = violation.Merge(fault.Fields(wrong...), err)
	}
	return d, err
}

// without removes the violations of fields that are known to be wrong from a fault.
func without(err error, wrong []fault.Violation) error {
	f, ok := fault.From(err)
	if !ok || len(wrong) == 0 {
		return err
	}
	other := *f
	other.Violations = nil
	for _, v := range f.Violations {
		if !within(v.Field, wrong) {
			other.Violations = append(other.Violations, v)
		}
	}
	return &other
}

func within(field string, wrong []fault.Violation) bool {
	for _, v := range wrong {
		if field == v.Field || strings.HasPrefix(field, v.Field+".") {
			return true
		}
	}
	return false
}

// Config returns the configuration. It is nil if there are violations.
func (d *Draft) Config() *payload.Config { return d.config }

// EachReference visits the references of the configuration with the required usages of their
// secrets, each with its field in the request. It visits a secret of a preset once for each use.
func (d *Draft) EachReference(visit func(field string, ref payload.Reference)) {
	if d.config == nil {
		return
	}
	for _, ref := range d.config.References() {
		visit(d.origins.field("encryption."+ref.Field), ref)
	}
}

// CheckFacts is [payload.Config.CheckFacts].
func (d *Draft) CheckFacts(known func(payload.Reference) (payload.Facts, bool)) error {
	if d.config == nil {
		return nil
	}
	return violation.Name(d.config.CheckFacts(known), d.origins.field)
}

// Fits is [payload.Config.Fits]. Field paths are those of the request, without `encryption`: for a
// preset, they are its secrets, each once.
func (d *Draft) Fits(known func(payload.Reference) (payload.Facts, bool)) []payload.Fit {
	if d.config == nil {
		return nil
	}
	var all []payload.Fit
	for _, fit := range d.config.Fits(known) {
		fit.Field = strings.TrimPrefix(d.origins.field("encryption."+fit.Field), "encryption.")
		same := func(other payload.Fit) bool { return other.Field == fit.Field }
		switch i := slices.IndexFunc(all, same); {
		case i < 0:
			all = append(all, fit)
		case all[i].Cause == "":
			all[i] = fit
		}
	}
	return all
}

// KeyBytes is [payload.Config.KeyBytes].
func (d *Draft) KeyBytes(secret string, version uint32) []int {
	if d.config == nil {
		return nil
	}
	return d.config.KeyBytes(secret, version)
}

// An origin maps a part of an expanded configuration to the field of the request that it comes
// from.
type origin struct {
	// path is the path of the part, and field the path of the secret or the setting.
	path, field string
	// whole reports whether everything below path is also below field.
	whole bool
}

// origins are the origins of a configuration, in any order; empty without a preset.
type origins []origin

// field returns the field of the request that a path comes from: the field of the innermost part
// that contains it, if there is one.
func (o origins) field(path string) string {
	if o == nil {
		return path
	}
	for _, direction := range []string{"encryption.request.allow_legacy", "encryption.response.allow_legacy"} {
		if strings.HasPrefix(path, direction) {
			if strings.HasSuffix(path, ".expire_time") {
				return fieldExpires
			}
			return fieldReason
		}
	}
	best, found := origin{}, path
	for _, part := range o {
		rest, ok := strings.CutPrefix(path, part.path)
		if !ok || len(part.path) <= len(best.path) || rest != "" && rest[0] != '.' && rest[0] != '[' {
			continue
		}
		best, found = part, part.field
		if part.whole {
			found += rest
		}
	}
	return found
}
