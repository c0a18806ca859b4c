package restore

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// Key is the key of the record. Its row is the own row of [Resource].
func Key() kv.Key { return kv.NewKey("restore") }

func epochKey() kv.Key { return kv.NewKey("epoch") }

var errRecord = errors.New("read restore: malformed record")

// Load returns the last restore.
func Load(r kv.Reader) (Restore, error) {
	row, err := r.Get(Key())
	if errors.Is(err, kv.ErrNotFound) {
		return Restore{}, nil
	}
	if err != nil {
		return Restore{}, fmt.Errorf("read restore: %w", err)
	}
	return Parse(row)
}

// Held fails with RESTORE_PENDING while changes are held.
func Held(r kv.Reader) error {
	last, err := Load(r)
	if err != nil {
		return err
	}
	return last.Held()
}

// Pending reports whether changes are held.
func Pending(r kv.Reader) (bool, error) {
	last, err := Load(r)
	return last.Pending(), err
}

// Checkpoint returns the signed head of the change log in the present epoch, and the successions of its keys.
func Checkpoint(r kv.Reader, changes *changelog.Log) (changelog.Claim, error) {
	last, err := Load(r)
	if err != nil {
		return changelog.Claim{}, err
	}
	epoch, err := last.present(r)
	if err != nil {
		return changelog.Claim{}, err
	}
	return changes.CheckpointIn(r, epoch)
}

// present returns the epoch of the last restore, or the first epoch of a vault that was never restored.
func (r Restore) present(reader kv.Reader) (string, error) {
	if r.Epoch != "" {
		return r.Epoch, nil
	}
	return readEpoch(reader)
}

// Parse decodes a record.
func Parse(row []byte) (Restore, error) {
	var m stored.Restore
	if err := proto.Unmarshal(row, &m); err != nil {
		return Restore{}, errRecord
	}
	r := Restore{
		Time: kv.TimeOf(m.GetTime()), Epoch: m.GetEpoch(), Reason: m.GetReason(), Checkpoint: m.GetCheckpoint(),
		Lost: m.GetLost(), LargestLost: m.GetLargestLost(), Count: m.GetRestores(), FirstVersion: m.GetFirstVersion(),
		Released: kv.TimeOf(m.GetReleased()), LastChange: m.GetLastChange(), Ended: m.GetEnded(), Unknown: m.Unknown(),
	}
	for _, one := range m.GetResolvers() {
		r.Resolvers = append(r.Resolvers, Resolver{one.GetResolver(), kv.TimeOf(one.GetReconciled())})
	}
	return r, nil
}

// save writes the record and the entry of a change.
func (e *Events) save(tx kv.Tx, r *Restore, entry changelog.Entry) (err error) {
	if r.LastChange, err = changelog.Next(tx); err != nil {
		return err
	}
	row, err := r.encode()
	if err != nil {
		return err
	}
	if err := tx.Put(Key(), row); err != nil {
		return fmt.Errorf("write restore: %w", err)
	}
	entry.Scope, entry.Resource = resource.Everywhere, Resource // a restore covers all workspaces
	return e.Log.Append(tx, entry, changelog.Row{Value: row})
}

func (r Restore) encode() ([]byte, error) {
	m := &stored.Restore{
		LastChange: r.LastChange, Time: kv.Nanos(r.Time), Epoch: r.Epoch, Reason: r.Reason, Checkpoint: r.Checkpoint,
		Lost: r.Lost, LargestLost: r.LargestLost, Restores: r.Count, FirstVersion: r.FirstVersion, Released: kv.Nanos(r.Released), Ended: r.Ended,
	}
	for _, one := range r.Resolvers {
		m.Resolvers = append(m.Resolvers, &stored.Reconciliation{Resolver: one.Name, Reconciled: kv.Nanos(one.Reconciled)})
	}
	m.ProtoReflect().SetUnknown(r.Unknown)
	return marshal(m)
}

// detail returns the detail of an entry: the heads, and the epoch.
func (r Restore) detail(lost string) ([]byte, error) {
	m := &stored.Restore{Epoch: r.Epoch, Checkpoint: r.Checkpoint}
	if lost != "" {
		m.Lost = []string{lost}
	}
	return marshal(m)
}

func marshal(m proto.Message) ([]byte, error) {
	row, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, errors.New("encode restore: it is not valid UTF-8")
	}
	return row, nil
}

// readEpoch returns the epoch of a vault that was never restored, or [kv.ErrNotFound].
func readEpoch(r kv.Reader) (string, error) {
	row, err := r.Get(epochKey())
	if err != nil {
		return "", fmt.Errorf("read epoch: %w", err)
	}
	var m stored.Epoch
	if err := proto.Unmarshal(row, &m); err != nil || m.GetEpoch() == "" {
		return "", errors.New("read epoch: malformed record")
	}
	return m.GetEpoch(), nil
}

// beginEpoch stores the first epoch of a store.
func beginEpoch(tx kv.Tx, fresh string) error {
	row, err := marshal(&stored.Epoch{Epoch: fresh})
	if err == nil {
		err = tx.Put(epochKey(), row)
	}
	if err != nil {
		return fmt.Errorf("write epoch: %w", err)
	}
	return nil
}
