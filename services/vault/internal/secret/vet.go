package secret

import (
	"bytes"
	"maps"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/vault/internal/echo"
)

// # What is looked at while a value passes by
//
// The value is there once, when it is stored. So this is when the vault sees that a text
// beside it shows it, and that a key is too weak to be one.

// A storing is a value on its way into a version, with what is stored beside it.
type storing struct {
	// secret is as it will be.
	secret Secret
	value  Value
	reason string
	// chains are those that the request states as the purpose.
	chains []string
	// id is the field of the request that holds the id.
	id string
}

// vet fails if a text beside the value holds it, or if a KEY is weak without an
// acknowledgement; one that is needed goes into the material.
func (s storing) vet(m *material) (err error) {
	memory.Do(func() { err = s.vetNow(m) })
	return err
}

func (s storing) vetNow(m *material) error {
	if s.value.kind != 0 { // drawn: nobody has seen it
		return nil
	}
	if err := s.apart(*m); err != nil {
		return err
	}
	if s.secret.Usage != Key || m.public != nil || !weak(m.plain.Reveal()) {
		return nil
	}
	if s.value.weakReason == "" {
		return fault.New(fault.FailedPrecondition, WeakKey, "the key is weak; ask for another one, or say why it is to be used").
			At("secret.value", "must have 16 bytes or more that are not all the same, or a weak_reason")
	}
	m.weakReason = s.value.weakReason
	return nil
}

// apart fails if a text beside the value holds it, or a part of it. A public key is no
// secret.
func (s storing) apart(m material) error {
	if m.public != nil && (m.facts == nil || !m.facts.Private) {
		return nil
	}
	beside := []struct {
		field string
		texts []string
	}{
		{s.id, s.idBeside(m)},
		{"secret.description", []string{s.secret.Description}},
		{"secret.labels", slices.AppendSeq(slices.Collect(maps.Keys(s.secret.Labels)), maps.Values(s.secret.Labels))},
		{"secret.allowed_hosts", s.secret.AllowedHosts},
		{fieldChains, s.chains},
		{"secret.value.weak_reason", []string{s.value.weakReason}},
		{"reason", []string{s.reason}},
	}
	var groups [][]string
	for _, b := range beside {
		groups = append(groups, b.texts)
	}
	var wrong []fault.Violation
	for i, held := range echo.Find(m.plain.Reveal(), m.public, groups...) {
		if held {
			wrong = append(wrong, fault.Violation{
				Field: beside[i].field, Description: "must not hold the value, or a part of it, in any encoding",
			})
		}
	}
	if len(wrong) > 0 {
		return fault.Fields(wrong...)
	}
	return nil
}

// minInID is the length below which a value may be a part of the id, if not the whole: the
// name of the partner is in many ids, and now and then a passphrase.
const minInID = 8

// idBeside returns the id if it must not hold the value.
func (s storing) idBeside(m material) []string {
	id := s.secret.Name.ID
	if m.plain.Len() < minInID && !bytes.EqualFold(m.plain.Reveal(), []byte(id)) {
		return nil
	}
	return []string{id}
}
