package endpoint

import (
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// intent is the stored form of a save in progress.
type intent struct {
	Endpoint string
	Secrets  []string
	Time     time.Time
}

// intend writes an intent, and the secrets, so that reconcile looks for their bindings.
func (r *Registry) intend(tx kv.Tx, operation string, i intent) error {
	value, err := encode(i.record())
	if err != nil {
		return err
	}
	for _, secret := range i.Secrets {
		if err := tx.Put(boundKey(secret), nil); err != nil {
			return fmt.Errorf("write intent: %w", err)
		}
	}
	if err := tx.Put(intentKey(operation), value); err != nil {
		return fmt.Errorf("write intent: %w", err)
	}
	return nil
}

// consume deletes an intent. It fails if the intent no longer exists or is too old: another
// operation won the race.
func (r *Registry) consume(tx kv.Tx, operation string) error {
	i, err := readIntent(tx, operation)
	if errors.Is(err, kv.ErrNotFound) || (err == nil && r.overdue(i)) {
		return contention()
	}
	if err != nil {
		return err
	}
	if err := tx.Delete(intentKey(operation)); err != nil {
		return fmt.Errorf("delete intent: %w", err)
	}
	return nil
}

func (r *Registry) overdue(i intent) bool { return r.now().Sub(i.Time) > SaveBound }

func readIntent(reader kv.Reader, operation string) (intent, error) {
	value, err := reader.Get(intentKey(operation))
	if err != nil {
		return intent{}, fmt.Errorf("read intent: %w", err)
	}
	return decodeIntent(value)
}
