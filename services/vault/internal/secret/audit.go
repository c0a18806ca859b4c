package secret

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/restore"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// Rows describes the logged rows to an auditor: those of secrets, the settings of workspaces, and the last
// restore.
type Rows struct{}

var _ audit.Resources = Rows{}

// Spaces implements [audit.Resources].
func (Rows) Spaces() []kv.Range {
	return []kv.Range{allSecrets(kv.NewKey(spaceSecret), 0), kv.Prefix(kv.NewKey(spaceSealing), 0), kv.Prefix(restore.Key(), 0)}
}

// Own implements [audit.Resources].
func (Rows) Own(of string) (kv.Key, error) {
	if name, err := ParseName(of); err == nil {
		return secretKey(name), nil
	}
	if of == restore.Resource {
		return restore.Key(), nil
	}
	scope, found := strings.CutSuffix(of, "/sealing")
	if workspace, err := resource.ParseWorkspace(scope); found && err == nil {
		return sealingRow(workspace).key, nil
	}
	return nil, nil // an accepted head of another program
}

// Resource implements [audit.Resources].
func (Rows) Resource(own kv.Pair) (audit.Resource, error) {
	if bytes.Equal(own.Key, restore.Key()) {
		last, err := restore.Parse(own.Value)
		return audit.Resource{Name: restore.Resource, Change: last.LastChange}, err
	}
	space, rest, err := kv.CutText(own.Key)
	if err != nil {
		return audit.Resource{}, err
	}
	workspace, rest, err := kv.CutText(rest)
	if err != nil {
		return audit.Resource{}, err
	}
	if space == spaceSealing {
		var m stored.Sealing
		err := decode(own.Value, &m)
		return audit.Resource{Name: SealingName(workspace), Change: m.GetLastChange()}, err
	}
	id, _, err := kv.CutText(rest)
	if err != nil {
		return audit.Resource{}, err
	}
	sec, err := parseSecret(Name{Workspace: workspace, ID: id}, own.Value)
	return sec.stated(), err
}

// logged are the kinds of rows that entries list.
var logged = [...]kind{kindVersion, kindBinding, kindReferrer, kindHost, kindPinned}

// numbered reports whether the keys of a kind end with the number of a version.
func (k kind) numbered() bool { return k == kindVersion || k == kindPinned }

// Prefixes implements [audit.Resources].
func (Rows) Prefixes(of, uid string) []kv.Key {
	name, err := ParseName(of)
	if err != nil {
		return nil // a setting has only its own row
	}
	prefixes := make([]kv.Key, len(logged))
	for i, k := range logged {
		prefixes[i] = ofUID(k, name, uid)
	}
	return prefixes
}

// Stated implements [audit.Resources]. Entries state the rows of versions without the wraps of their
// data keys, except those of earlier releases, which state the whole row.
func (Rows) Stated(ref string, value []byte) [][]byte {
	return [][]byte{statedForm(ref, value), value}
}

// Ref implements [audit.Resources].
func (Rows) Ref(of, uid string, key []byte) (string, error) {
	name, err := ParseName(of)
	if err != nil {
		return "", errKey
	}
	for _, k := range logged {
		prefix := ofUID(k, name, uid)
		rest, found := bytes.CutPrefix(key, prefix)
		switch {
		case !found:
		case k.numbered():
			number, err := lastNumber(key, prefix)
			return string(k) + strconv.FormatUint(uint64(number), 10), err
		default:
			return string(k) + string(rest), nil
		}
	}
	return "", errKey
}
