package secret

import (
	"bytes"
	"errors"

	"github.com/keyward/keyward/pkg/inventory"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/verify"
)

// WriteInventory writes all secrets that are not deleted, with their versions and bindings, of a store that
// was verified.
func WriteInventory(store verify.Store, to *inventory.Writer) error {
	for pair, err := range kv.All(store, allSecrets(kv.NewKey(spaceSecret), 0)) {
		if err := errors.Join(err, store.Context.Err()); err != nil {
			return err
		}
		if pair.Value == nil {
			continue // a group of keys without the row of a secret
		}
		name, _, err := cutName(pair.Key, spaceSecret)
		if err != nil {
			return err
		}
		sec, err := parseSecret(name, bytes.Clone(pair.Value))
		if err != nil {
			return err
		}
		if sec.deleted() {
			continue
		}
		if err := sec.writeInventory(store, to); err != nil {
			return err
		}
	}
	return nil
}

func (s Secret) writeInventory(r kv.Reader, to *inventory.Writer) error {
	to.Secret(inventory.Secret{Name: s.Name.String(), UID: s.UID, Current: s.Current})
	for number := range s.numbers(s.Last) {
		v, err := loadVersion(r, s, number)
		if err != nil {
			return err
		}
		listed := inventory.Version{Number: number, State: string(v.State)}
		if v.State != Destroyed {
			listed.UID = v.uid()
		}
		to.Version(listed)
	}
	prefix := bindingsKey(s.Name, s.UID)
	for pair, err := range kv.All(r, kv.Prefix(prefix, 0)) {
		b := Binding{Name: s.Name, UID: s.UID}
		if err == nil {
			err = b.read(prefix, pair)
		}
		if err != nil {
			return read("bindings", err)
		}
		to.Binding(inventory.Binding{Holder: b.Holder, Operation: b.Operation, Referrer: b.Referrer})
	}
	return nil
}
