package activity

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// The key space of the totals:
//
//	use/{endpoint uid}/{secret}/{secret uid}/{version}   → used, failed, last
//
// A value is a format byte and three big-endian numbers of 8 bytes; the last is in
// nanoseconds since 1970, and 0 for never.
const (
	space  = "use"
	format = 1
	length = 1 + 3*8
)

const (
	// together is the number of totals that one transaction changes.
	together = 32
	// most is the maximum number of totals that are read for one endpoint, and shown the maximum
	// number that is returned.
	most  = 4096
	shown = 64
)

func of(endpoint string) kv.Key { return kv.NewKey(space).Text(endpoint) }

func (k Key) stored() kv.Key {
	return of(k.Endpoint).Text(k.Secret).Text(k.UID).Uint(uint64(k.Version))
}

// add adds deltas to the totals in the store.
func (m *Meter) add(ctx context.Context, deltas []Total) error {
	for some := range slices.Chunk(deltas, together) {
		err := m.kv.Update(ctx, func(tx kv.Tx) error {
			for _, delta := range some {
				if err := addTo(tx, delta); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("add to totals: %w", err)
		}
	}
	return nil
}

func addTo(tx kv.Tx, delta Total) error {
	key := delta.stored()
	value, err := tx.Get(key)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	var total Total
	if err == nil {
		if total, err = decode(value); err != nil {
			return err
		}
	}
	total.Used += delta.Used
	total.Failed += delta.Failed
	if delta.Last.After(total.Last) {
		total.Last = delta.Last
	}
	return tx.Put(key, encode(total))
}

func encode(t Total) []byte {
	value := make([]byte, 0, length)
	value = append(value, format)
	value = binary.BigEndian.AppendUint64(value, t.Used)
	value = binary.BigEndian.AppendUint64(value, t.Failed)
	if t.Last.IsZero() {
		return binary.BigEndian.AppendUint64(value, 0)
	}
	return binary.BigEndian.AppendUint64(value, uint64(t.Last.UnixNano()))
}

var errFormat = errors.New("activity: unknown format")

func decode(value []byte) (Total, error) {
	if len(value) != length || value[0] != format {
		return Total{}, errFormat
	}
	t := Total{Used: binary.BigEndian.Uint64(value[1:]), Failed: binary.BigEndian.Uint64(value[9:])}
	if last := binary.BigEndian.Uint64(value[17:]); last != 0 {
		t.Last = time.Unix(0, int64(last))
	}
	return t, nil
}

// parse parses a stored key.
func parse(stored []byte) (k Key, err error) {
	rest := stored[len(kv.NewKey(space)):]
	for _, text := range []*string{&k.Endpoint, &k.Secret, &k.UID} {
		if *text, rest, err = kv.CutText(rest); err != nil {
			return Key{}, err
		}
	}
	version, _, err := kv.CutUint(rest)
	k.Version = uint32(version)
	return k, err
}

// Totals returns the uses of the keys of an endpoint, including those since the last flush, most
// recently used first, at most 64.
func (m *Meter) Totals(ctx context.Context, endpoint string) ([]Total, error) {
	all, err := m.saved(ctx, endpoint)
	if err != nil {
		return nil, fmt.Errorf("read totals: %w", err)
	}
	m.mu.RLock()
	for k, t := range m.tallies {
		if k.Endpoint != endpoint {
			continue
		}
		total := all[k]
		total.Key = k
		total.Used += t.used.Load()
		total.Failed += t.failed.Load()
		if last := time.Unix(0, t.last.Load()); last.After(total.Last) && t.last.Load() != 0 {
			total.Last = last
		}
		all[k] = total
	}
	m.mu.RUnlock()
	totals := make([]Total, 0, len(all))
	for _, total := range all {
		totals = append(totals, total)
	}
	slices.SortFunc(totals, func(a, b Total) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Secret, b.Secret), cmp.Compare(b.Version, a.Version))
	})
	return totals[:min(len(totals), shown)], nil
}

func (m *Meter) saved(ctx context.Context, endpoint string) (map[Key]Total, error) {
	all := make(map[Key]Total)
	err := m.kv.View(ctx, func(reader kv.Reader) error {
		for pair, err := range reader.Scan(kv.Prefix(of(endpoint), most)) {
			if err != nil {
				return err
			}
			key, err := parse(pair.Key)
			if err != nil {
				return err
			}
			total, err := decode(pair.Value)
			if err != nil {
				return err
			}
			total.Key = key
			all[key] = total
		}
		return nil
	})
	return all, err
}

// Forget deletes the counts of a deleted endpoint.
func (m *Meter) Forget(ctx context.Context, endpoint string) error {
	m.mu.Lock()
	for k := range m.tallies {
		if k.Endpoint == endpoint {
			delete(m.tallies, k)
		}
	}
	m.mu.Unlock()
	for {
		dropped := 0
		err := m.kv.Update(ctx, func(tx kv.Tx) error {
			dropped = 0
			for pair, err := range tx.Scan(kv.Prefix(of(endpoint), together)) {
				if err != nil {
					return err
				}
				if err := tx.Delete(pair.Key); err != nil {
					return err
				}
				dropped++
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("forget totals: %w", err)
		}
		if dropped < together {
			return nil
		}
	}
}
