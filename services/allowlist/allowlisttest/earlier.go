package allowlisttest

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// Rewrite changes the records of all endpoints of a stopped allowlist to those of an allowlist that
// was upgraded from an earlier release, with the entries of an upgrade.
func Rewrite(t testing.TB, cfg allowlist.Config, change func(id string, e *stored.Endpoint)) {
	t.Helper()
	db, err := boltkv.Open(cfg.Store, boltkv.Options{})
	Must(t, err)
	defer func() { Must(t, db.Close()) }()
	keys, err := keyring.Open(t.Context(), db, cfg.Keys.Providers(), "allowlist")
	Must(t, err)
	Must(t, keys.Authenticate(db))
	changes, err := changelog.New(keys.LogSeeds(), "allowlist", time.Now)
	Must(t, err)
	db.Attach(changelog.Name, changes)
	var changed []row
	Must(t, db.View(t.Context(), func(r kv.Reader) (err error) {
		changed, err = endpoints(r)
		return err
	}))
	for _, e := range changed {
		change(e.name.ID, e.record)
	}
	Must(t, db.Update(t.Context(), func(tx kv.Tx) error {
		for _, e := range changed {
			if err := e.write(tx, changes); err != nil {
				return err
			}
		}
		return nil
	}))
}

// A row is the row of an endpoint.
type row struct {
	key    kv.Key
	name   endpoint.Name
	record *stored.Endpoint
}

func endpoints(r kv.Reader) (all []row, err error) {
	for _, space := range (endpoint.Rows{}).Spaces() {
		space.Limit = 100
		for pair, err := range r.Scan(space) {
			if err != nil {
				return nil, err
			}
			own, err := endpoint.Rows{}.Resource(pair)
			if err != nil {
				return nil, err
			}
			name, err := endpoint.ParseName(own.Name)
			if err != nil {
				return nil, err
			}
			e := row{pair.Key, name, new(stored.Endpoint)}
			if err := proto.Unmarshal(pair.Value, e.record); err != nil {
				return nil, err
			}
			all = append(all, e)
		}
	}
	return all, nil
}

func (e row) write(tx kv.Tx, changes *changelog.Log) (err error) {
	if e.record.Change, err = changelog.Next(tx); err != nil {
		return err
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(e.record)
	if err != nil {
		return err
	}
	if err := tx.Put(e.key, value); err != nil {
		return err
	}
	return changes.Append(tx, changelog.Entry{
		Action: "upgraded", Scope: Workspace, Resource: e.name.String(), UID: e.record.GetUid(),
		Actor: changelog.Actor{Subject: "allowlist upgrade", Authentication: "operator"},
	}, changelog.Row{Value: value})
}
