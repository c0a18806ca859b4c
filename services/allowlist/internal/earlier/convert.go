package earlier

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// Upgraded is the action of an entry about an endpoint that an upgrade stored in the current form.
const Upgraded = "upgraded"

// ErrDiffers reports an endpoint that differs from what the log states about it.
var ErrDiffers = errors.New("the endpoint differs from the change log")

// A Converted is a row in the current form.
type Converted struct {
	kv.Pair

	// Entry is the entry about the upgrade of an endpoint, which states the row. It is zero for other
	// rows.
	Entry changelog.Entry
}

// Convert reads a store of the first form, and yields the records in the current form. The entry of
// the first endpoint gets the sequence number next, and so on. Convert fails with [ErrDiffers] and
// the name for an endpoint that the log contradicts.
func Convert(r kv.Reader, next uint64, yield func(Converted) error) error {
	err := each(r, "endpoint", func(pair kv.Pair) error {
		c, err := endpoint(r, pair, next)
		if err != nil {
			return err
		}
		next++
		return yield(c)
	})
	if err != nil {
		return fmt.Errorf("convert endpoints: %w", err)
	}
	for space, message := range map[string]func([]byte) (proto.Message, error){
		"intent": intent, "unbind": unbinding, "proof": check, "trial": trial, "farewell": cleanup,
	} {
		err := each(r, space, func(pair kv.Pair) error {
			m, err := message(pair.Value)
			if err != nil {
				return err
			}
			value, err := marshal(m)
			if err != nil {
				return err
			}
			return yield(Converted{Pair: kv.Pair{Key: pair.Key, Value: value}})
		})
		if err != nil {
			return fmt.Errorf("convert rows of %s: %w", space, err)
		}
	}
	return nil
}

// endpoint converts an endpoint, which must be as its newest entry states it.
func endpoint(r kv.Reader, pair kv.Pair, sequence uint64) (c Converted, err error) {
	workspace, rest, err := kv.CutText(pair.Key[len(kv.NewKey("endpoint")):])
	if err != nil {
		return c, err
	}
	id, _, err := kv.CutText(rest)
	if err != nil {
		return c, err
	}
	scope := resource.WorkspaceName(workspace)
	name := scope + "/endpoints/" + id
	var e Endpoint
	if err := decode(pair.Value, &e); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	newest, err := changelog.List(r, changelog.Query{Resource: name, Limit: 1})
	if err != nil {
		return c, err
	}
	if len(newest) == 0 || newest[0].UID != e.UID || newest[0].State("", pair.Value) != changelog.Matches {
		return c, fmt.Errorf("%s: %w", name, ErrDiffers)
	}
	m, err := e.message(sequence)
	if err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	value, err := marshal(m)
	return Converted{
		Pair: kv.Pair{Key: pair.Key, Value: value},
		Entry: changelog.Entry{
			Action: Upgraded, Scope: scope, Resource: name, UID: e.UID,
			Actor: changelog.Actor{Subject: "keyward", Authentication: "system"},
		},
	}, err
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

func intent(value []byte) (proto.Message, error) {
	var i Intent
	err := decode(value, &i)
	return &stored.Intent{Endpoint: i.Endpoint, Secrets: i.Secrets, Time: nanos(i.Time)}, err
}

func unbinding(value []byte) (proto.Message, error) {
	var u Unbinding
	err := decode(value, &u)
	return &stored.Unbinding{Secrets: u.Secrets, Rounds: u.Rounds, NotBefore: nanos(u.NotBefore)}, err
}

func check(value []byte) (proto.Message, error) {
	var p Proof
	err := decode(value, &p)
	return &stored.Proof{Checked: nanos(p.Checked), Due: nanos(p.Due)}, err
}

func trial(value []byte) (proto.Message, error) {
	var t Trial
	err := decode(value, &t)
	return &stored.Trial{Full: nanos(t.Full)}, err
}

func cleanup(value []byte) (proto.Message, error) {
	var c UsesCleanup
	err := decode(value, &c)
	return &stored.UsesCleanup{Due: nanos(c.Due), Last: c.Last}, err
}

// each yields the rows of a space.
func each(r kv.Reader, space string, yield func(kv.Pair) error) error {
	const page = 256
	within := kv.Prefix(kv.NewKey(space), page)
	for {
		read := 0
		for pair, err := range r.Scan(within) {
			if err != nil {
				return err
			}
			if err := yield(pair); err != nil {
				return err
			}
			within.Start = append(append([]byte(nil), pair.Key...), 0)
			read++
		}
		if read < page {
			return nil
		}
	}
}
