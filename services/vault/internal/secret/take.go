package secret

import (
	"errors"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/vault/internal/publickey"
	"github.com/keyward/keyward/services/vault/internal/sealing"
)

// # Recognition of values
//
// The vault sees the plaintext of a value once, when the value is stored. It then recognizes the
// form of the value, and reports it in the response of that call only. It converts keys from file
// formats such as PKCS #12 and JWK, reports the original form, and refuses a key in a form that
// nothing can use. All other values are stored as they arrived; lenient parsing happens when the
// key is used (package keyform).

// Taken is how a value was recognized. It describes the stored value.
type Taken struct {
	keyform.Facts
	// From is the original form of the value, if it was converted.
	From string
}

// isKey reports whether a value of the usage is a key.
func (u Usage) isKey() bool { return u == Key || u == ExposedKey }

// isFile reports whether a provided key is a PKCS #12 file.
func (v Value) isFile(usage Usage) bool {
	return usage.isKey() && v.given.Len() > 0 && keyform.IsPKCS12(v.given.Reveal())
}

// take returns the material of a provided value. It fails with KEY_FORM_NOT_USABLE.
func (v Value) take(plain sensitive.Bytes, usage Usage) (m material, err error) {
	m.taken = new(Taken)
	if usage.isKey() {
		converted, from, err := keyform.Convert(plain.Reveal(), string(v.password.Reveal()))
		if err != nil {
			return material{}, v.notUsable(err)
		}
		if from != "" {
			plain.Zero()
			plain, m.taken.From = sensitive.New(converted), from
		}
	}
	m.taken.Facts = keyform.Look(plain.Reveal())
	if problem := m.taken.Problem; usage.isKey() && problem != nil {
		plain.Zero()
		return material{}, v.notUsable(problem)
	}
	// A symmetric JWK declares that it is a key of random bytes, like a value that arrived as bytes.
	v.binary = v.binary || m.taken.From != ""
	m.plain, m.public = plain, publickey.Shown(m.taken.Public)
	m.facts = v.facts(plain, m.public, m.taken.Kind == keyform.KindPrivateKey)
	return m, nil
}

// notUsable returns the error for a key in a form that nothing can use.
func (v Value) notUsable(err error) error {
	problem, ok := errors.AsType[*keyform.Problem](err)
	if !ok {
		return err
	}
	return fault.New(fault.InvalidArgument, KeyFormNotUsable, "the value is a key in an unusable form; the field violation describes how to fix it").
		With("form", problem.Form).At(v.field(problem), problem.Error())
}

// field returns the field of the request to correct.
func (v Value) field(problem *keyform.Problem) string {
	switch {
	case problem.Form == keyform.FormPKCS12Password:
		return "secret.value.file_password"
	case v.sealed != nil:
		return sealing.Field
	case v.binary:
		return "secret.value.data"
	}
	return "secret.value.text"
}
