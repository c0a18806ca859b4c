package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// Options are the options of [Verify] and [Restore].
type Options struct {
	// Service is the service whose backups are accepted.
	Service string
	// Providers are those of the key-encryption key.
	Providers keyring.Providers
	// Check verifies the rows and the change log of the restored store in place of [Verify], which then
	// compares only the head. Optional.
	Check func(ctx context.Context, restored Source) error
	// Mark changes the restored store, which is closed, before it gets its name. Only Restore calls it.
	// Optional.
	Mark func(ctx context.Context, path string) error
}

// A Summary describes a backup that was verified.
type Summary struct {
	Header

	// Rows is the number of rows.
	Rows uint64
	// Head is the head of the change log.
	Head changelog.Checkpoint
}

// Verify reads all of a backup and verifies it: each segment, the MAC of each row, and the change log
// with its head. It writes a store to a private folder in the folder for temporary files, and removes it
// at the end.
//
// The error wraps [ErrForeign], [ErrNewer] or [ErrDamaged] for a file that is not a whole backup of the
// service, [keyring.ErrWrongKey] without the key-encryption key, and [kv.ErrCorrupt] or
// [changelog.ErrTampered] for a backup of a store that was changed by something other than the service;
// with Check, it is the error of Check.
func Verify(ctx context.Context, o Options, from io.Reader) (found Summary, err error) {
	folder, err := os.MkdirTemp("", "keyward-backup-*")
	if err != nil {
		return Summary{}, fmt.Errorf("verify backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if found, err = o.unpack(ctx, from, filepath.Join(folder, "store")); err != nil {
		return Summary{}, fmt.Errorf("verify backup: %w", err)
	}
	return found, nil
}

// Restore verifies a backup as [Verify] does, and writes it to a new file at path, readable by its
// owner only. It never replaces a file: the error wraps [fs.ErrExist] if there is one. The file is
// written under a temporary name, verified, marked, synced, and then linked to its name, so that it is
// complete whatever happens. If the program ends before that, the next one that opens the store at path
// erases and removes the temporary file.
func Restore(ctx context.Context, o Options, from io.Reader, path string) (found Summary, err error) {
	if found, err = o.restore(ctx, from, path); err != nil {
		return Summary{}, fmt.Errorf("restore %s: %w", path, err)
	}
	return found, nil
}

func (o Options) restore(ctx context.Context, from io.Reader, path string) (found Summary, err error) {
	if _, err := os.Lstat(path); err == nil {
		return Summary{}, fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Summary{}, err
	}
	temp := boltkv.Temp(path)
	defer func() { err = errors.Join(err, remove(temp)) }()
	if found, err = o.unpack(ctx, from, temp); err != nil {
		return Summary{}, err
	}
	failpoint.Hit(failpoint.RestoreUnpacked)
	if o.Mark != nil {
		err = o.Mark(ctx, temp)
	}
	failpoint.Hit(failpoint.RestoreMarked)
	if err := errors.Join(err, syncPath(temp)); err != nil {
		return Summary{}, err
	}
	failpoint.Hit(failpoint.RestoreSynced)
	// Unlike a rename, a link never replaces a file.
	if err := os.Link(temp, path); err != nil {
		return Summary{}, err
	}
	failpoint.Hit(failpoint.RestoreLinked)
	return found, syncPath(filepath.Dir(path))
}

// remove removes a file, unless the program that opened the restored one did.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// unpack writes the rows of a backup to a new store, and verifies it.
func (o Options) unpack(ctx context.Context, from io.Reader, path string) (found Summary, err error) {
	h, rows, err := o.open(ctx, from)
	if err != nil {
		return Summary{}, err
	}
	found = Summary{Header: h}
	if err := boltkv.Write(path, counted(ctx, rows, &found.Rows)); err != nil {
		return Summary{}, err
	}
	found.Head, err = o.examine(ctx, h, path)
	return found, err
}

// open returns the header and the rows of a backup. The header is authentic once the first row is.
func (o Options) open(ctx context.Context, from io.Reader) (Header, iter.Seq2[kv.Pair, error], error) {
	buffered := bufio.NewReader(from)
	h, lines, err := readHeader(buffered)
	if err != nil {
		return Header{}, nil, err
	}
	if h.Service != o.Service {
		return Header{}, nil, ErrForeign
	}
	key, err := keyring.OpenBackupKey(ctx, o.Providers, o.Service, h.Keyring, h.Key)
	if err != nil {
		return Header{}, nil, err
	}
	defer key.Zero()
	cipher, err := newCipher(key) // which copies the key
	if err != nil {
		return Header{}, nil, err
	}
	plain, err := cipher.NewDecryptingReader(buffered, lines)
	if err != nil {
		return Header{}, nil, damaged(err)
	}
	return h, readRows(plain), nil
}

// counted counts rows, and ends them with ctx.
func counted(ctx context.Context, rows iter.Seq2[kv.Pair, error], count *uint64) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		for pair, err := range rows {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(pair, err) || err != nil {
				return
			}
			*count++
		}
	}
}

// examine verifies a restored store, and lets the options check it.
func (o Options) examine(ctx context.Context, h Header, path string) (head changelog.Checkpoint, err error) {
	store, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		return changelog.Checkpoint{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	keys, err := keyring.OpenReadOnly(ctx, store, o.Providers, o.Service)
	if err != nil {
		return changelog.Checkpoint{}, err
	}
	if err := keys.Authenticate(store); err != nil {
		return changelog.Checkpoint{}, err
	}
	log, err := changelog.New(keys.LogSeeds(), o.Service, time.Now)
	if err != nil {
		return changelog.Checkpoint{}, err
	}
	store.Attach(changelog.Name, log)
	restored := Source{Service: o.Service, Store: store, Keys: keys, Log: log}
	check := o.Check
	if check == nil {
		check = verifyAll
	}
	if err := check(ctx, restored); err != nil {
		return changelog.Checkpoint{}, err
	}
	return restored.compareHead(ctx, h)
}

// verifyAll verifies the MAC of each row, and the change log.
func verifyAll(ctx context.Context, s Source) error {
	return s.Store.View(ctx, func(r kv.Reader) error {
		for _, err := range kv.All(r, kv.Range{}) {
			if err := errors.Join(err, ctx.Err()); err != nil {
				return err
			}
		}
		return s.Log.Verify(r)
	})
}

// compareHead fails unless the head of the change log is that of the header.
func (s Source) compareHead(ctx context.Context, h Header) (changelog.Checkpoint, error) {
	head, err := changelog.OpenCheckpoint(h.Checkpoint, h.LogKey)
	if err != nil {
		return changelog.Checkpoint{}, err
	}
	return head, s.Store.View(ctx, func(r kv.Reader) error {
		stored, err := s.Log.Head(r)
		if err != nil {
			return err
		}
		if stored.Size != head.Size || stored.Size > 0 && stored.Root != head.Root {
			return fmt.Errorf("%w: the change log has another head than the header", ErrDamaged)
		}
		return nil
	})
}
