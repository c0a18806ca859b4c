package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// A Source is an open store with its keyring and its change log.
type Source struct {
	// Service is the purpose of the keyring, and the origin of the log.
	Service string
	Store   *boltkv.DB
	Keys    *keyring.Keyring
	Log     *changelog.Log
}

// attempts is how often a backup begins again because the keyring changed.
const attempts = 5

// errChanged means that the keyring is not that of the snapshot.
var errChanged = errors.New("the keyring changed meanwhile")

// Write writes a backup. The snapshot of the store stays open meanwhile; see [boltkv.DB.Snapshot]. Memory
// use does not depend on the size of the store. An error that wraps [kv.ErrCorrupt] means that a row is
// damaged.
func Write(ctx context.Context, s Source, now time.Time, to io.Writer) (Header, error) {
	for try := 1; ; try++ {
		h, err := s.write(ctx, now, to)
		if err == nil {
			return h, nil
		}
		if !errors.Is(err, errChanged) || try == attempts {
			return Header{}, fmt.Errorf("write backup: %w", err)
		}
	}
}

// write fails with errChanged before it writes anything.
func (s Source) write(ctx context.Context, now time.Time, to io.Writer) (h Header, err error) {
	key, err := s.Keys.NewBackupKey()
	if err != nil {
		return Header{}, err
	}
	defer key.Key.Zero()
	err = s.Store.Snapshot(ctx, func(r kv.Reader, rows iter.Seq2[kv.Pair, error]) error {
		record, err := keyring.StoredRecord(r, s.Service)
		if err != nil {
			return err
		}
		if !bytes.Equal(record, key.Record) {
			return errChanged
		}
		head, err := s.Log.Checkpoint(r)
		if err != nil {
			return err
		}
		h = Header{
			Service: s.Service, CreateTime: now.UTC().Truncate(time.Second), Provider: key.Provider,
			LogKey: head.Key, Checkpoint: head.Checkpoint, Keyring: key.Record, Key: key.Wrapped,
		}
		return encrypt(h, key, rows, to)
	})
	return h, err
}

// encrypt writes a header and the rows.
func encrypt(h Header, key keyring.BackupKey, rows iter.Seq2[kv.Pair, error], to io.Writer) error {
	lines, err := h.encode()
	if err != nil {
		return err
	}
	cipher, err := newCipher(key.Key)
	if err != nil {
		return err
	}
	if _, err := to.Write(lines); err != nil {
		return err
	}
	encrypted, err := cipher.NewEncryptingWriter(to, lines)
	if err != nil {
		return err
	}
	if err := writeRows(encrypted, rows); err != nil {
		return err
	}
	return encrypted.Close()
}
