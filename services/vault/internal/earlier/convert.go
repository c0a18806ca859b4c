package earlier

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

var (
	errMissing = errors.New("the record is missing")
	// ErrDiffers reports a record that differs from what the log states about it.
	ErrDiffers = errors.New("the record differs from the change log")
)

// A Converted is a resource in the current form.
type Converted struct {
	// Entry is the entry about the upgrade, whose rows are Listed. It is zero if nothing is logged.
	Entry changelog.Entry
	secret.Imported
}

// Convert reads a store of the first form, and yields its secrets and settings in the current
// form. The entry of the first of them gets the sequence number next, and so on. Convert fails
// with [ErrDiffers] and the name for a resource that the log contradicts.
//
// A row may be yielded twice. The later one counts.
func Convert(r kv.Reader, keys *keyring.Keyring, next uint64, yield func(Converted) error) error {
	c := converter{r: r, keys: keys, importer: secret.NewImporter(keys), next: next, yield: yield}
	if err := each(r, kv.NewKey("equal"), c.printed); err != nil {
		return fmt.Errorf("convert fingerprints: %w", err)
	}
	if err := each(r, kv.NewKey("secret"), c.secret); err != nil {
		return fmt.Errorf("convert secrets: %w", err)
	}
	if err := each(r, kv.NewKey("sealing"), c.sealing); err != nil {
		return fmt.Errorf("convert settings: %w", err)
	}
	return nil
}

type converter struct {
	r        kv.Reader
	keys     *keyring.Keyring
	importer *secret.Importer
	next     uint64
	yield    func(Converted) error
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
	return c.yield(Converted{Imported: secret.Imported{Rows: []kv.Pair{pair}}})
}

// keeper returns the version that keeps the ledger of a value that no version has any longer: of
// the destroyed versions that a fingerprint names, the one with the most values. It returns 0 if
// no fingerprint names one.
func (c *converter) keeper(uid string) (keeper uint32, err error) {
	var most uint64
	err = each(c.r, kv.NewKey("print").Text(uid), func(_, value []byte) error {
		var first uint32
		if err := decode(value, &first); err != nil {
			return err
		}
		var v Version
		present, err := get(c.r, kv.NewKey("version").Text(uid).Uint(uint64(first)), &v)
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

func (c *converter) secret(rest, text []byte) error {
	workspace, rest, err := kv.CutText(rest)
	if err != nil {
		return err
	}
	id, _, err := kv.CutText(rest)
	if err != nil {
		return err
	}
	name := secret.Name{Workspace: workspace, ID: id}
	l, err := load(c.r, c.keys, name, text)
	defer func() {
		for _, v := range l.Versions {
			v.Plain.Zero()
		}
	}()
	if err == nil {
		err = l.check(c.r)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	imported, err := c.importer.Rows(l.Import, c.next)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return c.logged(changelog.Entry{
		Action: secret.Upgraded, Scope: resource.WorkspaceName(workspace), Resource: name.String(), UID: l.Secret.UID,
	}, imported)
}

func (c *converter) sealing(rest, text []byte) error {
	workspace, _, err := kv.CutText(rest)
	if err != nil {
		return err
	}
	var from Sealing
	if err := decode(text, &from); err != nil {
		return err
	}
	name := secret.SealingName(workspace)
	if err := checkNewest(c.r, name, "", text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	imported, err := secret.ImportSealing(workspace, from.Required, from.Revision, c.next)
	if err != nil {
		return err
	}
	return c.logged(changelog.Entry{Action: secret.Upgraded, Scope: resource.WorkspaceName(workspace), Resource: name}, imported)
}

func (c *converter) logged(e changelog.Entry, imported secret.Imported) error {
	e.Actor = changelog.Actor{Subject: "vault upgrade", Authentication: "operator"}
	c.next++
	return c.yield(Converted{e, imported})
}
