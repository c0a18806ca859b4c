package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/keyward/keyward/pkg/kv"
)

// A Derived caches a value that is computed from an endpoint, such as its compiled configuration.
//
// A value is valid until a change of its endpoint is announced. After that, [Derived.Get] reads the
// stored record and compares it with the record that the cached value was computed from. A change
// therefore takes effect as soon as it is committed, and no code has to invalidate the value.
//
// It is safe for concurrent use.
type Derived[T any] struct {
	registry *Registry
	compute  func(Endpoint) (T, error)
	cached   *lru.Cache[Name, derived[T]]
}

// derived is a cached value with the key and the record of its endpoint, and with the facts about
// that record, if the matcher had them.
type derived[T any] struct {
	key    kv.Key
	record []byte
	facts  *facts
	value  T
}

// NewDerived returns a cache of at most size values. The function compute must depend only on the
// endpoint, and must not use its Checked, which is not part of the record. The values are shared
// between calls.
func NewDerived[T any](r *Registry, size int, compute func(Endpoint) (T, error)) (*Derived[T], error) {
	cached, err := lru.New[Name, derived[T]](size)
	if err != nil {
		return nil, fmt.Errorf("cache values of endpoints: %w", err)
	}
	return &Derived[T]{registry: r, compute: compute, cached: cached}, nil
}

// Get returns the value of an endpoint. It fails with ENDPOINT_NOT_FOUND, and with the errors of
// the computation, which it does not cache.
func (d *Derived[T]) Get(ctx context.Context, name Name) (value T, err error) {
	known, ok := d.cached.Get(name)
	current := d.registry.matches.current(name)
	if ok && current != nil && current == known.facts {
		return known.value, nil
	}
	if !ok {
		known.key = endpointKey(name)
	}
	record, err := d.registry.record(ctx, name, known.key, known.record)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		d.cached.Remove(name)
		return value, notFound()
	case err != nil:
		return value, err
	}
	if current != nil && current.sum != d.registry.matches.sum(record) {
		current = nil // about another record
	}
	value = known.value
	if !ok || !bytes.Equal(known.record, record) {
		e, err := decodeEndpoint(name, record)
		if err != nil {
			return value, err
		}
		if value, err = d.compute(e); err != nil {
			return value, err
		}
	}
	d.cached.Add(name, derived[T]{known.key, record, current, value})
	return value, nil
}

// record returns the stored record of an endpoint. It compares the record with the change log at its
// first use, unless it is the known one. The error wraps [kv.ErrNotFound] if the endpoint does not
// exist.
func (r *Registry) record(ctx context.Context, name Name, key kv.Key, known []byte) (record []byte, err error) {
	err = r.kv.View(ctx, func(reader kv.Reader) (err error) {
		if record, err = reader.Get(key); err != nil || bytes.Equal(record, known) {
			return err
		}
		return r.compare(reader, name, record)
	})
	if err != nil {
		return nil, fmt.Errorf("read endpoint: %w", err)
	}
	return record, nil
}
