package earlier

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

var (
	errMissing = errors.New("the record is missing")
	// ErrDiffers reports a record that differs from what the log states about it.
	ErrDiffers = errors.New("the record differs from the change log")
)

// The spaces of a store of the first form, except those of the log and the keyring.
var (
	// Resources are the spaces that Check and Convert read.
	Resources = []string{"secret", "sealing"}
	// Replaced are the spaces whose rows Convert reads, or that follow from others.
	Replaced = []string{
		"version", "value", "binding", "uses", "purpose", "equal", "print",
		"by-update", "referrer", "referrers", "host", "named", "garbage",
	}
	// Copied are the spaces whose rows have the same form as today.
	Copied = []string{"replay", "replay-expiry", "sealing-key"}
)

// Convert reads a store of the first form, and yields its secrets and settings in the current
// form. The first entry gets the sequence number next.
//
// A row may be yielded twice. The later one counts.
func Convert(old upgrade.Old, next uint64, yield func(upgrade.Converted) error) error {
	c := converter{old: old, importer: secret.NewImporter(old.Keys), next: next, yield: yield}
	if err := each(old, kv.NewKey("equal"), c.printed); err != nil {
		return fmt.Errorf("convert fingerprints: %w", err)
	}
	if err := eachSecret(old, c.secret); err != nil {
		return fmt.Errorf("convert secrets: %w", err)
	}
	if err := eachSetting(old, c.sealing); err != nil {
		return fmt.Errorf("convert settings: %w", err)
	}
	return nil
}

type converter struct {
	old      upgrade.Old
	importer *secret.Importer
	next     uint64
	yield    func(upgrade.Converted) error
}

// printed converts the row of a fingerprint. Those of versions that still exist are replaced later.
func (c *converter) printed(rest, value []byte) error {
	workspace, rest, err := kv.CutText(rest)
	if err != nil {
		return err
	}
	digits, rest, err := kv.CutText(rest)
	if err != nil {
		return err
	}
	uid, _, err := kv.CutText(rest)
	if err != nil {
		return err
	}
	p, err := hex.DecodeString(digits)
	if err != nil || len(p) != len(secret.Print{}) {
		return errFormat
	}
	row := Printed{ID: string(value)} // the form of releases without ledgers
	if len(value) > 0 && value[0] == format {
		if err := decode(value, &row); err != nil {
			return err
		}
	}
	if row.Keeper == 0 {
		if row.Keeper, err = c.keeper(uid); err != nil {
			return err
		}
	}
	pair, err := secret.ImportPrinted(workspace, secret.Print(p), uid, row.ID, row.Keeper)
	if err != nil {
		return err
	}
	return c.yield(upgrade.Converted{Rows: []kv.Pair{pair}})
}

// keeper returns the version that keeps the ledger of a value that no version has any longer: of
// the destroyed versions that a fingerprint names, the one with the most values. It returns 0 if
// no fingerprint names one.
func (c *converter) keeper(uid string) (keeper uint32, err error) {
	var most uint64
	err = each(c.old, kv.NewKey("print").Text(uid), func(_, value []byte) error {
		var first uint32
		if err := decode(value, &first); err != nil {
			return err
		}
		var v Version
		present, err := get(c.old, kv.NewKey("version").Text(uid).Uint(uint64(first)), &v)
		if err != nil || !present || v.State != string(secret.Destroyed) || v.Nonces == nil {
			return err
		}
		if keeper == 0 || v.Nonces.Used > most {
			keeper, most = first, v.Nonces.Used
		}
		return nil
	})
	return keeper, err
}

func (c *converter) secret(name secret.Name, text []byte) error {
	l, err := load(c.old, c.old.Keys, name, text)
	defer l.zero()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	imported, err := c.importer.Rows(l.Import, c.next)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return c.logged(name.Workspace, name.String(), l.Secret.UID, imported)
}

func (c *converter) sealing(workspace string, text []byte) error {
	name := secret.SealingName(workspace)
	var from Sealing
	if err := decode(text, &from); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	imported, err := secret.ImportSealing(workspace, from.Required, from.Revision, c.next)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return c.logged(workspace, name, "", imported)
}

func (c *converter) logged(workspace, name, uid string, imported secret.Imported) error {
	c.next += uint64(len(imported.Listed))
	e := changelog.Entry{Action: secret.Upgraded, Scope: resource.WorkspaceName(workspace), Resource: name, UID: uid}
	return c.yield(upgrade.Converted{Rows: imported.Rows, Entry: e, Listed: imported.Listed})
}
