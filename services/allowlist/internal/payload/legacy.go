package payload

import (
	"fmt"
	"slices"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

const (
	maxAcknowledgements = 16
	// maxAcknowledgedYears is how far away an acknowledgement may end.
	maxAcknowledgedYears = 2
)

// An acknowledgement accepts an unsafe choice until a moment.
type acknowledgement struct {
	flag    allowlistv1.LegacyAcknowledgement_Flag
	expires time.Time
}

// unsafeChoices is the one place that decides what a profile has to acknowledge.
func unsafeChoices(profile *allowlistv1.Profile) []allowlistv1.LegacyAcknowledgement_Flag {
	rules := []struct {
		flag allowlistv1.LegacyAcknowledgement_Flag
		made bool
	}{
		{allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC, suiteOf(profile.GetCipher()).mode == modeCBC},
	}
	var flags []allowlistv1.LegacyAcknowledgement_Flag
	for _, rule := range rules {
		if rule.made {
			flags = append(flags, rule.flag)
		}
	}
	return flags
}

// legacy compares the unsafe choices of a profile with what it acknowledges.
func (f *findings) legacy(path string, profile *allowlistv1.Profile) []acknowledgement {
	path += ".allow_legacy"
	made := unsafeChoices(profile)
	given := profile.GetAllowLegacy()
	if len(given) > maxAcknowledgements {
		f.add(path, "must hold at most 16 acknowledgements")
		return nil
	}
	accepted := make([]acknowledgement, 0, len(given))
	seen := make(map[allowlistv1.LegacyAcknowledgement_Flag]bool, len(given))
	for i, ack := range given {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case ack.GetFlag() == 0:
			f.add(at+".flag", "is required")
		case seen[ack.GetFlag()]:
			f.add(at+".flag", "must be acknowledged once only")
		case !slices.Contains(made, ack.GetFlag()):
			f.add(at+".flag", "must be a choice that the profile makes")
		}
		seen[ack.GetFlag()] = true
		f.acknowledgement(at, ack)
		accepted = append(accepted, acknowledgement{flag: ack.GetFlag(), expires: ack.GetExpireTime().AsTime()})
	}
	for _, flag := range made {
		if !seen[flag] {
			f.addLegacy(path, flag)
		}
	}
	return accepted
}

// acknowledgement checks the reason and the end of one acknowledgement.
func (f *findings) acknowledgement(at string, ack *allowlistv1.LegacyAcknowledgement) {
	if reason := ack.GetReason(); reason == "" || len([]rune(reason)) > 512 {
		f.add(at+".reason", "must have 1-512 characters")
	}
	switch expires := ack.GetExpireTime(); {
	case !expires.IsValid():
		f.add(at+".expire_time", "must be a time")
	case f.stored:
	case !expires.AsTime().After(f.now):
		f.add(at+".expire_time", "must be in the future")
	case expires.AsTime().After(f.now.AddDate(maxAcknowledgedYears, 0, 0)):
		f.add(at+".expire_time", "must be at most 2 years away")
	}
}

// checkAcknowledged fails once an acknowledgement has expired.
func (p *Pipeline) checkAcknowledged(now time.Time) error {
	var expired []allowlistv1.LegacyAcknowledgement_Flag
	for _, ack := range p.acknowledged {
		if !ack.expires.After(now) {
			expired = append(expired, ack.flag)
		}
	}
	if expired == nil {
		return nil
	}
	return legacyFault("the acknowledgement of an unsafe choice has expired", expired)
}
