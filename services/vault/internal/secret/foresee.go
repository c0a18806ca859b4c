package secret

import (
	"context"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
)

// # Sealing before the transaction
//
// A value is sealed for a version number, and checked against the fields of its secret, which are
// known for certain only in the transaction. Transactions run one at a time, so an update does both
// before its transaction, for the secret as it is then. If another change comes first, the
// transaction does both again.

// foreseen is the value of an update and what became of it before the transaction.
type foreseen struct {
	material

	// before is the secret as it was then. It is zero if the secret did not exist.
	before Secret
	// done is whether the value was checked and sealed for that secret.
	done bool
	// number is that of the version for which the value was sealed.
	number uint32
	// stored is the sealed value, unless it was refused.
	stored  Stored
	refused error
}

// foresee returns the value of an update, checked and sealed for the secret as it is. The caller must
// zero the plaintext, even after an error. An error of the change itself is left to the transaction.
func (s *Store) foresee(ctx context.Context, call Call, name Name, change Change, now time.Time) (f foreseen, err error) {
	var after Secret
	err = s.kv.View(ctx, func(r kv.Reader) error {
		if f.before, err = loadSecret(r, name); err != nil {
			return err
		}
		if applied, err := change.apply(r, f.before, now); err == nil {
			after, f.done = applied, true
		}
		f.number, _, err = f.before.nextVersion(r)
		return err
	})
	if err != nil && !fault.Is(err, NotFound) {
		return f, err
	}
	f.material, err = s.draw(ctx, change.Value, f.before.Usage, func(m *material) error {
		if f.done {
			f.stored, f.refused = s.vetAndSeal(call, change, after, f.number, m)
		}
		return nil
	})
	return f, err
}

// sealed returns the sealed value of an update in its transaction, for the secret before and after
// it and the number of the version.
func (s *Store) sealed(u update, before, after Secret, number uint32) (stored Stored, err error) {
	if u.done && before.UID == u.before.UID && before.Revision == u.before.Revision && number == u.number {
		return u.stored, u.refused
	}
	memory.Do(func() { stored, err = s.vetAndSeal(u.call, u.change, after, number, &u.material) })
	return stored, err
}

// vetAndSeal checks a value against the other fields of its secret and seals it for a version.
func (s *Store) vetAndSeal(call Call, change Change, after Secret, number uint32, m *material) (Stored, error) {
	beside := storing{secret: after, value: change.Value, reason: call.Author.Reason, id: "secret.name"}
	if err := beside.vet(m); err != nil {
		return Stored{}, err
	}
	return s.seal(after, number, *m)
}
