package earlier

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// ErrDiffers reports an endpoint that differs from what the log states about it.
var ErrDiffers = errors.New("the endpoint differs from the change log")

// The spaces of a store of the first form, except those of the log and the keyring.
var (
	// Resources are the spaces of resources.
	Resources = []string{"endpoint"}
	// Replaced are the other spaces whose rows Convert converts.
	Replaced = []string{"intent", "unbind", "proof", "trial", "farewell"}
	// Copied are the spaces whose rows have the same form as today.
	Copied = []string{"endpoint-by-update", "bound", "proof-due", "use", "spent", "spent-expiry", "replay", "replay-expiry"}
)

// Check compares all endpoints with the log, and reports each with the result.
func Check(old upgrade.Old, report func(resource string, err error)) error {
	err := eachEndpoint(old, func(n name, pair kv.Pair) error {
		report(n.String(), check(old, n, pair.Value))
		return nil
	})
	if err != nil {
		return fmt.Errorf("compare endpoints: %w", err)
	}
	return nil
}

// check compares an endpoint with its newest entry.
func check(old upgrade.Old, n name, text []byte) error {
	var e Endpoint
	if err := decode(text, &e); err != nil {
		return err
	}
	newest, err := changelog.List(old.Log, changelog.Query{Resource: n.String(), Limit: 1})
	if err != nil {
		return err
	}
	if len(newest) == 0 || newest[0].UID != e.UID || newest[0].State("", text) != changelog.Matches {
		return ErrDiffers
	}
	_, err = e.message(0)
	return err
}

// Missing reports whether the newest entry of an endpoint means that it exists, but it does not.
func Missing(old upgrade.Old, newest changelog.Entry) (bool, error) {
	if newest.State("", nil) == changelog.Matches {
		return false, nil // deleted
	}
	workspace, id, _ := resource.Cut(newest.Resource, "endpoints")
	_, err := old.Get(kv.NewKey("endpoint").Text(workspace).Text(id))
	if errors.Is(err, kv.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// Convert reads a store of the first form, and yields the records in the current form. The entry of
// the first endpoint gets the sequence number next, and so on.
func Convert(old upgrade.Old, next uint64, yield func(upgrade.Converted) error) error {
	err := eachEndpoint(old, func(n name, pair kv.Pair) error {
		c, err := convert(n, pair, next)
		if err != nil {
			return fmt.Errorf("%s: %w", n, err)
		}
		next++
		return yield(c)
	})
	if err != nil {
		return fmt.Errorf("convert endpoints: %w", err)
	}
	for space, message := range map[string]func([]byte) (proto.Message, error){
		"intent": intent, "unbind": unbinding, "proof": proof, "trial": trial, "farewell": cleanup,
	} {
		for pair, err := range kv.All(old, kv.Prefix(kv.NewKey(space), 0)) {
			if err == nil {
				err = convertRow(pair, message, yield)
			}
			if err != nil {
				return fmt.Errorf("convert rows of %s: %w", space, err)
			}
		}
	}
	return nil
}

func convertRow(pair kv.Pair, message func([]byte) (proto.Message, error), yield func(upgrade.Converted) error) error {
	m, err := message(pair.Value)
	if err != nil {
		return err
	}
	value, err := marshal(m)
	if err != nil {
		return err
	}
	return yield(upgrade.Converted{Rows: []kv.Pair{{Key: pair.Key, Value: value}}})
}

// convert converts an endpoint, whose entry has the sequence number.
func convert(n name, pair kv.Pair, sequence uint64) (c upgrade.Converted, err error) {
	var e Endpoint
	if err := decode(pair.Value, &e); err != nil {
		return c, err
	}
	m, err := e.message(sequence)
	if err != nil {
		return c, err
	}
	value, err := marshal(m)
	return upgrade.Converted{
		Rows:   []kv.Pair{{Key: pair.Key, Value: value}},
		Entry:  changelog.Entry{Action: changelog.Upgraded, Scope: n.scope, Resource: n.String(), UID: e.UID},
		Listed: [][]changelog.Row{{{Value: value}}},
	}, err
}

// A name is the name of an endpoint.
type name struct{ scope, id string }

func (n name) String() string { return n.scope + "/endpoints/" + n.id }

// eachEndpoint yields the endpoints.
func eachEndpoint(r kv.Reader, yield func(name, kv.Pair) error) error {
	space := kv.NewKey("endpoint")
	for pair, err := range kv.All(r, kv.Prefix(space, 0)) {
		if err != nil {
			return err
		}
		workspace, rest, err := kv.CutText(pair.Key[len(space):])
		if err != nil {
			return err
		}
		id, _, err := kv.CutText(rest)
		if err != nil {
			return err
		}
		if err := yield(name{resource.WorkspaceName(workspace), id}, pair); err != nil {
			return err
		}
	}
	return nil
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

func intent(value []byte) (proto.Message, error) {
	var i Intent
	err := decode(value, &i)
	return &stored.Intent{Endpoint: i.Endpoint, Secrets: i.Secrets, Time: kv.Nanos(i.Time)}, err
}

func unbinding(value []byte) (proto.Message, error) {
	var u Unbinding
	err := decode(value, &u)
	return &stored.Unbinding{Secrets: u.Secrets, Rounds: u.Rounds, NotBefore: kv.Nanos(u.NotBefore)}, err
}

func proof(value []byte) (proto.Message, error) {
	var p Proof
	err := decode(value, &p)
	return &stored.Proof{Checked: kv.Nanos(p.Checked), Due: kv.Nanos(p.Due)}, err
}

func trial(value []byte) (proto.Message, error) {
	var t Trial
	err := decode(value, &t)
	return &stored.Trial{Full: kv.Nanos(t.Full)}, err
}

func cleanup(value []byte) (proto.Message, error) {
	var c UsesCleanup
	err := decode(value, &c)
	return &stored.UsesCleanup{Due: kv.Nanos(c.Due), Last: c.Last}, err
}
