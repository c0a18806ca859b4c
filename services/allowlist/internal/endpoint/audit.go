package endpoint

import (
	"errors"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// Rows describes the rows of endpoints to an auditor. An endpoint has only its own row: the other
// rows of the registry are not logged. See the package comment.
type Rows struct{}

var _ audit.Resources = Rows{}

var errNoRow = errors.New("an endpoint has no other rows")

// Spaces implements [audit.Resources].
func (Rows) Spaces() []kv.Range { return []kv.Range{kv.Prefix(allEndpoints(), 0)} }

// Own implements [audit.Resources].
func (Rows) Own(resource string) (kv.Key, error) {
	name, err := ParseName(resource)
	if err != nil {
		return nil, nil //nolint:nilerr // a head of the vault that was accepted
	}
	return endpointKey(name), nil
}

// Resource implements [audit.Resources].
func (Rows) Resource(own kv.Pair) (audit.Resource, error) {
	name, err := endpointName(own.Key)
	if err != nil {
		return audit.Resource{}, err
	}
	var r stored.Endpoint
	if err := decode(own.Value, &r); err != nil {
		return audit.Resource{}, err
	}
	return audit.Resource{Name: name.String(), UID: r.GetUid(), Change: r.GetChange()}, nil
}

// Prefixes implements [audit.Resources].
func (Rows) Prefixes(string, string) []kv.Key { return nil }

// Ref implements [audit.Resources].
func (Rows) Ref(string, string, []byte) (string, error) { return "", errNoRow }

// Stated implements [audit.Resources].
func (Rows) Stated(_ string, value []byte) [][]byte { return [][]byte{value} }

// A compared is a stored state of an endpoint.
type compared struct {
	name Name
	sum  uint64 // see [matcher.sum]
}

// compare compares the stored record of an endpoint with the newest entry of its name, unless it did
// so before.
func (r *Registry) compare(reader kv.Reader, name Name, record []byte) error {
	state := compared{name, r.matches.sum(record)}
	if r.compared.Has(state) {
		return nil
	}
	stated, err := Rows{}.Resource(kv.Pair{Key: endpointKey(name), Value: record})
	if err != nil {
		return err
	}
	if err := audit.Current(reader, stated, record); err != nil {
		return err
	}
	r.compared.Add(state)
	return nil
}
