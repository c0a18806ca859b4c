package vault

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/inventory"
	"github.com/keyward/keyward/pkg/verify"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// WriteInventory writes the inventory of a vault that was verified, for a comparison with the data file of an
// allowlist. It is a [verify.Options.Use].
func WriteInventory(store verify.Store, to io.Writer) error {
	head, err := store.Log.Checkpoint(store)
	if err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	others, err := changelog.Witnessed(store)
	if err != nil {
		return fmt.Errorf("read heads of other programs: %w", err)
	}
	w := inventory.NewWriter(to, inventory.Head{Key: head.Key, Checkpoint: head.Checkpoint, Successions: head.Successions})
	for _, name := range slices.Sorted(maps.Keys(others)) {
		if last := others[name].Verified; last.Checkpoint != "" {
			w.Witnessed(inventory.Witnessed{Name: name, Key: last.Key, Checkpoint: last.Checkpoint})
		}
	}
	if err := secret.WriteInventory(store, w); err != nil {
		return fmt.Errorf("list secrets: %w", err)
	}
	w.Log(changelog.Hashes(store))
	return w.Close()
}
