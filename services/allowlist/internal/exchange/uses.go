package exchange

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/usage"
)

// newStages returns the metric of the partners' messages that did not open or verify. The
// stages are those of package payload: none comes from a message.
func newStages() *prometheus.CounterVec {
	stages := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "keyward_message_failures_total",
		Help: "Messages of partners that did not open or verify, by the stage where they stopped.",
	}, []string{"stage"})
	for _, stage := range payload.Stages() {
		stages.WithLabelValues(stage) // a first failure is an increase only if there was a zero
	}
	return stages
}

// used counts a message that was protected, or with opened one that was opened or verified.
func (s *Server) used(l loaded, uses []payload.UsedKey, opened bool) {
	count := s.uses.Used
	if opened {
		count = s.uses.Opened
	}
	for _, use := range uses {
		count(l.keyOf(l.references[use.Reference].Secret, use.Version))
	}
	for i, c := range l.credentials {
		s.uses.Used(l.keyOf(c.Secret, l.keys[len(l.references)+i][0].Version))
	}
}

func (l loaded) keyOf(secret string, version uint32) usage.Key {
	return usage.Key{Endpoint: l.endpoint.UID, Secret: secret, UID: l.endpoint.SecretUID(secret), Version: version}
}

// failed counts and remembers a message of the partner that did not open or verify, for
// the endpoint's owners, and returns the error of the call. Other errors are none of it;
// nor is a message that may be under a current version which is disabled or destroyed:
// then that is the answer, whatever else is wrong with it.
func (s *Server) failed(l loaded, m Message, err error) error {
	stage := payload.Stage(err)
	if stage == "" {
		return s.refused(l, m, err)
	}
	if version := l.refused(); version != nil {
		return version
	}
	s.stages.WithLabelValues(stage).Inc()
	failure := s.failure(m, stage, payload.Cause(err))
	var last usage.Key
	for i, ref := range l.references {
		if !triedAt(stage, ref) {
			continue
		}
		for _, key := range l.keys[i] {
			last = l.keyOf(ref.Secret, key.Version)
			failure.Versions = append(failure.Versions, versionName(ref.Secret, key.Version))
		}
	}
	if len(failure.Versions) > 0 {
		s.uses.Failed(last)
	}
	s.failures.Add(l.endpoint.UID, failure)
	return refused(err)
}

// refused remembers a key that cannot be used, for the endpoint's owners, and returns the error
// of the call, which does not say why.
func (s *Server) refused(l loaded, m Message, err error) error {
	if fit, ok := payload.Unusable(err); ok {
		failure := s.failure(m, payload.StageKey, fit.Cause)
		for i, ref := range l.references {
			if ref.Field == fit.Field {
				failure.Versions = append(failure.Versions, versionName(ref.Secret, l.keys[i][0].Version))
			}
		}
		s.failures.Add(l.endpoint.UID, failure)
	}
	return refused(err)
}

// failure returns what is remembered of a message that stopped, without the versions of keys.
func (s *Server) failure(m Message, stage, cause string) usage.Failure {
	return usage.Failure{
		Time: s.now(), Stage: stage, Bytes: len(m.Body), Hash: sha256.Sum256(m.Body), Request: m.Request, Cause: cause,
	}
}

func versionName(secret string, version uint32) string {
	return secret + "/versions/" + strconv.FormatUint(uint64(version), 10)
}

// triedAt reports whether a message that stopped at a stage stopped at the key of a
// reference: nothing says that the keys of other stages are wrong.
func triedAt(stage string, ref payload.Reference) bool {
	if ref.Usage == payload.ParameterUsage {
		return false
	}
	stands := func(place string) bool { return strings.Contains(ref.Field, place) }
	signs, inside := stands(".signing."), stands(".nested_jws.") || stands(".signing_keys[")
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
