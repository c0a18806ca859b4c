package secret

import (
	"strconv"
	"strings"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// Rows describes the logged rows to an auditor: those of secrets, and the settings of workspaces.
type Rows struct{}

var _ audit.Resources = Rows{}

// Spaces implements [audit.Resources].
func (Rows) Spaces() []kv.Key { return []kv.Key{kv.NewKey(spaceSecret), kv.NewKey(spaceSealing)} }

// Own implements [audit.Resources].
func (Rows) Own(of string) (kv.Key, error) {
	if name, err := ParseName(of); err == nil {
		return secretKey(name), nil
	}
	scope, found := strings.CutSuffix(of, "/sealing")
	if workspace, err := resource.ParseWorkspace(scope); found && err == nil {
		return sealingRow(workspace).key, nil
	}
	return nil, nil // an accepted head of another program
}

// Resource implements [audit.Resources].
func (Rows) Resource(own kv.Pair) (audit.Resource, error) {
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
	return audit.Resource{Name: sec.Name.String(), UID: sec.UID, Change: sec.LastChange}, err
}

// Row implements [audit.Resources].
func (Rows) Row(uid, ref string) (kv.Key, error) {
	if ref == "" {
		return nil, errKey
	}
	space, rest := ref[:1], ref[1:]
	switch space {
	case spaceVersion, spacePinned:
		number, err := strconv.ParseUint(rest, 10, 32)
		if err != nil {
			return nil, errKey
		}
		return numberedKey(space, uid, uint32(number)), nil
	case spaceBinding, spaceReferrer, spaceHost:
		return append(ofUID(space, uid), rest...), nil
	}
	return nil, errKey
}

// Prefixes implements [audit.Resources].
func (Rows) Prefixes(uid string) []kv.Key {
	var prefixes []kv.Key
	for _, space := range []string{spaceVersion, spaceBinding, spaceReferrer, spaceHost, spacePinned} {
		prefixes = append(prefixes, ofUID(space, uid))
	}
	return prefixes
}

// Ref implements [audit.Resources].
func (Rows) Ref(uid string, key []byte) (string, error) {
	space, _, err := kv.CutText(key)
	if err != nil || len(key) < len(ofUID(space, uid)) {
		return "", errKey
	}
	rest := key[len(ofUID(space, uid)):]
	if space == spaceVersion || space == spacePinned {
		number, _, err := kv.CutUint(rest)
		return space + strconv.FormatUint(number, 10), err
	}
	return space + string(rest), nil
}
