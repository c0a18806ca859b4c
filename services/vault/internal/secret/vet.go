package secret

import (
	"bytes"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/vault/internal/echo"
)

// # Checks of a new value
//
// The vault sees the plaintext of a value once, when the value is stored. At that time it checks
// that no other field reveals the value, and that a key is not too weak.

// A storing is the context of a value that is being stored as a version.
type storing struct {
	// secret is the secret after the change.
	secret Secret
	value  Value
	reason string
	// chains is the purpose that the request states.
	chains []string
	// id is the field of the request that contains the ID.
	id string
}

// vet fails if another field contains the value, or if a KEY is weak without an acknowledgement.
// It stores an acknowledgement that was needed in the material. Call it inside [memory.Do].
func (s storing) vet(m *material) error {
	if s.value.kind != 0 { // generated: no one has seen it
		return nil
	}
	if err := s.apart(*m); err != nil {
		return err
	}
	if s.secret.Usage != Key || m.public != nil || !weak(m.plain.Reveal()) {
		return nil
	}
	if s.value.weakReason == "" {
		return fault.New(fault.FailedPrecondition, WeakKey, "the key is weak; use another key, or give the reason for using it").
			At("secret.value", "must have at least 16 bytes that are not all the same, or a weak_reason")
	}
	m.weakReason = s.value.weakReason
	return nil
}

// apart fails if another field contains the value or a part of it. A public key is not secret.
func (s storing) apart(m material) error {
	if m.public != nil && (m.facts == nil || !m.facts.Private) {
		return nil
	}
	var labels []string
	for key, value := range s.secret.Labels {
		labels = append(labels, key, value)
	}
	fields := [...]string{
		s.id, "secret.description", "secret.labels", "secret.allowed_hosts", fieldChains, "secret.value.weak_reason", "reason",
	}
	held := echo.Find(m.plain.Reveal(), m.public,
		[]string{s.idBeside(m)}, []string{s.secret.Description}, labels, s.secret.AllowedHosts, s.chains,
		[]string{s.value.weakReason}, []string{s.reason})
	var wrong []fault.Violation
	for i, field := range fields {
		if held.Has(i) {
			wrong = append(wrong, fault.Violation{
				Field: field, Description: "must not contain the value or a part of it, in any encoding",
			})
		}
	}
	if len(wrong) > 0 {
		return fault.Fields(wrong...)
	}
	return nil
}

// minInID is the length below which a value may be a part of the ID, but not the whole ID: many
// IDs contain the name of the partner, and so do some passphrases.
const minInID = 8

// idBeside returns the ID if it must not contain the value.
func (s storing) idBeside(m material) string {
	id := s.secret.Name.ID
	if m.plain.Len() < minInID && !bytes.EqualFold(m.plain.Reveal(), []byte(id)) {
		return ""
	}
	return id
}
