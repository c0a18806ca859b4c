package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/keyward/keyward/pkg/verify"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/cmd/internal/cli"
)

// vaultInventory compares the verified rows with the inventory of a vault.
var vaultInventory = cli.Use[config]{
	Flag: "vault-inventory",
	Help: "file that --inventory of the vault's verify or verify-backup wrote; prints what a restore of both files would break, and fails if that is any endpoint",
	Do:   foresee,
}

// foresee prints a line for each difference: the reason, the secret, the referrer, and what differs. It fails if
// an endpoint would stop to work.
func foresee(cfg config, path string, verified verify.Store) error {
	vault, err := os.Open(path)
	if err != nil {
		return err
	}
	out, broken := newTable(os.Stdout), make(map[string]bool)
	err = allowlist.Foresee(verified, cfg.Allowlist, vault, func(p allowlist.Prospect) {
		out.row(p.Reason, cmp.Or(p.Secret, "-"), cmp.Or(p.Referrer, "-"), p.Because)
		if p.Breaks {
			broken[p.Referrer] = true
		}
	})
	if err := errors.Join(err, out.finish(), vault.Close()); err != nil {
		return fmt.Errorf("compare with %s: %w", path, err)
	}
	if len(broken) > 0 {
		return fmt.Errorf("a restore of both files would break %d endpoints; see the rows SWITCHED_OFF, VERSION_DISABLED, and VERSION_DESTROYED", len(broken))
	}
	return nil
}
