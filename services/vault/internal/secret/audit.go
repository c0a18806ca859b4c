package secret

import (
	"strconv"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// Rows describes the rows of secrets and of sealing settings to an auditor.
type Rows struct{}

var _ audit.Resources = Rows{}

// Spaces implements [audit.Resources].
func (Rows) Spaces() []kv.Range {
	return []kv.Range{kv.Prefix(kv.NewKey(spaceSecret), 0), kv.Prefix(kv.NewKey(spaceSealing), 0)}
}

// Own implements [audit.Resources].
func (Rows) Own(resource string) (kv.Key, error) {
	if name, err := ParseName(resource); err == nil {
		return secretKey(name), nil
	}
	if workspace, err := ParseSealing(resource); err == nil {
		return sealingRow(workspace).key, nil
	}
	return nil, nil // a head that was accepted
}

// Resource implements [audit.Resources].
func (Rows) Resource(own kv.Pair) (audit.Resource, error) {
	workspace, rest, err := kv.CutText(own.Key[len(kv.NewKey(spaceSecret)):])
	if err != nil {
		return audit.Resource{}, errKey
	}
	if own.Key[0] == spaceSealing[0] {
		var m stored.Sealing
		if err := decode(own.Value, &m); err != nil {
			return audit.Resource{}, err
		}
		return audit.Resource{Name: SealingName(workspace), Change: m.GetLastChange()}, nil
	}
	id, _, err := kv.CutText(rest)
	if err != nil {
		return audit.Resource{}, errKey
	}
	var m stored.Secret
	if err := decode(own.Value, &m); err != nil {
		return audit.Resource{}, err
	}
	name := Name{Workspace: workspace, ID: id}
	return audit.Resource{Name: name.String(), UID: textOf(m.GetUid()), Change: m.GetLastChange()}, nil
}

// Row implements [audit.Resources].
func (Rows) Row(_, uid, ref string) (kv.Key, error) {
	if ref == "" {
		return nil, errKey
	}
	space, rest := ref[:1], ref[1:]
	if !numbered(space) {
		return append(ofUID(space, uid), rest...), nil
	}
	number, err := strconv.ParseUint(rest, 10, 32)
	if err != nil {
		return nil, errKey
	}
	return numberedKey(space, uid, uint32(number)), nil
}

// Prefixes implements [audit.Resources].
func (Rows) Prefixes(_, uid string) (prefixes []kv.Key) {
	if uid == "" {
		return nil // a sealing setting has only its own row
	}
	for _, space := range []string{spaceVersion, spaceBinding, spaceReferrer, spaceHost, spacePinned} {
		prefixes = append(prefixes, ofUID(space, uid))
	}
	return prefixes
}

// Ref implements [audit.Resources].
func (Rows) Ref(_, uid string, key []byte) (string, error) {
	space := string(key[:1])
	rest := key[len(ofUID(space, uid)):]
	if !numbered(space) {
		return space + string(rest), nil
	}
	number, left, err := kv.CutUint(rest)
	if err != nil || len(left) > 0 {
		return "", errKey
	}
	return space + strconv.FormatUint(number, 10), nil
}

// numbered reports whether the keys of a space end with a number.
func numbered(space string) bool { return space == spaceVersion || space == spacePinned }
