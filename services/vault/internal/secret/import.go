package secret

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/vault/internal/publickey"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// # Upgrades
//
// An upgrade writes all rows of a secret at once, with one entry. It settles what earlier releases
// left open until a version was used: fingerprints, public parts, and ledgers.

// Upgraded is the action of an entry about a secret that an upgrade stored in the current form.
const Upgraded = changelog.Upgraded

// maxListed is the number of rows that one entry of an import lists. A secret with more rows gets
// several entries.
const maxListed = 1000

// An Import is a secret of an earlier stored form. The fields of its secret that describe versions
// and bindings are not set.
type Import struct {
	Secret Secret
	// Versions are all versions, in order.
	Versions []ImportedVersion
	Bindings []Binding
}

// An ImportedVersion is a version of an earlier stored form.
type ImportedVersion struct {
	// Version has Uses. Its Nonces are those of its own ledger, or nil if it never had one.
	Version
	// Plain is the value. It is empty if the version is destroyed.
	Plain sensitive.Bytes
}

// An Importer writes rows in the current form.
type Importer struct{ store Store }

// NewImporter returns an importer for a vault with the keys.
func NewImporter(keys *keyring.Keyring) *Importer {
	return &Importer{Store{keys: keys, printKey: keys.Derive("fingerprints")}}
}

// An Imported is the rows of an import.
type Imported struct {
	// Rows are all rows.
	Rows []kv.Pair
	// Listed are the rows that the entries list, one element for each entry. The last entry lists the
	// row of the resource.
	Listed [][]changelog.Row
}

// Rows returns the rows of an import whose first entry has the sequence number.
func (i *Importer) Rows(im Import, sequence uint64) (Imported, error) {
	w := importing{sec: im.Secret, change: sequence}
	versions := make([]Version, len(im.Versions))
	for n, v := range im.Versions {
		var err error
		if versions[n], err = i.seal(w.sec, v); err != nil {
			return Imported{}, err
		}
	}
	if w.sec.Usage == Key {
		w.assignLedgers(versions)
	}
	for _, v := range versions {
		w.putVersion(v)
	}
	for _, b := range im.Bindings {
		w.putBinding(b)
	}
	w.putCounts(im.Bindings)
	w.sec.LastChange = w.next()
	w.list(secretRow(w.sec.Name), w.sec.message())
	w.rows = append(w.rows, kv.Pair{Key: updateKey(w.sec.Name, w.sec.Updated)})
	return Imported{w.rows, w.listed}, w.err
}

// seal returns a version with its value sealed again, and what an earlier release did not store
// about it.
func (i *Importer) seal(sec Secret, from ImportedVersion) (v Version, err error) {
	v = from.Version
	if from.Plain.Len() == 0 {
		return v, nil
	}
	memory.Do(func() {
		v.Sealed, err = i.store.keys.SealValue(from.Plain, boundTo(sec, v.Number))
		if err != nil || sec.Usage != Key {
			return
		}
		look := keyform.Look(from.Plain.Reveal())
		if v.Public == nil {
			v.Public = publickey.Shown(look.Public)
		}
		if v.Facts == nil && v.Public != nil {
			v.Facts = &Facts{Private: look.Kind == keyform.KindPrivateKey}
		}
		v.Prints = i.store.printsOf(sec, material{plain: from.Plain, public: v.Public, facts: v.Facts})
	})
	if err != nil {
		return Version{}, fmt.Errorf("seal version %d: %w", v.Number, err)
	}
	return v, nil
}

// importing collects the rows of an import.
type importing struct {
	sec    Secret
	change uint64 // the sequence number of the last entry
	rows   []kv.Pair
	listed [][]changelog.Row
	err    error
}

// put adds a row that the entry does not list.
func (w *importing) put(key kv.Key, m proto.Message) (value []byte) {
	value, err := encode(m)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.rows = append(w.rows, kv.Pair{Key: key, Value: value})
	return value
}

// next returns the sequence number of the entry that lists the next row.
func (w *importing) next() uint64 {
	switch last := len(w.listed) - 1; {
	case last < 0:
		w.listed = append(w.listed, nil)
	case len(w.listed[last]) == maxListed:
		w.listed = append(w.listed, nil)
		w.change++
	}
	return w.change
}

// list adds a row that an entry lists.
func (w *importing) list(at row, m proto.Message) {
	w.next()
	last := len(w.listed) - 1
	w.listed[last] = append(w.listed[last], changelog.Row{Ref: at.ref, Value: statedForm(at.ref, w.put(at.key, m))})
}

// assignLedgers gives each version of a KEY a ledger. Versions without one share that of the
// version with the same value, or begin one. A ledger counts the uses of the versions that had
// none.
func (w *importing) assignLedgers(versions []Version) {
	keepers := make(map[Print]uint32)
	keep := func(v Version) {
		for _, p := range v.Prints {
			if at, found := keepers[p]; !found || v.keeper() < at {
				keepers[p] = v.keeper()
			}
		}
	}
	for _, v := range versions {
		if v.Nonces != nil || v.SameAs != 0 {
			keep(v)
		}
	}
	for i := range versions {
		v := &versions[i]
		if v.Nonces != nil || v.SameAs != 0 {
			continue
		}
		for _, p := range v.Prints {
			if at := keepers[p]; at != 0 && (v.SameAs == 0 || at < v.SameAs) {
				v.SameAs = at
			}
		}
		if v.SameAs != 0 && versions[v.SameAs-1].Nonces != nil {
			shared := versions[v.SameAs-1].Nonces
			shared.Used = sum(shared.Used, v.Uses.Used)
		} else {
			v.SameAs, v.Nonces = 0, &Nonces{Used: v.Uses.Used}
		}
		keep(*v)
	}
	for _, v := range versions {
		if v.SameAs == 0 {
			w.put(noncesKey(w.sec.Name, w.sec.UID, v.Number), v.Nonces.message())
		}
		for _, p := range v.Prints {
			w.put(equalKey(w.sec.Name.Workspace, p, w.sec.UID), &stored.Printed{Id: w.sec.Name.ID, Keeper: keepers[p]})
		}
	}
}

func (w *importing) putVersion(v Version) {
	v.LastChange = w.next()
	switch v.State {
	case Enabled:
	case Destroyed:
		w.sec.Destroyed = including(w.sec.Destroyed, v.Number)
	default:
		w.sec.Rewrites = append(w.sec.Rewrites, Rewrite{Version: v.Number, Change: v.LastChange, Disabled: true})
	}
	m, err := v.message()
	if err != nil && w.err == nil {
		w.err = err
	}
	w.list(versionRow(w.sec.Name, w.sec.UID, v.Number), m)
	if v.Uses.reported() {
		w.put(usesKey(w.sec.Name, w.sec.UID, v.Number), v.Uses.message())
	}
}

func (w *importing) putBinding(b Binding) {
	b.Name, b.UID, b.LastChange = w.sec.Name, w.sec.UID, w.next()
	if err := w.sec.countHolder(b.Holder, true); err != nil && w.err == nil {
		w.err = err
	}
	w.list(bindingRow(b), b.message())
}

// putCounts counts the bindings.
func (w *importing) putCounts(bindings []Binding) {
	counts := make(map[string]uint64)
	rows := make(map[string]row)
	var order []string
	count := func(at row) {
		if counts[at.ref]++; counts[at.ref] == 1 {
			rows[at.ref] = at
			order = append(order, at.ref)
		}
	}
	for _, b := range bindings {
		b.Name, b.UID = w.sec.Name, w.sec.UID
		referrer := referrerRow(b)
		if counts[referrer.ref] == 0 {
			w.sec.References++
		}
		count(referrer)
		if b.Host != "" {
			count(hostRow(b))
		}
		for _, number := range b.Versions {
			count(pinnedRow(w.sec.Name, w.sec.UID, number))
		}
	}
	for _, ref := range order {
		w.list(rows[ref], &stored.Count{Count: counts[ref]})
	}
}

// ImportSealing returns the row of a workspace's setting whose entry has the sequence number.
func ImportSealing(workspace string, required bool, revision, sequence uint64) (Imported, error) {
	var w importing
	w.list(sealingRow(workspace), sealingSetting{Required: required, Revision: revision, LastChange: sequence}.message())
	return Imported{w.rows, w.listed}, w.err
}

// ImportPrinted returns the row of a fingerprint, and the version that keeps the ledger of the
// value. The rows of versions replace it.
func ImportPrinted(workspace string, p Print, uid, id string, keeper uint32) (kv.Pair, error) {
	var w importing
	w.put(equalKey(workspace, p, uid), &stored.Printed{Id: id, Keeper: keeper})
	return w.rows[0], w.err
}

// VersionUIDOf returns the uid of a version whose value was sealed once.
func VersionUIDOf(sealed keyring.Sealed) string { return versionUID(sealed) }
