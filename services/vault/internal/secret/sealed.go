package secret

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/vault/internal/sealing"
)

// # Values that arrive sealed
//
// A sealed value (package sealing) is opened before the transaction, and then undergoes the same
// checks as any other value. The transaction records its use in the ledger of requests. The ledger
// keeps that record for a day, and the vault accepts a sealed value for an hour. So it is used
// only once, by any caller and any method.
//
// A repeated request is recognized by the value, not by its encrypted bytes: a caller that retries
// a request may have sealed the value again.

// unseal opens a sealed value, and adds the plaintext to the content of the call's request. It
// does nothing to other values. If the same request was made before, it returns the current
// secret.
func (s *Store) unseal(ctx context.Context, call *Call, name Name, v *Value) (known Secret, seen bool, err error) {
	if v.sealed == nil {
		return Secret{}, false, nil
	}
	if call.RequestID == "" {
		return Secret{}, false, fault.Field("request_id", "must be set: a sealed value is bound to it")
	}
	plain, refusal := s.open(call, name, v)
	if refusal == nil {
		if known, seen, err = s.answered(ctx, *call, name); err != nil || seen {
			return known, seen, err
		}
	}
	// The response to a value that is too old must not depend on whether it opens.
	if err := s.sealing.Fresh(*v.sealed); err != nil {
		return Secret{}, false, err
	}
	if refusal != nil {
		return Secret{}, false, refusal
	}
	if plain.Len() == 0 || plain.Len() > MaxValue {
		return Secret{}, false, fault.Field(sealing.Field, errValue.Error())
	}
	if v.sealed.Text && !utf8.Valid(plain.Reveal()) {
		return Secret{}, false, fault.Field(sealing.Field, "must be UTF-8 if it is declared as text")
	}
	return Secret{}, false, nil
}

// open opens a sealed value, and adds it to the content by which the call's request is recognized.
func (s *Store) open(call *Call, name Name, v *Value) (plain sensitive.Bytes, refusal error) {
	memory.Do(func() {
		if plain, refusal = s.sealing.Open(*v.sealed, name.String(), call.RequestID); refusal != nil {
			return
		}
		v.given, v.binary = plain, !v.sealed.Text
		call.Request = s.ledger.With(call.Request, plain.Reveal())
	})
	return plain, refusal
}

// answered returns the current state of the secret that the same request created or changed
// before.
func (s *Store) answered(ctx context.Context, call Call, name Name) (known Secret, seen bool, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) error {
		var uid string
		if uid, seen, err = s.replayed(r, call); err != nil || !seen {
			return err
		}
		known, err = loadLife(r, name, uid)
		return err
	})
	return known, seen, err
}

// admit records the use of a sealed value, and fails if it was used before. It refuses values
// that are not sealed if the workspace requires sealed ones; generated values are exempt.
func (s *Store) admit(tx kv.Tx, name Name, v Value) error {
	switch {
	case v.sealed != nil:
		use := s.ledger.Once("sealed value", v.sealed.Ciphertext)
		if _, used, err := s.ledger.Lookup(tx, use); err != nil {
			return err
		} else if used {
			return sealing.Refuse(sealing.Field, "must not have been used before")
		}
		return s.ledger.Record(tx, use, name.String())
	case !v.present() || v.kind != 0:
		return nil
	}
	setting, err := loadSealing(tx, name.Workspace)
	if err == nil && setting.Required {
		err = fault.New(fault.FailedPrecondition, SealingRequired, "the workspace requires sealed values; seal the value to a key that GetSealing returns").
			At("secret.value", "must be sealed or generate")
	}
	return err
}

// forgetSealingKeys deletes sealing keys that expire while the vault runs, until ctx ends or no
// key with an expiry is left.
func (s *Store) forgetSealingKeys(ctx context.Context) {
	pace := time.NewTicker(time.Hour)
	defer pace.Stop()
	for {
		more, err := s.sealing.Forget(ctx)
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "deleting expired sealing keys failed, trying again in an hour", "error", err)
		}
		if !more {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
	}
}
