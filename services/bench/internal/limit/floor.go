package limit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/services/bench/internal/rows"
	"github.com/keyward/keyward/services/bench/internal/scatter"
)

// valueSize is the size of the value that the floor seals.
const valueSize = 256

// logName is the name of the log of [Committer].
const logName = "floor"

// A Committer writes the rows of a create or update, in a group commit with other ones. Rows of the
// commit and those that belong to no secret are written by a log of the store, as the change log's
// are.
type Committer struct {
	writes rows.Writes
	store  *boltkv.DB
	count  atomic.Uint64 // of changes

	mu      sync.Mutex
	secrets []*stored
}

// stored is a secret in the store of a Committer.
type stored struct {
	rows.Secret

	mu   sync.Mutex
	last map[string][]byte // the last key of each shape of rows that a change deletes
}

// NewCommitter opens the store at a path and stores some secrets.
func NewCommitter(ctx context.Context, path string, writes rows.Writes, secrets int) (*Committer, error) {
	store, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		return nil, err
	}
	c := &Committer{writes: writes, store: store}
	store.Attach(logName, (*commitLog)(c))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(256)
	for range secrets {
		group.Go(func() error { return c.Create(ctx, nil) })
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("fill the store: %w", err), store.Close())
	}
	return c, nil
}

// Close closes the store.
func (c *Committer) Close() error { return c.store.Close() }

// Create stores a new secret. The first row that is large enough contains the value.
func (c *Committer) Create(ctx context.Context, value []byte) error {
	n := c.count.Add(1)
	s := &stored{Secret: secretOf(n, c.writes.Create), last: make(map[string][]byte)}
	if err := c.commit(ctx, c.writes.Create, s, n, value); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets = append(c.secrets, s)
	return nil
}

// Update changes one of the secrets.
func (c *Committer) Update(ctx context.Context, value []byte) error {
	n := c.count.Add(1)
	c.mu.Lock()
	s := c.secrets[scatter.Index(n, len(c.secrets))]
	c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.commit(ctx, c.writes.Update, s, n, value)
}

// commit makes one change. The caller is the only one that changes the secret.
func (c *Committer) commit(ctx context.Context, change rows.Change, s *stored, n uint64, value []byte) error {
	deletes, puts := c.plan(change, s, n)
	return c.store.Update(ctx, func(tx kv.Tx) error {
		for _, key := range deletes {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		for _, row := range puts {
			if err := tx.Put(row.Key, fill(row.Value, value)); err != nil {
				return err
			}
		}
		return tx.Append(logName, binary.BigEndian.AppendUint64(nil, n))
	})
}

// plan returns the keys to delete and the rows to put.
func (c *Committer) plan(change rows.Change, s *stored, n uint64) (deletes [][]byte, puts []kv.Pair) {
	for _, row := range change.Delete {
		if key, ok := s.last[row.Shape]; ok {
			deletes = append(deletes, key)
		}
	}
	for _, row := range change.Put {
		if row.Each == 0 || !row.OfSecret() {
			continue // the log writes it
		}
		for i := range row.Each {
			key := row.Build(s.Secret, n*uint64(row.Each)+uint64(i))
			puts = append(puts, kv.Pair{Key: key, Value: make([]byte, checkedSize(row))})
			s.last[row.Shape] = key
		}
	}
	return deletes, puts
}

// storeOverhead is the size of what the store adds to a value without a MAC, because the measured
// sizes include what the stores of programs add.
const storeOverhead = 5

func checkedSize(row rows.Row) int { return max(row.Bytes-storeOverhead, 0) }

// fill copies the sealed value to a row that is large enough.
func fill(row, value []byte) []byte {
	if len(row) >= len(value) {
		copy(row, value)
	}
	return row
}

// secretOf returns the n-th secret, with an ID and a uid as long as those of a change.
func secretOf(n uint64, change rows.Change) rows.Secret {
	var s rows.Secret
	for _, row := range change.Put {
		for _, p := range row.Key {
			switch p.Kind {
			case rows.ID:
				s.ID = scatter.Text(n, len(p.Bytes))
			case rows.UID:
				s.UID = scatter.Text(^n, len(p.Bytes))
			case rows.RawUID:
				s.UID = scatter.Text(^n, rows.UIDSize(len(p.Bytes)))
			}
		}
	}
	return s
}

// commitLog is the log of a Committer's store.
type commitLog Committer

// Integrate implements [kv.Log]: a row for each change, and the rows of the commit.
func (l *commitLog) Integrate(tx kv.Tx, records [][]byte) error {
	for i, record := range records {
		n := binary.BigEndian.Uint64(record)
		for _, row := range l.writes.Create.Put {
			if row.OfSecret() || row.Each == 0 && i > 0 {
				continue
			}
			for j := range max(row.Each, 1) {
				if err := tx.Put(row.Build(rows.Secret{}, n*uint64(max(row.Each, 1))+uint64(j)), make([]byte, checkedSize(row))); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// runFloor serves writes.
func runFloor(ctx context.Context, cfg Config) (err error) {
	c, err := NewCommitter(ctx, cfg.Store, cfg.Writes, cfg.Secrets)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	sealer, err := newSealer()
	if err != nil {
		return err
	}
	return cfg.serve(ctx, func(r grpc.ServiceRegistrar) {
		registerMethods(r, map[string]method{
			CreateMethod: sealed(sealer, c.Create),
			UpdateMethod: sealed(sealer, c.Update),
		})
	})
}

func newSealer() (tink.AEAD, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return aead.New(handle)
}

// sealed returns a method that seals a value and stores it.
func sealed(sealer tink.AEAD, store func(context.Context, []byte) error) method {
	return func(ctx context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
		plain := make([]byte, valueSize)
		copy(plain, req.GetValue())
		value, err := sealer.Encrypt(plain, []byte(serviceName))
		if err != nil {
			return nil, err
		}
		if err := store(ctx, value); err != nil {
			return nil, err
		}
		return respond(req)
	}
}
