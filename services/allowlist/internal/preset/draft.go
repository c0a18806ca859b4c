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

// A Draft is a configuration as a request has it, maybe by a preset: written out,
// checked and compiled. Fields are named as they stand in the request, from `encryption`
// on: of a preset they are its secrets and settings.
type Draft struct {
	config  *payload.Config
	origins origins
}

// Parse writes out, checks and compiles a configuration of an endpoint, as
// [payload.Parse] does. Beside findings, which come all at once, the draft is returned as
// well, for [Draft.EachReference] and [Draft.CheckFacts] only.
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

// without returns a fault without what it says of fields that are known to be wrong.
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

// Config returns the configuration. It is there if there are no findings.
func (d *Draft) Config() *payload.Config { return d.config }

// EachReference visits the references of the configuration with the usages that their
// secrets must have, each with its field in the request. A secret of a preset is visited
// for each of its uses.
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

// Fits is [payload.Config.Fits]. Fields are named as they stand in the request, without
// `encryption`: of a preset they are its secrets, each once.
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

// An origin is where a part of a configuration comes from that a preset was written out to.
type origin struct {
	// path is that of the part, and field that of the secret or the setting.
	path, field string
	// whole says that what lies below the part lies below the field, too.
	whole bool
}

// origins are those of a configuration, in any order; none without a preset.
type origins []origin

// field returns the field of the request that a path comes from: that of the part that it
// is in, if there is one.
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
