package compile

import (
	"fmt"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
)

const (
	maxAcknowledgements = 16
	// maxAcknowledgedYears is the maximum number of years until an acknowledgement expires.
	maxAcknowledgedYears = 2
)

// An acknowledgement accepts an unsafe choice until it expires.
type acknowledgement struct {
	flag        allowlistv1.LegacyAcknowledgement_Flag
	expires     time.Time
	decryptOnly bool
}

// legacy compares the unsafe choices of a profile with what it acknowledges.
func (f *Violations) legacy(path string, profile *allowlistv1.Profile) []acknowledgement {
	path += ".allow_legacy"
	made := safety.UnsafeChoices(profile)
	const conflict = allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES
	if f.conflicting && path == root+".request.allow_legacy" && !slices.Contains(made, conflict) {
		made = append(made, conflict)
	}
	if f.unsigned && path == root+".response.allow_legacy" {
		made = append(made, allowlistv1.LegacyAcknowledgement_FLAG_ISSUED_UNSIGNED)
	}
	given := profile.GetAllowLegacy()
	if len(given) > maxAcknowledgements {
		f.Add(path, "must hold at most 16 acknowledgements")
		return nil
	}
	accepted := make([]acknowledgement, 0, len(given))
	seen := make(map[allowlistv1.LegacyAcknowledgement_Flag]bool, len(given))
	for i, ack := range given {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case ack.GetFlag() == 0:
			f.Add(at+".flag", "is required")
		case seen[ack.GetFlag()]:
			f.Add(at+".flag", "must be acknowledged only once: "+flagName(ack.GetFlag()))
		case ack.GetFlag() != publicLiteral && !slices.Contains(made, ack.GetFlag()):
			f.Add(at+".flag", "must be a choice that the profile makes, which "+flagName(ack.GetFlag())+" is not")
		}
		seen[ack.GetFlag()] = true
		f.acknowledgement(at, ack)
		accepted = append(accepted, acknowledgement{
			flag: ack.GetFlag(), expires: ack.GetExpireTime().AsTime(), decryptOnly: ack.GetDecryptOnly(),
		})
	}
	for _, flag := range made {
		// Configurations that were saved before this was required continue to work.
		if !seen[flag] && (!f.Stored || flag != conflict) {
			f.addLegacy(path, flag)
		}
	}
	return accepted
}

// acknowledgement checks the reason and the expiry of one acknowledgement.
func (f *Violations) acknowledgement(at string, ack *allowlistv1.LegacyAcknowledgement) {
	if reason := ack.GetReason(); reason == "" || len([]rune(reason)) > 512 {
		f.Add(at+".reason", "must have 1-512 characters")
	}
	switch expires := ack.GetExpireTime(); {
	case !expires.IsValid():
		f.Add(at+".expire_time", "must be a time")
	case f.Stored:
	case !expires.AsTime().After(f.Now):
		f.Add(at+".expire_time", "must be in the future, to acknowledge "+flagName(ack.GetFlag()))
	case expires.AsTime().After(f.Now.AddDate(maxAcknowledgedYears, 0, 0)):
		f.Add(at+".expire_time", "must be at most 2 years away, to acknowledge "+flagName(ack.GetFlag()))
	}
}

// CheckAcknowledged fails if an acknowledgement has expired, and for outgoing messages if it only
// covers incoming ones.
func (p *Plan) CheckAcknowledged(now time.Time, goesOut bool) error {
	var refused []allowlistv1.LegacyAcknowledgement_Flag
	for _, ack := range p.acknowledged {
		if !ack.expires.After(now) || goesOut && ack.decryptOnly {
			refused = append(refused, ack.flag)
		}
	}
	if refused == nil {
		return nil
	}
	return fault.New(fault.FailedPrecondition, message.LegacyNotAcknowledged,
		"the acknowledgement of an unsafe choice has expired, or does not cover outgoing messages").With("flags", FlagNames(refused))
}
