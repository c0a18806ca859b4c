package exchange

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/services/allowlist/internal/activity"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// newStages returns the metric of the partners' messages that failed to decrypt or verify. The
// stages are those of package payload: no message can add one.
func newStages() *prometheus.CounterVec {
	stages := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "keyward_message_failures_total",
		Help: "Messages of partners that failed to decrypt or verify, by the stage that failed.",
	}, []string{"stage"})
	for _, stage := range payload.Stages() {
		stages.WithLabelValues(stage) // a first failure counts as an increase only after a zero
	}
	return stages
}

// used counts a protected message or, if opened is true, a message that was decrypted or verified.
func (p *Processor) used(l loaded, uses []payload.UsedKey, opened bool) {
	count := p.uses.Used
	if opened {
		count = p.uses.Opened
	}
	for _, use := range uses {
		count(l.keyOf(use.Reference, use.Version))
	}
	for i := len(l.references); i < len(l.wants); i++ { // the credentials
		p.uses.Used(l.keyOf(i, l.keys[i][0].Version))
	}
}

// keyOf returns what is counted for a version of the secret at a place among the wants.
func (l loaded) keyOf(want int, version uint32) activity.Key {
	w := &l.wants[want]
	return activity.Key{Endpoint: l.endpoint.UID, Secret: w.Secret, UID: w.UID, Version: version}
}

// failed counts and remembers a message of the partner that failed to decrypt or verify, for the
// endpoint's owners, and returns the error of the call. It does not count other errors. Nor does
// it count a message that may need a current version that is disabled or destroyed: then that is
// the error, whatever else is wrong with the message.
func (p *Processor) failed(l loaded, m Message, err error) error {
	stage := payload.Stage(err)
	if stage == "" {
		return p.refused(l, m, err)
	}
	if version := l.refused(); version != nil {
		return version
	}
	p.stages.WithLabelValues(stage).Inc()
	failure := p.failure(m, stage, payload.Cause(err))
	var last activity.Key
	for i, ref := range l.references {
		if !triedAt(stage, ref) {
			continue
		}
		for _, key := range l.keys[i] {
			last = l.keyOf(i, key.Version)
			failure.Versions = append(failure.Versions, versionName(ref.Secret, key.Version))
		}
	}
	if len(failure.Versions) > 0 {
		p.uses.Failed(last)
	}
	p.failures.Add(l.endpoint.UID, failure)
	return refused(err)
}

// refused remembers a key that cannot be used, for the endpoint's owners, and returns the error of
// the call, which does not reveal the reason.
func (p *Processor) refused(l loaded, m Message, err error) error {
	if fit, ok := payload.Unusable(err); ok {
		failure := p.failure(m, payload.StageKey, fit.Cause)
		for i, ref := range l.references {
			if ref.Field == fit.Field {
				failure.Versions = append(failure.Versions, versionName(ref.Secret, l.keys[i][0].Version))
			}
		}
		p.failures.Add(l.endpoint.UID, failure)
	}
	return refused(err)
}

// failure returns the record of a message that failed, without the versions of keys.
func (p *Processor) failure(m Message, stage, cause string) activity.Failure {
	return activity.Failure{
		Time: p.now(), Stage: stage, Bytes: len(m.Body), Hash: sha256.Sum256(m.Body), Request: m.Request, Cause: cause,
	}
}

func versionName(secret string, version uint32) string {
	return secret + "/versions/" + strconv.FormatUint(uint64(version), 10)
}

// triedAt reports whether a message that failed at a stage failed at the key of a reference: a
// failure says nothing about the keys of other stages.
func triedAt(stage string, ref payload.Reference) bool {
	if ref.Usage == payload.ParameterUsage {
		return false
	}
	stands := func(place string) bool { return strings.Contains(ref.Field, place) }
	signs, inside := stands(".signing."), stands(".nested_jws.") || stands(".outer_jws.") || stands(".signing_keys[")
	switch stage {
	case "signature":
		return signs
	case "sign inside":
		return inside
	case "mac":
		return !signs && !inside
	case "unwrap", "derive", "decrypt":
		return !signs && !inside && !stands(".mac.") && !stands(".passphrase")
	default: // before any key was tried
		return false
	}
}
