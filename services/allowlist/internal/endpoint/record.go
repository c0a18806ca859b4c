package endpoint

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// read returns the named endpoint, or ENDPOINT_NOT_FOUND. It compares the endpoint with the change
// log at its first use.
func (r *Registry) read(reader kv.Reader, name Name) (Endpoint, error) {
	value, err := reader.Get(endpointKey(name))
	if errors.Is(err, kv.ErrNotFound) {
		return Endpoint{}, notFound()
	}
	if err == nil {
		err = r.compare(reader, name, value)
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("read endpoint: %w", err)
	}
	e, err := decodeEndpoint(name, value)
	if err != nil {
		return Endpoint{}, err
	}
	return e, addCheck(reader, &e)
}

// lookUp is like read, but returns nil if the endpoint does not exist.
func (r *Registry) lookUp(reader kv.Reader, name Name) (*Endpoint, error) {
	e, err := r.read(reader, name)
	if fault.Is(err, ReasonNotFound) {
		return nil, nil //nolint:nilnil // nil means that the endpoint does not exist
	}
	return &e, err
}

func decodeEndpoint(name Name, value []byte) (Endpoint, error) {
	var r stored.Endpoint
	if err := decode(value, &r); err != nil {
		return Endpoint{}, fmt.Errorf("read endpoint: %w", err)
	}
	return endpointOf(name, &r), nil
}

// write stores an endpoint, replacing its old state if that is not nil, with the entry of the
// change, which the endpoint then names.
func (r *Registry) write(tx kv.Tx, old, e *Endpoint, change changelog.Entry) (err error) {
	if err := r.announcedOnly(e.Name); err != nil {
		return err
	}
	if e.change, err = changelog.Next(tx); err != nil {
		return err
	}
	value, err := encode(e.record())
	if err != nil {
		return err
	}
	if old != nil {
		if err := tx.Delete(updateKey(old.Name, old.Updated)); err != nil {
			return fmt.Errorf("write endpoint: %w", err)
		}
	}
	if err := tx.Put(updateKey(e.Name, e.Updated), nil); err != nil {
		return fmt.Errorf("write endpoint: %w", err)
	}
	if err := tx.Put(endpointKey(e.Name), value); err != nil {
		return fmt.Errorf("write endpoint: %w", err)
	}
	return r.log.Append(tx, change, changelog.Row{Value: value})
}
