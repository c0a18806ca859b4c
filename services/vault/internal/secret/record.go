package secret

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// format is the first byte of every record; the rest is JSON.
const format = 1

var errFormat = errors.New("unknown record format")

func encode(record any) ([]byte, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return append([]byte{format}, text...), nil
}

func decode(stored []byte, record any) error {
	if len(stored) == 0 || stored[0] != format {
		return errFormat
	}
	if err := json.Unmarshal(stored[1:], record); err != nil {
		return fmt.Errorf("decode record: %w", err)
	}
	return nil
}

// put writes a record and returns its stored form.
func put(tx kv.Tx, key kv.Key, record any) ([]byte, error) {
	stored, err := encode(record)
	if err != nil {
		return nil, err
	}
	return stored, tx.Put(key, stored)
}

// loadSecret returns the secret of a name, or SECRET_NOT_FOUND.
func loadSecret(r kv.Reader, name Name) (Secret, error) {
	stored, err := r.Get(secretKey(name))
	if errors.Is(err, kv.ErrNotFound) {
		return Secret{}, notFound()
	}
	if err != nil {
		return Secret{}, fmt.Errorf("read secret: %w", err)
	}
	return completeSecret(r, name, stored)
}

// completeSecret decodes a stored secret and adds the fields that are stored elsewhere.
func completeSecret(r kv.Reader, name Name, stored []byte) (Secret, error) {
	sec := Secret{Name: name}
	if err := decode(stored, &sec); err != nil {
		return Secret{}, fmt.Errorf("read secret: %w", err)
	}
	count, err := getCount(r, referrerCountKey(sec.UID))
	if err != nil {
		return Secret{}, fmt.Errorf("read reference count: %w", err)
	}
	sec.References = uint32(min(count, MaxReferences))
	return sec, nil
}

// loadVersion returns a version of a secret, or VERSION_NOT_FOUND.
func loadVersion(r kv.Reader, sec Secret, number uint32) (Version, error) {
	stored, err := r.Get(versionKey(sec.UID, number))
	if errors.Is(err, kv.ErrNotFound) {
		return Version{}, versionNotFound()
	}
	if err != nil {
		return Version{}, fmt.Errorf("read version: %w", err)
	}
	return completeVersion(sec, number, stored)
}

func completeVersion(sec Secret, number uint32, stored []byte) (Version, error) {
	v := Version{Number: number, Current: number == sec.Current}
	if err := decode(stored, &v); err != nil {
		return Version{}, fmt.Errorf("read version: %w", err)
	}
	if v.State != Destroyed {
		v.AllowedHosts = sec.hostsOf(v)
	}
	return v, nil
}

// getCount returns a counter, which is 0 if it does not exist.
func getCount(r kv.Reader, key kv.Key) (uint64, error) {
	stored, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(stored) != 9 || stored[0] != format {
		return 0, errFormat
	}
	return binary.BigEndian.Uint64(stored[1:]), nil
}

// addCount increments or decrements a counter and returns it. A counter that falls to 0 is
// removed.
func addCount(tx kv.Tx, key kv.Key, up bool) (uint64, error) {
	count, err := getCount(tx, key)
	if err != nil {
		return 0, err
	}
	switch {
	case up:
		count++
	case count == 0:
		return 0, errors.New("counter would fall below zero")
	default:
		count--
	}
	if count == 0 {
		return 0, tx.Delete(key)
	}
	return count, tx.Put(key, binary.BigEndian.AppendUint64([]byte{format}, count))
}
