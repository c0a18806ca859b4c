package secret

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// # After a restore
//
// While a restore is pending (package restore), bindings may be missing. The transactions of changes
// that bindings prevent, and of those that cannot be undone, therefore fail with RESTORE_PENDING: they
// read the record of the restore ([restore.Held]), so none of them passes an event. The same changes in
// the background pause, so a deleted secret can be brought back although the time of its purge has
// passed. Everything that only adds, or that can be undone, is allowed: new secrets and versions, disabled
// versions, and the removal of bindings, because a secret that loses its last one cannot be deleted
// meanwhile.

// OpenRestores returns the restores of a store of secrets, to which the change log is attached.
func OpenRestores(ctx context.Context, store kv.Store, log *changelog.Log, now func() time.Time, logger *slog.Logger) (*restore.Events, error) {
	return restore.Open(ctx, restore.Config{KV: store, Log: log, Now: now, Logger: logger, Holders: holders})
}

// Restores returns the restores of the vault.
func (s *Store) Restores() *restore.Events { return s.restores }

// holderBatch is the number of secrets that are read at once to find the holders of bindings.
const holderBatch = 1000

// holders returns the principals with bindings. It reads all secrets, in bounded transactions.
func holders(ctx context.Context, store kv.Store) ([]string, error) {
	found := make(map[string]bool)
	for within := allSecrets(kv.NewKey(spaceSecret), holderBatch); ; {
		var last []byte
		read := 0
		err := store.View(ctx, func(r kv.Reader) error {
			for pair, err := range r.Scan(within) {
				if err != nil {
					return err
				}
				read++
				last = bytes.Clone(pair.Key)
				if pair.Value == nil {
					continue // the name of a deleted secret
				}
				sec, err := parseSecret(Name{}, pair.Value)
				if err != nil {
					return err
				}
				for _, h := range sec.Holders {
					if !sec.deleted() {
						found[strings.Clone(h.Name)] = true
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read secrets: %w", err)
		}
		if read < holderBatch {
			return slices.Collect(maps.Keys(found)), nil
		}
		within = within.Behind(last)
	}
}
